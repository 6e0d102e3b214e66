package main

import (
	"github.com/gomlx/gomlx/core/graph"
	plain "github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/layers/norm"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// The network that is measured: four 3×3 convolutions with ReLU, of 32, 64, 128 and 128 filters, on images of 32×32×3;
// after each of the first three the image is halved; then the mean over space and a linear layer to 10 classes.
var filters = []int{32, 64, 128, 128}

// A variant says how the image is made smaller, and what stands between convolution and ReLU.
type variant struct {
	name      string
	strided   bool // by the convolution's stride, else by 2×2 max-pooling
	batchNorm bool // between convolution and ReLU
}

var variants = []variant{
	{name: "max-pool"},
	{name: "strided", strided: true},
	{name: "strided, batch norm", strided: true, batchNorm: true},
}

// An alias: the trainer of GoMLX knows functions by their very type.
type network = func(s *model.Scope, x *graph.Node) *graph.Node

// foveaNetwork is v in the layers of this project. Comments give the shapes for a batch B.
func foveaNetwork(v variant) network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		for i, k := range filters {
			o := layers.ConvOptions{Filters: k, NoBias: v.batchNorm}
			if v.strided && i < 3 {
				o.Stride = 2
			}
			x = layers.Conv(s.In("conv%d", i), x, o) // [B H W k]
			if v.batchNorm {
				x = layers.BatchNorm(s.In("norm%d", i), x, layers.BatchNormOptions{})
			}
			x = layers.ReLU(x)
			if !v.strided && i < 3 {
				x = layers.MaxPool(x, layers.PoolOptions{}) // [B H/2 W/2 k]
			}
		}
		return layers.Dense(s.In("logits"), layers.GlobalMeanPool(x), 10) // [B 10]
	}
}

// plainNetwork is v in the layers that come with GoMLX.
func plainNetwork(v variant) network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		for i, k := range filters {
			conv := plain.Convolution(s.In("conv%d", i), x).Channels(k).KernelSize(3).PadSame().UseBias(!v.batchNorm)
			if v.strided && i < 3 {
				conv = conv.Strides(2)
			}
			x = conv.Done() // [B H W k]
			if v.batchNorm {
				x = norm.BatchNorm(s.In("norm%d", i), x, -1).UseBackendInference(s.IsTraining(x.Graph())).Done()
			}
			x = activation.Relu(x)
			if !v.strided && i < 3 {
				x = graph.MaxPool(x).Window(2).Done() // [B H/2 W/2 k]
			}
		}
		x = graph.ReduceMean(x, 1, 2)                   // [B 128]
		return plain.Dense(s.In("logits"), x, true, 10) // [B 10]
	}
}
