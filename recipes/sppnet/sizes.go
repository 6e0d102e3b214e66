package sppnet

import (
	"fmt"
	"iter"

	"github.com/gomlx/gomlx/ml/train"

	"fovea/datasets"
	"fovea/recipes"
)

// turns is training data at several sizes, an epoch each in turn (section 2.3, "multi-size training").
type turns struct {
	sizes []*datasets.Batches
	next  int
}

var _ recipes.Feed = (*turns)(nil)

// newTurns gives the images at each size, in batches.
func newTurns(im *datasets.Images, sizes []int, batch int, seed int64) (*turns, error) {
	if len(sizes) == 0 {
		return nil, fmt.Errorf("no size to train at")
	}
	t := &turns{}
	for _, size := range sizes {
		b, err := Resized(im, size).Batches(datasets.BatchOptions{Size: batch, Shuffle: true, Seed: uint64(seed), Last: datasets.DropLast, Infinite: true})
		if err != nil {
			return nil, err
		}
		t.sizes = append(t.sizes, b)
	}
	return t, nil
}

func (t *turns) Name() string  { return fmt.Sprintf("%s at %d sizes", t.sizes[0].Name(), len(t.sizes)) }
func (t *turns) Steps() int    { return t.sizes[0].Steps() }
func (t *turns) Seek(step int) { t.next = step }

// Iter goes on from where the last one stopped, without an end.
func (t *turns) Iter() iter.Seq2[train.Batch, error] {
	return func(yield func(train.Batch, error) bool) {
		for {
			epoch := t.next / t.Steps()
			b := t.sizes[epoch%len(t.sizes)]
			b.Seek(t.next) // all sizes count the same steps, so an epoch's order is its own
			for batch, err := range b.Iter() {
				t.next++
				if !yield(batch, err) || err != nil {
					return
				}
				if t.next/t.Steps() != epoch {
					break
				}
			}
		}
	}
}

// Resized returns a copy of the images at size×size pixels. Each new pixel is the mean of the area of the old image that it
// covers, which for enlargement means the nearest pixel, mixed at borders. Masks and boxes are left out. It panics if size is under 1.
func Resized(im *datasets.Images, size int) *datasets.Images {
	if size == im.H && size == im.W {
		return im
	}
	small := *im
	small.H, small.W, small.Masks, small.Boxes = size, size, nil, nil
	small.Pixels = make([]uint8, 0, im.N*size*size*im.C)
	whole := [4]int{0, im.H, 0, im.W}
	for i := range im.N {
		small.Pixels = append(small.Pixels, warp(im.PixelsAt(i), im.W, im.C, whole, size)...)
	}
	return &small
}

// share is a part of an old axis that a new pixel covers.
type share struct {
	at     int
	weight float64
}

// shares divides the pixels from…to−1 of an axis evenly among size new ones; weights of each sum to 1.
func shares(from, to, size int) [][]share {
	step := float64(to-from) / float64(size)
	all := make([][]share, size)
	for i := range all {
		a, b := float64(i)*step, float64(i+1)*step
		for p := int(a); p < to-from && float64(p) < b; p++ {
			if w := min(b, float64(p+1)) - max(a, float64(p)); w > 0 {
				all[i] = append(all[i], share{from + p, w / step})
			}
		}
	}
	return all
}

// warp stretches a window (rows, columns) of an image [H width c] to size×size.
func warp(pixels []uint8, width, c int, window [4]int, size int) []uint8 {
	rows, columns := shares(window[0], window[1], size), shares(window[2], window[3], size)
	out := make([]uint8, 0, size*size*c)
	for _, row := range rows {
		for _, column := range columns {
			for k := range c {
				sum := 0.5
				for _, y := range row {
					for _, x := range column {
						sum += y.weight * x.weight * float64(pixels[(y.at*width+x.at)*c+k])
					}
				}
				out = append(out, uint8(min(sum, 255)))
			}
		}
	}
	return out
}
