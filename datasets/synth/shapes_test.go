package synth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"

	"fovea/datasets"
)

func shapes(t testing.TB, o ShapesOptions) *datasets.Images {
	t.Helper()
	im, err := Shapes(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := im.Validate(); err != nil {
		t.Fatal(err)
	}
	return im
}

// The hash is that of the images that published results were made with: a change to the drawing changes the set, and
// then the results of every recipe that used it have to be made again.
func TestShapesAreTheSameEverywhere(t *testing.T) {
	im := shapes(t, ShapesOptions{N: 50, Seed: 7})
	h := sha256.New()
	h.Write(im.Pixels)
	h.Write(im.Masks)
	for _, label := range im.Labels {
		h.Write([]byte{byte(label)})
	}
	const want = "05142af7bf93306b"
	if got := hex.EncodeToString(h.Sum(nil))[:16]; got != want {
		t.Errorf("the images of seed 7 have hash %s, want %s", got, want)
	}
}

func TestShapesImageDependsOnItsNumberAlone(t *testing.T) {
	whole := shapes(t, ShapesOptions{N: 40, Seed: 3})
	part := shapes(t, ShapesOptions{N: 15, First: 20, Seed: 3})
	want := whole.Slice(20, 35)
	if !bytes.Equal(part.Pixels, want.Pixels) || !bytes.Equal(part.Masks, want.Masks) || !slices.Equal(part.Labels, want.Labels) || !slices.Equal(part.Boxes, want.Boxes) {
		t.Error("images 20 to 34 differ when they are drawn on their own")
	}
	other := shapes(t, ShapesOptions{N: 40, Seed: 4})
	if bytes.Equal(other.Pixels, whole.Pixels) {
		t.Error("another seed draws the same images")
	}
	train, test, err := open(t.Context(), datasets.Options{Train: 30, Test: 30, Seed: 3})
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

func TestShapesAreBalanced(t *testing.T) {
	for _, classes := range []int{2, 4, 10} {
		im := shapes(t, ShapesOptions{N: 20 * classes, Classes: classes, Size: 16})
		for k, n := range im.Counts() {
			if n != 20 {
				t.Errorf("%d classes: class %d has %d images, want 20", classes, k, n)
			}
		}
		// The order within a block must differ from block to block, or the number would tell the class.
		if slices.Equal(im.Labels[:classes*4], slices.Concat(im.Labels[classes*4:classes*8])) {
			t.Errorf("%d classes: the labels repeat", classes)
		}
	}
}

// Boxes are tight, masks are of a shape's size, whole inside the image, and different classes differ in neither by much.
func TestMasksAndBoxesAgree(t *testing.T) {
	for _, size := range []int{16, 32, 48, 75} {
		im := shapes(t, ShapesOptions{N: 400, Size: size, Clutter: 1, Turn: 180, Seed: 1})
		area := make([]float64, len(im.Classes))
		for i := range im.N {
			mask, box := im.MaskAt(i), [4]int{size, size, 0, 0}
			n := 0
			for p, m := range mask {
				if m > 1 {
					t.Fatalf("a mask has value %d", m)
				}
				if m == 1 {
					x, y := p%size, p/size
					box = [4]int{min(box[0], x), min(box[1], y), max(box[2], x+1), max(box[3], y+1)}
					n++
				}
			}
			if box != im.Boxes[i] {
				t.Fatalf("size %d, image %d: box %v, the mask's is %v", size, i, im.Boxes[i], box)
			}
			if box[0] < 1 || box[1] < 1 || box[2] > size-1 || box[3] > size-1 {
				t.Errorf("size %d, image %d: a %s touches the border: %v", size, i, im.Class(i), box)
			}
			share := float64(n) / float64(size*size)
			if share < 0.03 || share > 0.5 {
				t.Errorf("size %d, image %d: a %s covers %.1f %%", size, i, im.Class(i), 100*share)
			}
			area[im.Labels[i]] += share / float64(im.N/len(im.Classes))
		}
		if ratio := slices.Max(area) / slices.Min(area); ratio > 2 {
			t.Errorf("size %d: mean areas differ by a factor of %.2f: %.3f", size, ratio, area)
		}
	}
}

// The shape must be there to be seen: its pixels differ from those around it.
func TestShapesStandOut(t *testing.T) {
	im := shapes(t, ShapesOptions{N: 200, Seed: 2})
	for i := range im.N {
		var in, out [3]float64
		var nIn, nOut float64
		b := im.Boxes[i]
		for y := b[1] - 1; y < b[3]+1; y++ {
			for x := b[0] - 1; x < b[2]+1; x++ {
				p := y*im.W + x
				sum, n := &out, &nOut
				if im.MaskAt(i)[p] == 1 {
					sum, n = &in, &nIn
				}
				*n++
				for c := range 3 {
					sum[c] += float64(im.PixelsAt(i)[3*p+c])
				}
			}
		}
		distance := 0.0
		for c := range 3 {
			distance += math.Pow(in[c]/nIn-out[c]/nOut, 2)
		}
		if math.Sqrt(distance) < 30 {
			t.Errorf("image %d: a %s differs from its surroundings by %.0f of 441", i, im.Class(i), math.Sqrt(distance))
		}
	}
}

// Neither mean images nor colours nor the neighbours in pixel space may give the class away: it takes a network.
func TestSimpleClassifiersFail(t *testing.T) {
	train, test, err := open(t.Context(), datasets.Options{Train: 2000, Test: 500, Size: 16, Classes: 4, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	for name, feature := range map[string]func(pixels []uint8) []float64{
		"mean image": func(pixels []uint8) []float64 {
			f := make([]float64, len(pixels))
			for i, p := range pixels {
				f[i] = float64(p)
			}
			return f
		},
		"colour histogram": func(pixels []uint8) []float64 {
			f := make([]float64, 3*8)
			for i, p := range pixels {
				f[i%3*8+int(p>>5)]++
			}
			return f
		},
	} {
		if accuracy := nearestMean(train, test, feature); accuracy > 0.40 { // chance is 0.25
			t.Errorf("nearest mean of the %s is right for %.1f %% of the test images", name, 100*accuracy)
		}
	}
}

func nearestMean(train, test *datasets.Images, feature func([]uint8) []float64) float64 {
	means := make([][]float64, len(train.Classes))
	for i := range train.N {
		f := feature(train.PixelsAt(i))
		if means[train.Labels[i]] == nil {
			means[train.Labels[i]] = make([]float64, len(f))
		}
		for k, v := range f {
			means[train.Labels[i]][k] += v / float64(train.N/len(means))
		}
	}
	right := 0
	for i := range test.N {
		f, best, nearest := feature(test.PixelsAt(i)), -1, math.Inf(1)
		for class, mean := range means {
			distance := 0.0
			for k := range f {
				distance += (f[k] - mean[k]) * (f[k] - mean[k])
			}
			if distance < nearest {
				best, nearest = class, distance
			}
		}
		if int32(best) == test.Labels[i] {
			right++
		}
	}
	return float64(right) / float64(test.N)
}

func TestFixedNormIsAboutRight(t *testing.T) {
	mean, std := shapes(t, ShapesOptions{N: 1000, Seed: 9}).MeanStd()
	for c := range mean {
		if math.Abs(float64(mean[c]-Norm.Mean[c])) > 0.02 || math.Abs(float64(std[c]-Norm.Std[c])) > 0.02 {
			t.Errorf("channel %d has mean %.3f and deviation %.3f, Norm says %.3f and %.3f", c, mean[c], std[c], Norm.Mean[c], Norm.Std[c])
		}
	}
}

func TestShapesRefusesBadOptions(t *testing.T) {
	for _, c := range []struct {
		o    ShapesOptions
		want string
	}{
		{ShapesOptions{N: -1}, "-1 images"},
		{ShapesOptions{Size: 15}, "15 pixels"},
		{ShapesOptions{Size: 513}, "513 pixels"},
		{ShapesOptions{Classes: 1}, "1 classes"},
		{ShapesOptions{Classes: 11}, "11 classes"},
		{ShapesOptions{Clutter: 1.5}, "1.5"},
		{ShapesOptions{Turn: -5}, "-5 degrees"},
		{ShapesOptions{Turn: 200}, "200 degrees"},
		{ShapesOptions{Clutter: math.NaN()}, "NaN"},
	} {
		if _, err := Shapes(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want an error with %q", c.o, err, c.want)
		}
	}
}

func BenchmarkShapes32(b *testing.B) {
	p := newPainter(32, 0.5, 30)
	pixels, mask := make([]uint8, 32*32*3), make([]uint8, 32*32)
	for i := 0; b.Loop(); i++ {
		p.source.Seed(0, uint64(i))
		p.paint(outlines[i%len(outlines)], pixels, mask)
	}
}
