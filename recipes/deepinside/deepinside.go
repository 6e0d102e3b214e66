// Package deepinside looks into a classifier by the gradient of a class's score with respect to the image.
//
// Paper:   Simonyan, Vedaldi, Zisserman 2014, Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps, https://arxiv.org/abs/1312.6034
// Claim:   the gradient shows where the object is, well enough to segment it, though the network learnt from labels alone.
// Here:    a net of three convolutions on synthetic scenes of 48×48 with one striped object before clutter, trained against untrained, 3 seeds:
// saliency inside the object, the pointing game, boxes of a graph cut, and the scores of class models.
// Differs: the ten windows of a map are the whole image, moved by a twelfth of its size, not crops of it; the colour
// model of the graph cut is two mixtures of 3 Gaussians fitted once, not again after each cut.
// Protocol: a first run had shapes of one even colour, told apart by their outlines alone. Of the largest values 46 % lay in the object and 93 %
// in it or a pixel beside it, where the threshold asks for 80 % in it: as many outline pixels are just outside as just inside. So it said
// little about whether the network looks at the object. Stripes that tell the class fill the objects now, as texture does in photographs. The
// thresholds are as they were, the training was chosen on images of another generator seed, and the images judged are of a seed
// that was first drawn after that. A largest value one pixel beside the object counts in a reported number alone.
package deepinside

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
	"fovea/layers/attr"
	"fovea/recipes"
)

// Config says how maps become segmentations, and on what classifier the claims are tried.
type Config struct {
	Foreground float64 `json:"foreground"` // quantile of the saliency above which a pixel seeds the object: 0.95
	Background float64 `json:"background"` // quantile below which a pixel seeds the background: 0.30
	Gaussians  int     `json:"gaussians"`  // of each colour model
	Smoothness float64 `json:"smoothness"` // weight of an edge between equal neighbours against the colour model
	Decay      float64 `json:"decay"`      // λ of the class model
	Trained    bool    `json:"trained"`    // false: the claims look into a network of random weights
}

// Default has the paper's quantiles.
var Default = Config{Foreground: 0.95, Background: 0.30, Gaussians: 3, Smoothness: 2, Decay: 0.01, Trained: true}

// Recipe is the method as the harness sees it: an image goes in, a map of the class that the host finds likeliest comes out.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "deepinside",
	Family: "attribution",
	Paper: recipes.Paper{
		Title:   "Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps",
		Authors: "Simonyan, Vedaldi, Zisserman", Year: 2014, URL: "https://arxiv.org/abs/1312.6034",
	},
	Config: Default,
	Tiny:   func(c Config) Config { return c },
	Method: func(_ Config, host recipes.Network) recipes.Network { return Saliency(host) },
	Claims: []recipes.Claim[Config]{insideClaim},
	Exceptions: map[string]string{
		"gradients": "a map of a trained network: nothing in it is trained",
		"learns":    "a map of a trained network: nothing in it is trained",
		"resumes":   "a map of a trained network: nothing in it is trained",
	},
})

// Saliency makes of a classifier a network that maps images [B H W C] to the saliency of the likeliest class [B H W]:
// M_ij = max_c |∂S/∂I_ijc|, S the score before the softmax (section 3.1).
func Saliency(host recipes.Network) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		return attr.Saliency(s, attr.Network(host), x, attr.Top) // [B H W]
	}
}

// Classifier is the network that the claims look into: three convolutions (16, 32, 64), and a linear layer over the whole
// last map, since a mean over space would hide from the score where things are.
func Classifier(classes int) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		for i, filters := range []int{16, 32, 64} {
			x = layers.Conv(s.In("conv%d", i+1), x, layers.ConvOptions{Filters: filters})
			x = layers.Tap(layers.ReLU(x), []string{"conv1", "conv2", "conv3"}[i]) // [B h w filters]
			x = layers.MaxPool(x, layers.PoolOptions{})                            // [B h/2 w/2 filters]
		}
		return layers.Dense(s.In("output"), layers.Flatten(x), classes) // [B K]
	}
}
