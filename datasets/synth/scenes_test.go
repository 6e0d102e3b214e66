package synth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

func scenes(t testing.TB, o ScenesOptions) *SceneImages {
	t.Helper()
	s, err := Scenes(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScenesAreTheSameEverywhere(t *testing.T) {
	s := scenes(t, ScenesOptions{N: 50, Seed: 7})
	h := sha256.New()
	h.Write(s.Pixels)
	h.Write(s.Parts)
	const want = "6c56b503de09ebd2"
	if got := hex.EncodeToString(h.Sum(nil))[:16]; got != want {
		t.Errorf("the scenes of seed 7 have hash %s, want %s", got, want)
	}
	part := scenes(t, ScenesOptions{N: 15, First: 20, Seed: 7})
	same := s.Slice(20, 35)
	if !bytes.Equal(part.Pixels, same.Pixels) || !bytes.Equal(part.Parts, same.Parts) || !reflect.DeepEqual(part.Instances, same.Instances) {
		t.Error("scenes 20 to 34 differ when they are drawn on their own")
	}
}

// What the instances say agrees with the pixels of the parts; they keep apart, and classes, counts and sizes are spread.
func TestScenesInstances(t *testing.T) {
	for _, o := range []ScenesOptions{{N: 300, Seed: 1}, {N: 40, Size: 32, Instances: 6, Distractors: 6, Seed: 2}, {N: 12, Size: 96, Distractors: -1, Seed: 3}} {
		s := scenes(t, o)
		counts := map[int]int{}
		smallest, largest := s.H*s.W, 0
		for i, instances := range s.Instances {
			counts[len(instances)]++
			parts, mask := s.PartsAt(i), s.MaskAt(i)
			area := make([]int, len(instances)+1)
			for p, part := range parts {
				area[part]++
				if (part != 0) != (mask[p] != 0) {
					t.Fatalf("image %d: pixel %d is part %d, and %d in the mask", i, p, part, mask[p])
				}
				if b := s.Boxes[i]; part != 0 && !inside(b, p%s.W, p/s.W) {
					t.Fatalf("image %d: a pixel leaves the box %v", i, b)
				}
				if part != 0 && !inside(instances[part-1].Box, p%s.W, p/s.W) {
					t.Fatalf("image %d: a pixel of instance %d leaves its box", i, part)
				}
			}
			for k, instance := range instances {
				if instance.Area < 6 || instance.Area != area[k+1] || !inside(instance.Box, instance.X, instance.Y) {
					t.Fatalf("image %d: instance %d is %+v and has %d pixels", i, k, instance, area[k+1])
				}
				smallest, largest = min(smallest, instance.Area), max(largest, instance.Area)
				for _, other := range instances[:k] {
					if a, b := instance.Box, other.Box; a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3] {
						t.Fatalf("image %d: boxes %v and %v overlap", i, a, b)
					}
				}
			}
		}
		if o.N == 300 {
			for n := 1; n <= 4; n++ {
				if counts[n] < 50 || len(counts) != 4 {
					t.Errorf("images by their number of instances: %v", counts)
				}
			}
			if largest < 4*smallest {
				t.Errorf("areas from %d to %d pixels", smallest, largest)
			}
			for k, n := range s.Counts() {
				if n != 75 {
					t.Errorf("class %d has %d images, want 75", k, n)
				}
			}
		}
	}
}

func inside(b [4]int, x, y int) bool { return b[0] <= x && x < b[2] && b[1] <= y && y < b[3] }

func TestScenesErrors(t *testing.T) {
	for want, o := range map[string]ScenesOptions{
		"size":      {Size: 20},
		"classes":   {Classes: 5},
		"instances": {Instances: 7},
		"number -1": {First: -1},
		"clutter":   {Clutter: 2},
		"radii":     {Small: 0.25},
	} {
		if _, err := Scenes(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", o, err, want)
		}
	}
}
