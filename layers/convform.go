package layers

import "github.com/gomlx/gomlx/core/graph"

// A form is a way to compute a convolution. All give the same values up to rounding; which is fast depends on the shape.
type form int

const (
	plainForm        form = iota // as the engine has it
	shiftedForm                  // shifted multiply-adds: depthwise
	pointwiseForm                // a matrix product: windows of one pixel
	placesForm                   // a matrix product for each output place: large windows that hang over the map
	patchesForm                  // as the engine has it, its gradient for the input by patches: images
	phasesForm                   // as the engine has it, its gradient for the input phase by phase: strides
	patchProductForm             // patches times the kernel: images with strides, small windows that hang over the map
)

type plainKey struct{}

// WithPlainForms builds convolutions, poolings and normalisations as the engine has them, with autodiff's gradients: to compare,
// and where another engine than XLA:CPU makes another choice the better one. It is a matter of time alone: values agree up to
// rounding.
func WithPlainForms(g *graph.Graph, build func()) {
	before := g.State(plainKey{})
	g.AttachState(plainKey{}, true)
	defer g.AttachState(plainKey{}, before)
	build()
}

func plainForms(g *graph.Graph) bool { return g.State(plainKey{}) == true }

const (
	// fewChannels is up to how many input channels the gradient of a convolution for its input is made of a matrix product and
	// shifted sums: for images. Convolutions are slow at making so few channels, and maps of the input ask for just this.
	fewChannels = 4
	// fewTaps is up to how large a depthwise window is computed by shifted multiply-adds; see BenchmarkDepthwise.
	fewTaps = 9
	// manyPixels is from how many pixels of the input on phases pay off. With fewer, interleaving them costs what they spare.
	manyPixels = 32 * 32
	// fewParts is of how many places or taps a convolution may be put together: each is compiled by itself.
	fewParts = 64
)

// formOf chooses how a convolution of x [B, space…, C] with a kernel [window…, C/groups, K] is computed. The choices were
// measured on XLA:CPU, one by one: the benchmark's page has the times.
func formOf(dims, kernel []int, groups int, strides, dilations []int, pads [][2]int) form {
	n := len(strides)
	sizes, channels := kernel[:n], dims[n+1]
	taps, padded := 1, false
	for i, size := range sizes {
		taps *= size
		padded = padded || pads[i] != [2]int{}
	}
	undilated := allOnes(dilations)
	_, reaches := reach(sizes, pads)
	outputs := outputsOf(dims, kernel, strides, dilations, pads)
	places := product(outputs)
	switch {
	case groups > 1:
		if groups == channels && taps <= fewTaps {
			return shiftedForm
		}
	case taps == 1 && !padded:
		return pointwiseForm
	case overhangs(dims[1:], sizes, dilations) && min(places, taps) <= fewParts:
		if places <= taps {
			return placesForm
		}
		return patchProductForm
	case undilated && !allOnes(strides) && channels <= fewChannels && taps*channels <= kernel[n+1]: // no more patches than outputs
		return patchProductForm
	case undilated && !allOnes(strides) && (product(dims[1:n+1]) >= manyPixels || overhangs(outputs, sizes, dilations)):
		return phasesForm // where the window hangs over the output, the plain gradient is a convolution whose window hangs over
	case channels <= fewChannels && undilated && allOnes(strides) && reaches:
		return patchesForm
	}
	return plainForm
}

// overhangs says whether a window is larger than the map that it slides over. XLA:CPU then leaves its matrix products for plain
// loops, which take a hundred times as long (3×3 on 2×2 maps of 512 channels: 1000 ms in place of 8).
func overhangs(space, sizes, dilations []int) bool {
	for i, size := range sizes {
		if (size-1)*dilations[i]+1 > space[i] {
			return true
		}
	}
	return false
}

// outputsOf is the number of places that the window has on each spatial axis.
func outputsOf(dims, kernel, strides, dilations []int, pads [][2]int) []int {
	outputs := make([]int, len(strides))
	for i, s := range strides {
		outputs[i] = (dims[i+1]+pads[i][0]+pads[i][1]-(kernel[i]-1)*dilations[i]-1)/s + 1
	}
	return outputs
}

func product(values []int) int {
	p := 1
	for _, v := range values {
		p *= v
	}
	return p
}
