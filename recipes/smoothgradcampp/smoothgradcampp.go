// Package smoothgradcampp averages the derivatives of Grad-CAM++ over noisy versions of an image, and can restrict its map to some
// feature maps or neurons.
//
// Paper:   Omeiza, Speakman, Cintas, Weldemariam 2019, Smooth Grad-CAM++: An Enhanced Inference Level Visualization Technique for Deep Convolutional Neural Network Models, https://arxiv.org/abs/1908.01224
// Claim:   the maps are sharper than those of Grad-CAM and Grad-CAM++, and find objects and their repetitions better; shown on examples.
// Here:    the network and the scenes of gradcampp, three and four objects of a class among others, gradient, SmoothGrad, Grad-CAM, Grad-CAM++ and this
// method of the same trained network, 3 seeds: objects found, boxes, evenness.
// What the noise itself adds is measured too: here next to nothing, neither in objects found nor in how sharp or even maps are (variation). They are
// sums of the feature maps of the clean image, and the averaged derivatives weigh these much as a single one does. So the claim, as far as it
// holds, is what the method has from Grad-CAM++.
// Differs: α has the second derivatives in its numerator, as Grad-CAM++ has; the paper's text has the first, whose unit is another. The
// option literal takes the text's.
package smoothgradcampp

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers/attr"
	"fovea/recipes"
	"fovea/recipes/gradcampp"
)

// Config says what is averaged, and over what.
type Config struct {
	Tap     string   `json:"tap"`     // the feature maps' name; empty: the last of the network
	Samples int      `json:"samples"` // noisy versions of the image
	Noise   float64  `json:"noise"`   // their standard deviation, as a share of the image's range
	Literal bool     `json:"literal"` // the paper's text: first derivatives in α's numerator
	Maps    []int    `json:"maps"`    // feature maps to look at; null: all
	Neurons [][2]int `json:"neurons"` // rows and columns of the neurons to look at; null: all
}

// Default has 8 samples and a noise of a tenth. The paper does not recommend any.
var Default = Config{Samples: 8, Noise: 0.1}

// Recipe is the method as the harness sees it: an image goes in, a map of the class that the host finds likeliest comes out.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "smoothgradcampp",
	Family: "attribution",
	Paper: recipes.Paper{
		Title:   "Smooth Grad-CAM++: An Enhanced Inference Level Visualization Technique for Deep Convolutional Neural Network Models",
		Authors: "Omeiza, Speakman, Cintas, Weldemariam", Year: 2019, URL: "https://arxiv.org/abs/1908.01224",
	},
	Config:   Default,
	Variants: map[string]Config{"consistent": Default, "literal": {Samples: 8, Noise: 0.1, Literal: true}},
	Variant:  "consistent",
	Tiny:     func(c Config) Config { c.Samples = 2; return c },
	Method:   Map,
	Claims:   []recipes.Claim[Config]{objectsClaim},
	Exceptions: map[string]string{
		"gradients": "a map of a trained network: nothing in it is trained",
		"learns":    "a map of a trained network: nothing in it is trained",
		"resumes":   "a map of a trained network: nothing in it is trained",
	},
})

// Map makes of a classifier a network that maps images [B H W C] to the map of the likeliest class, [B H W].
func Map(c Config, host recipes.Network) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		if c.Tap == "" {
			c.Tap = gradcampp.LastMap(host, s, x)
		}
		return c.Method()(s, attr.Network(host), x, attr.Top) // [B H W]
	}
}

// Method is the attribution method of a configuration that names its tap.
func (c Config) Method() attr.Method {
	noise := c.Noise
	if noise == 0 {
		noise = -1 // none, for which attr wants a negative number
	}
	return attr.SmoothGradCAMPlusPlus(c.Tap, attr.SmoothCAMOptions{
		SmoothOptions: attr.SmoothOptions{Samples: c.Samples, Noise: noise, Seed: 1},
		PaperLiteral:  c.Literal, Maps: c.Maps, Neurons: c.Neurons,
	})
}
