package datasets

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"
)

func batches(t testing.TB, im *Images, o BatchOptions) *Batches {
	t.Helper()
	b, err := im.Batches(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// take returns up to n batches of one iteration.
func take(t testing.TB, b *Batches, n int) (all []train.Batch) {
	t.Helper()
	for batch, err := range b.Iter() {
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, batch); len(all) == n {
			break
		}
	}
	return all
}

// contents lists the numbers of the images in the batches and checks that the labels are theirs.
func contents(t testing.TB, im *Images, all []train.Batch) (list []int) {
	t.Helper()
	for _, batch := range all {
		pixels := Normalization{}.Pixels(tensors.MustCopyFlatData[float32](batch.Inputs[0]), im.C)
		labels := tensors.MustCopyFlatData[int32](batch.Labels[0])
		n := im.H * im.W * im.C
		for k, label := range labels {
			i := number(pixels[k*n:])
			if !bytes.Equal(pixels[k*n:(k+1)*n], im.PixelsAt(i)) || label != im.Labels[i] {
				t.Fatalf("row %d isn't image %d with its label", k, i)
			}
			list = append(list, i)
		}
	}
	return list
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

func sorted(list []int) []int {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

func TestBatchesLast(t *testing.T) {
	im := numbered(10, 3, 3, 3, 2)
	for _, c := range []struct {
		last  Last
		sizes string
		list  []int
	}{
		{KeepLast, "[4 4 2]", upTo(10)},
		{DropLast, "[4 4]", upTo(8)},
		{PadLast, "[4 4 4]", append(upTo(10), 8, 8)},
	} {
		for _, prefetch := range []int{-1, 1, 3} {
			b := batches(t, im, BatchOptions{Size: 4, Last: c.last, Prefetch: prefetch})
			for range 2 { // each Iter is an epoch
				all := take(t, b, -1)
				var sizes []int
				for _, batch := range all {
					d := batch.Inputs[0].Shape().Dimensions
					if fmt.Sprint(d[1:], batch.Labels[0].Shape().Dimensions) != fmt.Sprintf("[3 3 3] [%d 1]", d[0]) {
						t.Fatalf("shapes %v and %v", d, batch.Labels[0].Shape())
					}
					sizes = append(sizes, d[0])
				}
				if fmt.Sprint(sizes) != c.sizes || len(all) != b.Steps() {
					t.Errorf("last %d: sizes %v, want %s; Steps %d", c.last, sizes, c.sizes, b.Steps())
				}
				if got := contents(t, im, all); !slices.Equal(got, c.list) {
					t.Errorf("last %d: images %v, want %v", c.last, got, c.list)
				}
				if c.last == PadLast {
					mask := tensors.MustCopyFlatData[bool](all[2].Labels[1])
					if !slices.Equal(mask, []bool{true, true, false, false}) {
						t.Errorf("mask of the padded batch: %v", mask)
					}
				}
			}
		}
	}
}

func TestShuffleIsSeededAndNewEachEpoch(t *testing.T) {
	im := numbered(64, 2, 2, 3, 4)
	o := BatchOptions{Size: 16, Shuffle: true, Seed: 5}
	b := batches(t, im, o)
	first, second := contents(t, im, take(t, b, -1)), contents(t, im, take(t, b, -1))
	if slices.Equal(first, second) || slices.Equal(first, upTo(64)) {
		t.Error("the epochs aren't shuffled, or alike")
	}
	if !slices.Equal(sorted(first), upTo(64)) || !slices.Equal(sorted(second), upTo(64)) {
		t.Error("an epoch misses images")
	}
	if again := contents(t, im, take(t, batches(t, im, o), -1)); !slices.Equal(again, first) {
		t.Error("the same seed gives another order")
	}
	o.Seed = 6
	if other := contents(t, im, take(t, batches(t, im, o), -1)); slices.Equal(other, first) {
		t.Error("another seed gives the same order")
	}
}

// A training that was interrupted at step s must go on with exactly the batches that it would have seen, augmented in
// the same way, however the batches were prepared.
func TestSeekResumesExactly(t *testing.T) {
	im := numbered(50, 8, 8, 3, 5)
	o := BatchOptions{Size: 8, Shuffle: true, Seed: 3, Last: DropLast, Infinite: true, Augment: CropFlip(2)}
	flat := func(all []train.Batch) (out []float32) {
		for _, batch := range all {
			out = append(out, tensors.MustCopyFlatData[float32](batch.Inputs[0])...)
		}
		return out
	}
	whole := flat(take(t, batches(t, im, o), 20))
	n := len(whole) / 20
	for _, step := range []int{1, 6, 13} {
		for _, prefetch := range []int{-1, 2, 5} {
			o.Prefetch = prefetch
			b := batches(t, im, o)
			b.Seek(step)
			if got := flat(take(t, b, 20-step)); !slices.Equal(got, whole[step*n:]) {
				t.Errorf("from step %d with prefetch %d the batches differ", step, prefetch)
			}
			if b.Position() != 20 {
				t.Errorf("position %d after step 19", b.Position())
			}
		}
	}
	// A second iteration of an infinite set goes on; that of a finite one begins the next epoch.
	b := batches(t, im, o)
	got := append(flat(take(t, b, 7)), flat(take(t, b, 13))...)
	if !slices.Equal(got, whole) {
		t.Error("a second iteration doesn't go on where the first stopped")
	}
	o.Infinite = false
	b = batches(t, im, o)
	take(t, b, 2)
	if b.Position() != b.Steps() {
		t.Errorf("position %d after an epoch that was left early, want %d", b.Position(), b.Steps())
	}
	if got := flat(take(t, b, -1)); !slices.Equal(got, whole[b.Steps()*n:2*b.Steps()*n]) {
		t.Error("the second epoch isn't the one of an infinite set")
	}
}

// cropFlip does pixel by pixel what CropFlip does line by line.
func TestCropFlip(t *testing.T) {
	im := numbered(1, 6, 5, 3, 1)
	src := im.PixelsAt(0)
	seen := map[string]bool{}
	for seed := range uint64(300) {
		const pad = 2
		r := rand.New(rand.NewPCG(seed, 0))
		dy, dx := int(r.Uint32N(2*pad+1))-pad, int(r.Uint32N(2*pad+1))-pad
		flip := r.Uint32N(2) == 1
		seen[fmt.Sprint(dy, dx, flip)] = true
		want := make([]uint8, len(src))
		for y := range 6 {
			for x := range 5 {
				fromX, fromY := x+dx, y+dy
				if flip {
					fromX = 4 - x + dx
				}
				if fromX >= 0 && fromX < 5 && fromY >= 0 && fromY < 6 {
					copy(want[(y*5+x)*3:][:3], src[(fromY*5+fromX)*3:][:3])
				}
			}
		}
		got := bytes.Repeat([]byte{77}, len(src)) // a stale buffer must be overwritten whole
		CropFlip(pad)(got, src, 6, 5, 3, rand.New(rand.NewPCG(seed, 0)))
		if !bytes.Equal(got, want) {
			t.Fatalf("shift %d,%d flip %v differs", dy, dx, flip)
		}
	}
	if len(seen) != 50 {
		t.Errorf("300 seeds gave %d of the 50 variants", len(seen))
	}
	big := make([]uint8, len(src)) // a padding beyond the image can leave nothing of it
	for seed := range uint64(50) {
		CropFlip(9)(big, src, 6, 5, 3, rand.New(rand.NewPCG(seed, 0)))
	}
}

func TestStoppingLeavesNoGoroutine(t *testing.T) {
	im := numbered(40, 8, 8, 3, 2)
	before := runtime.NumGoroutine()
	for k := range 50 {
		b := batches(t, im, BatchOptions{Size: 4, Infinite: true, Shuffle: true, Prefetch: 1 + k%4})
		take(t, b, 1+k%5)
	}
	func() {
		defer func() { _ = recover() }()
		for range batches(t, im, BatchOptions{Size: 4, Infinite: true}).Iter() {
			panic("in the consumer")
		}
	}()
	for wait := 0; runtime.NumGoroutine() > before; wait++ {
		if wait == 100 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestPanicInAugmentIsAnError(t *testing.T) {
	im := numbered(40, 8, 8, 3, 2)
	for _, prefetch := range []int{-1, 2} {
		b := batches(t, im, BatchOptions{Size: 4, Prefetch: prefetch, Augment: func(dst, src []uint8, h, w, c int, r *rand.Rand) { panic("no such luck") }})
		n := 0
		for _, err := range b.Iter() {
			if n++; err == nil || !strings.Contains(err.Error(), "no such luck") || !strings.Contains(err.Error(), "numbered/train") {
				t.Errorf("got %v", err)
			}
		}
		if n != 1 {
			t.Errorf("%d results after an error", n)
		}
	}
}

func TestBatchesRefusesBadOptions(t *testing.T) {
	im := numbered(10, 2, 2, 3, 2)
	spoilt := numbered(10, 2, 2, 3, 2)
	spoilt.Labels[4] = 7
	for _, c := range []struct {
		im   *Images
		o    BatchOptions
		want string
	}{
		{im, BatchOptions{Size: -1}, "size -1"},
		{im, BatchOptions{Size: 11, Last: DropLast}, "don't fill one batch of 11"},
		{im.Slice(3, 3), BatchOptions{}, "no images"},
		{spoilt, BatchOptions{}, "label 7"},
	} {
		if _, err := c.im.Batches(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", err, c.want)
		}
	}
}

// BenchmarkBatches is the time that the training's goroutine would wait for a batch of 128 CIFAR-sized images if it did
// nothing else; with a training step of some milliseconds all of it is hidden.
func BenchmarkBatches(b *testing.B) {
	im := numbered(10_000, 32, 32, 3, 10)
	im.Norm = Normalization{Mean: []float32{.5, .5, .5}, Std: []float32{.25, .25, .25}}
	for name, o := range map[string]BatchOptions{
		"plain":    {Prefetch: -1},
		"cropflip": {Prefetch: -1, Augment: CropFlip(4)},
		"prefetch": {Augment: CropFlip(4)},
	} {
		b.Run(name, func(b *testing.B) {
			o.Size, o.Shuffle, o.Infinite, o.Last = 128, true, true, DropLast
			ds := batches(b, im, o)
			n := 0
			for batch, err := range ds.Iter() {
				if err != nil {
					b.Fatal(err)
				}
				_ = batch.Finalize()
				if n++; n == b.N {
					break
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "batches/s")
		})
	}
}
