package synth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"testing"

	"fovea/datasets"
)

func digits(t testing.TB, o DigitsOptions) *datasets.Images {
	t.Helper()
	im, err := Digits(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := im.Validate(); err != nil {
		t.Fatal(err)
	}
	return im
}

// As for shapes: a change to the drawing changes the results of every recipe that used it.
func TestDigitsAreTheSameEverywhere(t *testing.T) {
	h := sha256.New()
	im := digits(t, DigitsOptions{N: 50, Seed: 7})
	h.Write(im.Pixels)
	for _, label := range im.Labels {
		h.Write([]byte{byte(label)})
	}
	const want = "d1d83ac9cb4b438c"
	if got := hex.EncodeToString(h.Sum(nil))[:16]; got != want {
		t.Errorf("the images of seed 7 have hash %s, want %s", got, want)
	}
}

func TestDigitsImageDependsOnItsNumberAlone(t *testing.T) {
	whole := digits(t, DigitsOptions{N: 40, Seed: 3})
	part := digits(t, DigitsOptions{N: 15, First: 20, Seed: 3})
	if want := whole.Slice(20, 35); !bytes.Equal(part.Pixels, want.Pixels) || !slices.Equal(part.Labels, want.Labels) {
		t.Error("images 20 to 34 differ when they are drawn on their own")
	}
	for k, n := range whole.Counts() {
		if n != 4 {
			t.Errorf("%d of 40 images show a %d", n, k)
		}
	}
	train, test, err := openDigits(t.Context(), datasets.Options{Train: 30, Test: 30, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i := range test.N {
		for j := range train.N {
			if bytes.Equal(test.PixelsAt(i), train.PixelsAt(j)) {
				t.Fatalf("test image %d is training image %d", i, j)
			}
		}
	}
}

// The fixed normalisation is that of the default set, and at the furthest shift digits still lie inside the image.
func TestDigitsNormAndBorder(t *testing.T) {
	im := digits(t, DigitsOptions{N: 1000, Seed: 1})
	mean, std := im.MeanStd()
	if math.Abs(float64(mean[0]-DigitsNorm.Mean[0])) > 0.02 || math.Abs(float64(std[0]-DigitsNorm.Std[0])) > 0.03 {
		t.Errorf("mean %.3f and deviation %.3f, the normalisation has %.3f and %.3f", mean[0], std[0], DigitsNorm.Mean[0], DigitsNorm.Std[0])
	}
	cut := 0
	for i := range im.N {
		pixels := im.PixelsAt(i)
		for k := range im.H {
			for _, p := range []int{k, (im.H-1)*im.W + k, k * im.W, k*im.W + im.W - 1} {
				if pixels[p] > 128 {
					cut++
				}
			}
		}
	}
	if share := float64(cut) / float64(im.N); share > 0.1 {
		t.Errorf("an image has %.2f light pixels on its border", share)
	}
}

// A class is nearer to its own mean than to any other's for most images, or the drawing has lost its digits.
func TestDigitsLookLikeTheirClass(t *testing.T) {
	im := digits(t, DigitsOptions{N: 2000, Seed: 1, Shift: -1})
	n := im.H * im.W
	means := make([][]float64, len(im.Classes))
	for k := range means {
		means[k] = make([]float64, n)
	}
	for i := range 1000 {
		for p, v := range im.PixelsAt(i) {
			means[im.Labels[i]][p] += float64(v) / 100
		}
	}
	hits := 0
	for i := 1000; i < im.N; i++ {
		best, least := 0, math.Inf(1)
		for k, mean := range means {
			var d float64
			for p, v := range im.PixelsAt(i) {
				d += (float64(v) - mean[p]) * (float64(v) - mean[p])
			}
			if d < least {
				best, least = k, d
			}
		}
		if best == int(im.Labels[i]) {
			hits++
		}
	}
	if hits < 600 {
		t.Errorf("%d of 1000 images are nearest to their class's mean", hits)
	}
}

func TestDigitsErrors(t *testing.T) {
	for _, o := range []DigitsOptions{{N: -1}, {First: -1}, {Size: 8}, {Size: 512}, {Shift: 0.3}, {Warp: math.NaN()}} {
		if _, err := Digits(o); err == nil {
			t.Errorf("%+v is not an error", o)
		}
	}
	if _, _, err := openDigits(t.Context(), datasets.Options{Classes: 4}); err == nil {
		t.Error("4 classes are not an error")
	}
}
