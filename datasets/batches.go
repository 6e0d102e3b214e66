package datasets

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime/debug"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"
)

// Last says what becomes of the images that don't fill the last batch of an epoch.
type Last int

const (
	KeepLast Last = iota // a smaller last batch: exact, but XLA compiles the graph once more for its shape
	DropLast             // left out until the next epoch's shuffle: what training wants
	PadLast              // filled with copies of the first image and a mask, see Batches
)

// Padded is the Spec of batches with PadLast, of all of them. Other batches have none.
const Padded = "padded"

// BatchOptions says how Images become batches. The zero value is for evaluation: all images, in order, 128 at a time.
type BatchOptions struct {
	Size     int     // images in a batch; 0: 128
	Shuffle  bool    // a new order each epoch
	Seed     uint64  // of the orders and the augmentation
	Last     Last    // what to do with an incomplete last batch
	Infinite bool    // epoch follows epoch without an end, for train.Loop.RunSteps
	Augment  Augment // nil: images as they are
	Prefetch int     // batches made ahead, in the background; 0: 2, negative: none, in the caller's goroutine
}

// Batches is a train.Dataset over Images. A batch has one input, the normalised images float32 [B H W C], and one label
// tensor, int32 [B 1]; with PadLast a second, bool [B], true for the images that count, which GoMLX's losses and
// metrics understand as a mask. Its mean over batches, however, weighs each by its rows, padding included: whoever
// averages over an epoch of padded batches must count the images that count, or use KeepLast.
//
// Batch s of a training is a function of the options and s alone. Iter goes through one epoch, each time the next one,
// or with Infinite on from where the last iteration stopped; Seek resumes an interrupted training.
// Batches isn't for use by several goroutines at once; its tensors belong to who gets them.
type Batches struct {
	images *Images
	o      BatchOptions
	table  lookup
	steps  int // in an epoch
	next   int // the step that Iter will give next
}

var _ train.Dataset = (*Batches)(nil)

// Batches returns a train.Dataset over im. It is an error if not even one batch can be made.
func (im *Images) Batches(o BatchOptions) (*Batches, error) {
	if err := im.Validate(); err != nil {
		return nil, err
	}
	if o.Size == 0 {
		o.Size = 128
	}
	if o.Prefetch == 0 {
		o.Prefetch = 2
	}
	if o.Size < 0 {
		return nil, fmt.Errorf("batches of %s: size %d", im.Name, o.Size)
	}
	if im.N == 0 {
		return nil, fmt.Errorf("batches of %s: there are no images", im.Name)
	}
	if o.Last == DropLast && im.N < o.Size {
		return nil, fmt.Errorf("batches of %s: %d images don't fill one batch of %d: take a smaller batch", im.Name, im.N, o.Size)
	}
	steps := im.N / o.Size
	if o.Last != DropLast {
		steps = (im.N + o.Size - 1) / o.Size
	}
	return &Batches{images: im, o: o, table: im.Norm.table(im.C), steps: steps}, nil
}

// Name implements train.Dataset.
func (b *Batches) Name() string { return b.images.Name }

// Images returns what the batches are made of.
func (b *Batches) Images() *Images { return b.images }

// Steps returns the number of batches in an epoch.
func (b *Batches) Steps() int { return b.steps }

// Position returns the number of the batch that Iter will give next, counted from the start of the training.
func (b *Batches) Position() int { return b.next }

// Seek makes the next Iter begin with batch step, counted from the start of the training: the global step of the
// checkpoint that a training resumes from. It panics if step is negative.
func (b *Batches) Seek(step int) {
	if step < 0 {
		panic(fmt.Sprintf("datasets: seek to step %d", step))
	}
	b.next = step
}

// Iter implements train.Dataset.
func (b *Batches) Iter() iter.Seq2[train.Batch, error] {
	return func(yield func(train.Batch, error) bool) {
		first := b.next
		end := first - first%b.steps + b.steps
		if b.o.Infinite {
			end = int(^uint(0) >> 1)
		} else {
			// An epoch that is left early isn't taken up again: the next one begins anew.
			defer func() { b.next = end }()
		}
		if b.o.Prefetch < 0 {
			maker := newMaker(b)
			for step := first; step < end; step++ {
				batch, err := maker.batch(step)
				b.next = step + 1
				if !yield(batch, err) || err != nil {
					return
				}
			}
			return
		}
		for made := range ahead(newMaker(b), first, end, b.o.Prefetch) {
			b.next++
			if !yield(made.batch, made.err) || made.err != nil {
				return
			}
		}
	}
}

type result struct {
	batch train.Batch
	err   error
}

// ahead makes batches first to end-1 in a goroutine, up to depth of them before they are asked for. The goroutine has
// ended, and what it made in vain is freed, when the iteration is over, however it ends.
func ahead(m *maker, first, end, depth int) iter.Seq[result] {
	return func(yield func(result) bool) {
		ready := make(chan result, depth-1) // one more waits in the goroutine's hands
		stop := make(chan struct{})
		go func() {
			defer close(ready)
			for step := first; step < end; step++ {
				batch, err := m.batch(step)
				select {
				case ready <- result{batch, err}:
				case <-stop:
					_ = batch.Finalize()
					return
				}
				if err != nil {
					return
				}
			}
		}()
		defer func() {
			close(stop)
			for unused := range ready { // ends when the goroutine has closed it
				_ = unused.batch.Finalize()
			}
		}()
		for made := range ready {
			if !yield(made) {
				return
			}
		}
	}
}

// maker makes batches; it has the buffers and the order that one iteration needs, so that two never share them.
type maker struct {
	*Batches
	epoch   int // that order is of; -1: none yet
	order   []int
	changed []uint8 // one augmented image
	source  *rand.PCG
	random  *rand.Rand
}

func newMaker(b *Batches) *maker {
	m := &maker{Batches: b, epoch: -1, source: rand.NewPCG(0, 0)}
	m.random = rand.New(m.source)
	return m
}

// Streams of random numbers for different uses of one seed. A stream is shifted left before the epoch or the image's
// number is added, so that none of them meet.
const (
	orderStream   = 1 << 60
	augmentStream = 2 << 60
)

// batch makes batch number step of the training. A panic in Augment becomes an error: it happens in a goroutine where
// nobody could recover it, and would take the user's whole session with it.
func (m *maker) batch(step int) (batch train.Batch, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("batch %d of %s: panic: %v\n%s", step, m.images.Name, r, debug.Stack())
		}
	}()
	im, size := m.images, m.o.Size
	m.reorder(step / m.steps)
	from := step % m.steps * size
	index := m.order[from:min(from+size, im.N)]
	rows := len(index)
	if m.o.Last == PadLast {
		rows = size
	}

	n := im.H * im.W * im.C
	x := fill([]int{rows, im.H, im.W, im.C}, func(x []float32) { // [B H W C]
		for k, i := range index {
			m.table.apply(x[k*n:(k+1)*n], m.augmented(im.PixelsAt(i), step, k))
		}
		// The padding is a real image, since zeros could upset a network in ways of their own.
		for k := len(index); k < rows; k++ {
			copy(x[k*n:(k+1)*n], x[:n])
		}
	})
	labels := fill([]int{rows, 1}, func(labels []int32) { // [B 1]
		for k := range labels {
			if k < len(index) {
				labels[k] = im.Labels[index[k]]
			} else {
				labels[k] = labels[0]
			}
		}
	})
	batch = train.Batch{Inputs: []*tensors.Tensor{x}, Labels: []*tensors.Tensor{labels}}
	if m.o.Last == PadLast {
		batch.Spec = Padded                                                         // with a second label the batch needs a graph of its own, which a trainer keeps by Spec
		batch.Labels = append(batch.Labels, fill([]int{rows}, func(counts []bool) { // [B]
			for k := range index {
				counts[k] = true
			}
		}))
	}
	return batch, nil
}

// augmented returns the pixels of the k-th image of a batch, changed if the options say so, until the next call.
func (m *maker) augmented(pixels []uint8, step, k int) []uint8 {
	if m.o.Augment == nil {
		return pixels
	}
	if m.changed == nil {
		m.changed = make([]uint8, len(pixels))
	}
	m.source.Seed(m.o.Seed, augmentStream+uint64(step)*uint64(m.o.Size)+uint64(k))
	m.o.Augment(m.changed, pixels, m.images.H, m.images.W, m.images.C, m.random)
	return m.changed
}

// reorder makes m.order the order of that epoch.
func (m *maker) reorder(epoch int) {
	if m.order == nil {
		m.order = make([]int, m.images.N)
	} else if epoch == m.epoch || !m.o.Shuffle {
		return
	}
	m.epoch = epoch
	for i := range m.order {
		m.order[i] = i
	}
	if m.o.Shuffle {
		m.source.Seed(m.o.Seed, orderStream+uint64(epoch))
		shuffle(m.random, m.order)
	}
}
