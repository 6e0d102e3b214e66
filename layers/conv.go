package layers

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// ConvOptions configures Conv. Only Filters must be set.
type ConvOptions struct {
	Filters  int     // output channels
	Size     int     // window along every spatial axis; 0: 3
	Sizes    []int   // window along each spatial axis, instead of Size: {1, 7}
	Stride   int     // 0: 1
	Strides  []int   // along each spatial axis, instead of Stride
	Pad      Padding // unset: Same
	Dilation int     // distance between the window's taps; 0: 1
	Groups   int     // independent groups of channels; 0: 1; the input's channels: depthwise
	NoBias   bool
}

// Conv is a convolution (in fact a cross-correlation, as everywhere in the field) with a bias.
//
// x [B H W C] → [B H' W' Filters], H' = ⌊(H + pad − (Size−1)·Dilation − 1) / Stride⌋ + 1.
//
// Variables: "weights" [Size Size C/Groups Filters] and "biases" [Filters]. Weights start from the initialiser of the
// scope, which is He's normal one unless s.WithInitializer said otherwise (He et al. 2015, eq. 10, fan-in); biases
// start at zero always.
//
// Groups: output channel f sees the input channels of group ⌊f·Groups/Filters⌋ only. With as many groups as channels
// the convolution is depthwise and is computed as shifted multiply-adds, since the gradient of a grouped convolution
// costs two convolutions a group.
//
// It panics if x has not three to five axes, Groups divides neither channels nor Filters, or the window does not fit.
func Conv(s *model.Scope, x *graph.Node, o ConvOptions) *graph.Node {
	const layer = "layers.Conv"
	n := spatialAxes(layer, x)
	if o.Filters < 1 {
		Panicf("%s in scope %q: Filters is %d, want the number of output channels", layer, s.Scope(), o.Filters)
	}
	channels, groups := x.Shape().Dimensions[n+1], max(o.Groups, 1)
	if channels%groups != 0 || o.Filters%groups != 0 {
		Panicf("%s in scope %q: %d groups must divide both the %d input channels and the %d filters",
			layer, s.Scope(), groups, channels, o.Filters)
	}
	sizes := perAxis(layer, "size", o.Size, o.Sizes, 3, n)
	kernelShape := append(slices.Clone(sizes), channels/groups, o.Filters)
	kernel := variable(s, x, "weights", nil, kernelShape...)
	conv := Application{Kind: KindConv, Scope: s.Scope(), X: x, Weights: kernel, Apply: convolutionOf(o)}
	if !o.NoBias {
		conv.Biases = variable(s, x, "biases", initializer.Zero, o.Filters)
	}
	y := conv.underRule()
	kind := "Conv "
	if groups > 1 && groups == channels {
		kind = "Depthwise "
	}
	return noted(y, note{kind: kind + windowName(sizes)})
}

// Convolution is Conv without variables: the kernel may be any node, such as one that another network computes, a
// masked or a quantised one.
//
// x [B H W C], kernel [h w C/Groups K] → [B H' W' K]. Of the options, Filters, Size, Sizes and NoBias are ignored: the
// kernel's shape says it.
func Convolution(x, kernel *graph.Node, o ConvOptions) *graph.Node {
	return Application{Kind: KindConv, X: x, Weights: kernel, Apply: convolutionOf(o)}.underRule()
}

func convolutionOf(o ConvOptions) func(x, kernel *graph.Node) *graph.Node {
	return func(x, kernel *graph.Node) *graph.Node { return convolution(x, kernel, o) }
}

func convolution(x, kernel *graph.Node, o ConvOptions) *graph.Node {
	const layer = "layers.Convolution"
	n := spatialAxes(layer, x)
	if kernel.Rank() != x.Rank() {
		Panicf("%s: kernel %s for an input %s: want [spatial axes…, C/Groups, K]", layer, kernel.Shape(), x.Shape())
	}
	dims := x.Shape().Dimensions
	groups, sizes := max(o.Groups, 1), kernel.Shape().Dimensions[:n]
	strides := perAxis(layer, "stride", o.Stride, o.Strides, 1, n)
	dilations := perAxis(layer, "dilation", o.Dilation, nil, 1, n)
	pads := o.Pad.or(Same).resolve(layer, dims[1:n+1], sizes, strides, dilations)
	plain := func(x *graph.Node) *graph.Node { return grouped(x, kernel, groups, strides, dilations, pads) }
	if plainForms(x.Graph()) {
		return plain(x)
	}
	switch formOf(dims, kernel.Shape().Dimensions, groups, strides, dilations, pads) {
	case shiftedForm:
		return depthwise(x, kernel, strides, dilations, pads)
	case pointwiseForm:
		return pointwise(x, kernel, strides)
	case placesForm:
		return placeByPlace(x, kernel, strides, dilations, pads)
	case patchProductForm:
		return patchProduct(x, kernel, strides, dilations, pads)
	case patchesForm:
		return patchGradient(x, kernel, pads, plain)
	case phasesForm:
		return phaseGradient(x, kernel, strides, pads, plain)
	}
	return plain(x)
}

// reach is how far windows reach beyond the padding, and whether no padding is wider than that.
func reach(sizes []int, pads [][2]int) (back [][2]int, ok bool) {
	ok = true
	for i, p := range pads {
		back = append(back, [2]int{sizes[i] - 1 - p[0], sizes[i] - 1 - p[1]})
		ok = ok && back[i][0] >= 0 && back[i][1] >= 0
	}
	return back, ok
}

// grouped is the convolution as GoMLX has it.
func grouped(x, kernel *graph.Node, groups int, strides, dilations []int, pads [][2]int) *graph.Node {
	sizes := kernel.Shape().Dimensions[:len(strides)]
	x, pads, drop := rightGradient(x, sizes, strides, dilations, pads)
	strided, dilated := !allOnes(strides), !allOnes(dilations)
	conv := graph.Convolve(x, kernel).PaddingPerDim(pads).ChannelGroupCount(groups)
	if dilated {
		conv.DilationPerAxis(dilations...)
	} else if strided {
		// Left unset where it is 1: the gradient of a convolution that has strides is input-dilated, whose own
		// gradient GoMLX lacks, so second derivatives would stop here.
		conv.StridePerAxis(strides...)
	}
	y := conv.Done()
	thin := strided && dilated // GoMLX computes one or the other: do it everywhere, then thin out
	if !thin && !slices.Contains(drop, 1) {
		return y
	}
	axes := []graph.SliceAxisSpec{graph.AxisRange()}
	for i, stride := range strides {
		axis := graph.AxisRange(drop[i])
		if thin {
			axis = graph.AxisRange(drop[i] * stride).Stride(stride)
		}
		axes = append(axes, axis)
	}
	return graph.Slice(y, append(axes, graph.AxisRange())...)
}

// spatialAxes is the number of axes between the batch and the channels.
func spatialAxes(layer string, x *graph.Node) int {
	if x.Rank() < 3 || x.Rank() > 5 {
		Panicf("%s: input %s: want [B T C], [B H W C] or [B D H W C]", layer, x.Shape())
	}
	return x.Rank() - 2
}

func allOnes(values []int) bool {
	return !slices.ContainsFunc(values, func(v int) bool { return v != 1 })
}

// addLast adds a value for each channel: x [… C] + v [C].
func addLast(x, v *graph.Node) *graph.Node { return graph.Add(x, graph.ExpandLeftToRank(v, x.Rank())) }
