package gradcampp

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
	"fovea/recipes"
)

// HostTap is Classifier's last convolution, 12×12 for images of 48×48.
const HostTap = "conv5"

// Classifier is the network that the claims look into, a VGG in little: five convolutions and two linear layers over the
// whole last map. With a mean over space in their place the gradient would be the same everywhere, and Grad-CAM and Grad-CAM++
// would differ in little but the sign of a weight.
func Classifier(classes int) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		block := func(name string, o layers.ConvOptions) {
			o.NoBias = true
			x = layers.Conv(s.In("%s", name), x, o)
			x = layers.BatchNorm(s.In("%s_norm", name), x, layers.BatchNormOptions{})
			x = layers.Tap(layers.ReLU(x), name)
		}
		block("conv1", layers.ConvOptions{Filters: 12, Size: 5, Stride: 2})  // [B H/2 W/2 12]
		block("conv2", layers.ConvOptions{Filters: 16})                      // [B H/2 W/2 16]
		x = layers.MaxPool(x, layers.PoolOptions{})                          // [B H/4 W/4 16]
		block("conv3", layers.ConvOptions{Filters: 24})                      // [B H/4 W/4 24]
		block("conv4", layers.ConvOptions{Filters: 32})                      // [B H/4 W/4 32]
		block("conv5", layers.ConvOptions{Filters: 32})                      // [B H/4 W/4 32]
		x = layers.MaxPool(x, layers.PoolOptions{Size: 4, Stride: 4})        // [B H/16 W/16 32]
		x = layers.ReLU(layers.Dense(s.In("hidden"), layers.Flatten(x), 64)) // [B 64]
		return layers.Dense(s.In("output"), x, classes)                      // [B K]
	}
}
