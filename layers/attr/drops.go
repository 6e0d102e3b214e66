package attr

import (
	"context"

	"github.com/gomlx/gomlx/core/tensors"
)

// Drops are the probabilities of the images' classes before and after only what a map marks was left of the images.
type Drops struct {
	Before, After []float64
}

// Drop leaves of each image what its map [B H W] marks: a pixel's share is the positive part of its value over the map's
// largest, the rest is the baseline (Chattopadhyay et al. 2018, section 4.1, where the baseline is black).
func (j *Judge) Drop(ctx context.Context, maps *tensors.Tensor) (Drops, error) {
	values, err := j.perPixel(maps)
	if err != nil {
		return Drops{}, err
	}
	fill := j.flatBaseline()
	defer release(fill)
	var keep, whole []float32
	for _, v := range values {
		largest := 0.0
		for _, value := range v {
			largest = max(largest, value)
		}
		for _, value := range v {
			share := 0.0
			if largest > 0 {
				share = max(0, value) / largest
			}
			keep, whole = append(keep, float32(share)), append(whole, 1)
		}
	}
	var d Drops
	if d.Before, err = j.probabilities(ctx, fill, whole); err != nil {
		return Drops{}, err
	}
	d.After, err = j.probabilities(ctx, fill, keep)
	return d, err
}

// Average is the average drop: the mean share of the probability that is lost, where any is. Lower is better.
func (d Drops) Average() float64 {
	sum := 0.0
	for i, before := range d.Before {
		if before > 0 {
			sum += max(0, before-d.After[i]) / before
		}
	}
	return sum / float64(len(d.Before))
}

// Increase is the share of images whose probability rises when the rest is hidden. Higher is better.
func (d Drops) Increase() float64 {
	n := 0.0
	for i, before := range d.Before {
		if d.After[i] > before {
			n++
		}
	}
	return n / float64(len(d.Before))
}

// WinRate is the share of images for which d loses less than other, the "Win %" of the paper; equal losses count half.
// Both must come from the same images.
func (d Drops) WinRate(other Drops) float64 {
	n := 0.0
	for i := range d.Before {
		switch a, b := d.Before[i]-d.After[i], other.Before[i]-other.After[i]; {
		case a < b:
			n++
		case a == b:
			n += 0.5
		}
	}
	return n / float64(len(d.Before))
}
