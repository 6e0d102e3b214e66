package resnet_test

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	_ "github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
	"fovea/layers/resnet"
)

// SE-ResNet-50 (Hu et al. 2018): a gate on the channels of each branch. The recipe of a method is its hook.
func ExampleNetwork() {
	squeeze := resnet.Hooks{Branch: func(s *model.Scope, x *graph.Node, u resnet.Unit) *graph.Node {
		return layers.SqueezeExcite(s.In("se"), x, layers.SqueezeExciteOptions{})
	}}
	backend, err := compute.NewWithConfig("go") // building a graph computes nothing
	if err != nil {
		panic(err)
	}
	summary, err := layers.Summarize(backend, resnet.Network(resnet.ImageNet(50), squeeze), shapes.Make(dtypes.Float32, 1, 224, 224, 3))
	if err != nil {
		panic(err)
	}
	fmt.Println(summary.Parameters(), "parameters")
	fmt.Println("the third unit of the second stage is", resnet.ImageNet(50).Units()[5].Name())
	// Output:
	// 28088024 parameters
	// the third unit of the second stage is layer2/2
}
