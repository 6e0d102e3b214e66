package datasets

import (
	"fmt"
	"math"
)

// Normalization maps a pixel p of channel c to (p/255 − Mean[c]) / Std[c]. The zero value maps to [0, 1].
type Normalization struct {
	Mean, Std []float32 // one for each channel, in units of 1; both nil: mean 0, deviation 1
}

func (n Normalization) check(channels int) error {
	if n.Mean == nil && n.Std == nil {
		return nil
	}
	if len(n.Mean) != channels || len(n.Std) != channels {
		return fmt.Errorf("normalisation has %d means and %d deviations for %d channels", len(n.Mean), len(n.Std), channels)
	}
	for c, std := range n.Std {
		if !(std > 0) || math.IsInf(float64(std), 0) || math.IsNaN(float64(n.Mean[c])) {
			return fmt.Errorf("normalisation of channel %d has mean %v and deviation %v", c, n.Mean[c], std)
		}
	}
	return nil
}

// Pixels turns network inputs back into pixels, rounded and clipped to 0…255: x is [… C], and so is the result.
// It panics if the length of x isn't a multiple of channels, or Norm is for another number of channels.
func (n Normalization) Pixels(x []float32, channels int) []uint8 {
	if err := n.check(channels); err != nil {
		panic("datasets: " + err.Error())
	}
	if channels <= 0 || len(x)%channels != 0 {
		panic(fmt.Sprintf("datasets: %d values aren't pixels of %d channels", len(x), channels))
	}
	out := make([]uint8, len(x))
	for i, v := range x {
		if n.Std != nil {
			v = v*n.Std[i%channels] + n.Mean[i%channels]
		}
		out[i] = uint8(min(max(v*255+0.5, 0), 255))
	}
	return out
}

// lookup has the input value of each of the 256 pixel values of each channel: a table is several times faster than
// arithmetic, and a batch of pixels costs about what it costs to write the floats.
type lookup [][256]float32

// table panics if n is for another number of channels.
func (n Normalization) table(channels int) lookup {
	if err := n.check(channels); err != nil {
		panic("datasets: " + err.Error())
	}
	t := make(lookup, channels)
	for c := range t {
		mean, std := 0.0, 1.0
		if n.Std != nil {
			mean, std = float64(n.Mean[c]), float64(n.Std[c])
		}
		for p := range t[c] {
			t[c][p] = float32((float64(p)/255 - mean) / std)
		}
	}
	return t
}

// apply fills dst from src, both [… C].
func (t lookup) apply(dst []float32, src []uint8) {
	dst = dst[:len(src)]
	switch len(t) {
	case 1:
		grey := &t[0]
		for i, p := range src {
			dst[i] = grey[p]
		}
	case 3:
		red, green, blue := &t[0], &t[1], &t[2]
		for i := 0; i+2 < len(src); i += 3 {
			d, s := dst[i:i+3:i+3], src[i:i+3:i+3]
			d[0], d[1], d[2] = red[s[0]], green[s[1]], blue[s[2]]
		}
	default:
		c := 0
		for i, p := range src {
			dst[i] = t[c][p]
			if c++; c == len(t) {
				c = 0
			}
		}
	}
}
