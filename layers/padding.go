package layers

import (
	"fmt"

	. "github.com/gomlx/gomlx/support/exceptions"
)

type paddingKind int

const (
	padDefault paddingKind = iota // Same for convolutions, Valid for poolings
	padSame
	padValid
	padSameTF
	padExplicit
)

// A Padding says how much is put around the spatial axes before a window slides over them. The zero value is the
// layer's default: Same for Conv, Valid for poolings.
type Padding struct {
	kind  paddingKind
	pairs [][2]int
}

var (
	// Same pads (k−1)·d in all, half on each side: with stride 1 the output is as large as the input, and for odd k
	// it is PyTorch's padding=k//2 at every stride. For even k the larger half lies at the end.
	Same = Padding{kind: padSame}
	// Valid pads nothing.
	Valid = Padding{kind: padValid}
	// SameTF pads as TensorFlow and Keras do for "SAME": the output has ⌈size/stride⌉ positions, and what padding
	// that needs depends on the size of the input. For k = 3, stride 2 and an even size it is (0, 1), where Same is
	// (1, 1): weights trained with the one give other results with the other.
	SameTF = Padding{kind: padSameTF}
)

// Pads pads explicitly: two numbers, low and high, for each spatial axis. For images that is top, bottom, left, right.
// A single number stands for both sides of every axis.
func Pads(lowHigh ...int) Padding {
	if len(lowHigh) == 1 {
		return Padding{kind: padExplicit, pairs: [][2]int{{lowHigh[0], lowHigh[0]}}}
	}
	if len(lowHigh)%2 != 0 || len(lowHigh) == 0 {
		Panicf("layers.Pads: want one number, or a low and a high one for each spatial axis, got %v", lowHigh)
	}
	p := Padding{kind: padExplicit}
	for i := 0; i < len(lowHigh); i += 2 {
		p.pairs = append(p.pairs, [2]int{lowHigh[i], lowHigh[i+1]})
	}
	return p
}

func (p Padding) String() string {
	switch p.kind {
	case padSame:
		return "same"
	case padValid:
		return "valid"
	case padSameTF:
		return "same (TensorFlow)"
	case padExplicit:
		return fmt.Sprint(p.pairs)
	}
	return "default"
}

// or returns p, or d where p is not set.
func (p Padding) or(d Padding) Padding {
	if p.kind == padDefault {
		return d
	}
	return p
}

// resolve gives the pixels to add low and high of each spatial axis, for windows of the given sizes.
func (p Padding) resolve(layer string, input, sizes, strides, dilations []int) [][2]int {
	pads := make([][2]int, len(input))
	for i := range input {
		window := (sizes[i]-1)*dilations[i] + 1
		switch p.kind {
		case padSame:
			pads[i] = [2]int{(window - 1) / 2, window / 2}
		case padSameTF:
			outputs := (input[i] + strides[i] - 1) / strides[i]
			total := max(0, (outputs-1)*strides[i]+window-input[i])
			pads[i] = [2]int{total / 2, total - total/2}
		case padExplicit:
			switch len(p.pairs) {
			case 1:
				pads[i] = p.pairs[0]
			case len(input):
				pads[i] = p.pairs[i]
			default:
				Panicf("%s: padding for %d spatial axes, the input has %d", layer, len(p.pairs), len(input))
			}
		}
		if padded := input[i] + pads[i][0] + pads[i][1]; padded < window {
			Panicf("%s: a window of %d does not fit on spatial axis %d of size %d padded with %v: use a larger input, a smaller window or layers.Same",
				layer, window, i, input[i], pads[i])
		}
	}
	return pads
}

// perAxis spreads one number over n spatial axes, or takes the numbers that were given for each.
func perAxis(layer, what string, one int, each []int, fallback, n int) []int {
	values := make([]int, n)
	if each != nil && len(each) != n {
		Panicf("%s: %d values of %s for %d spatial axes", layer, len(each), what, n)
	}
	for i := range values {
		switch {
		case each != nil:
			values[i] = each[i]
		case one != 0:
			values[i] = one
		default:
			values[i] = fallback
		}
		if values[i] < 1 {
			Panicf("%s: %s %d, want 1 or more", layer, what, values[i])
		}
	}
	return values
}
