package attr

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// A Course is how a class's probability goes while pixels are taken away or put back in a map's order.
type Course struct {
	Shares []float64   // of the pixels that have been changed, from 0 to 1
	Scores [][]float64 // the probability of each image's class: [image][share]
	Areas  []float64   // under each image's course, by trapezoids
}

// Area is the mean of the Areas.
func (c Course) Area() float64 { return mean(c.Areas) }

// Mean is the mean course of the images.
func (c Course) Mean() []float64 {
	m := make([]float64, len(c.Shares))
	for _, scores := range c.Scores {
		for i, s := range scores {
			m[i] += s / float64(len(c.Scores))
		}
	}
	return m
}

// CourseOptions configures Deletion and Insertion.
type CourseOptions struct {
	Steps int // in which the pixels change; 0: 32
	// Blur is the standard deviation, in pixels, of the blur that Insertion starts from; 0: a sixteenth of the smaller side.
	Blur float64
}

// Deletion takes the pixels away, those of the greatest values in maps [B H W] first; in their place stands the baseline. A
// good map makes the probability fall soon: a small area (Petsiuk et al. 2018). What is left are images unlike any that the
// network was trained on, so compare methods, not numbers of different networks.
func (j *Judge) Deletion(ctx context.Context, maps *tensors.Tensor, o CourseOptions) (Course, error) {
	fill := j.flatBaseline()
	defer release(fill)
	return j.course(ctx, maps, fill, false, o)
}

// Insertion puts the pixels back into blurred images, those of the greatest values in maps [B H W] first. A good map makes the
// probability rise soon: a large area (Petsiuk et al. 2018).
func (j *Judge) Insertion(ctx context.Context, maps *tensors.Tensor, o CourseOptions) (Course, error) {
	d := j.images.Shape().Dimensions
	if o.Blur == 0 {
		o.Blur = float64(min(d[1], d[2])) / 16
	}
	if o.Blur < 0 {
		return Course{}, fmt.Errorf("insertion: a blur of %g pixels", o.Blur)
	}
	fill, err := CallOnce(j.backend, func(x *Node) *Node { return blurred(x, o.Blur) }, j.images)
	if err != nil {
		return Course{}, err
	}
	defer release(fill)
	return j.course(ctx, maps, fill, true, o)
}

func (j *Judge) course(ctx context.Context, maps, fill *tensors.Tensor, insert bool, o CourseOptions) (Course, error) {
	values, err := j.perPixel(maps)
	if err != nil {
		return Course{}, err
	}
	if o.Steps == 0 {
		o.Steps = 32
	}
	pixels := len(values[0])
	if o.Steps < 1 {
		return Course{}, fmt.Errorf("%d steps for %d pixels", o.Steps, pixels)
	}
	o.Steps = min(o.Steps, pixels)
	places := make([]int, 0, len(values)*pixels) // each pixel's place in its image's order
	for _, v := range values {
		places = append(places, order(v)...)
	}
	c := Course{Scores: make([][]float64, len(values)), Areas: make([]float64, len(values))}
	keep := make([]float32, len(places))
	for step := range o.Steps + 1 {
		changed := int(math.Round(float64(step) * float64(pixels) / float64(o.Steps)))
		for i, place := range places {
			keep[i] = 0
			if (place < changed) == insert {
				keep[i] = 1
			}
		}
		scores, err := j.probabilities(ctx, fill, slices.Clone(keep))
		if err != nil {
			return Course{}, err
		}
		c.Shares = append(c.Shares, float64(changed)/float64(pixels))
		for b, s := range scores {
			c.Scores[b] = append(c.Scores[b], s)
			if step > 0 {
				c.Areas[b] += (c.Shares[step] - c.Shares[step-1]) * (s + c.Scores[b][step-1]) / 2
			}
		}
	}
	return c, nil
}

// order is each value's place, 0 for the greatest; of equal ones the first comes first.
func order(values []float64) []int {
	index := make([]int, len(values))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	places := make([]int, len(values))
	for place, i := range index {
		places[i] = place
	}
	return places
}

// blurred is x [B H W C] under a Gaussian; at the edges its weights are those of the pixels that are there.
func blurred(x *Node, sigma float64) *Node {
	x = asFloat32(x)
	along := func(n int) *Node {
		m := make([][]float64, n)
		for i := range m {
			m[i] = make([]float64, n)
			sum := 0.0
			for k := range n {
				m[i][k] = math.Exp(-float64((i-k)*(i-k)) / (2 * sigma * sigma))
				sum += m[i][k]
			}
			for k := range n {
				m[i][k] /= sum
			}
		}
		return ConstAs(x, m)
	}
	d := x.Shape().Dimensions
	x = Einsum("bhwc,ih->biwc", x, along(d[1]))
	x = Einsum("biwc,jw->bijc", x, along(d[2]))
	return x // [B H W C]
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
