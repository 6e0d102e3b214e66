// Package gradcampp explains a class's score by a weighted sum of feature maps in which small and repeated objects count too.
//
// Paper:   Chattopadhay, Sarkar, Howlader, Balasubramanian 2018, Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks, https://arxiv.org/abs/1710.11063
// Claim:   weighing positive gradients by how little of a map they cover finds all instances of a class, and more of each, than Grad-CAM does.
// Here:    a network of five convolutions and two linear layers on synthetic scenes of 48×48, one to four objects of a class among others,
// Grad-CAM and Grad-CAM++ of the same trained network, 3 seeds: objects found, what is kept of the class's probability, boxes.
// Cost:    weights that are never negative leave everything in the map that any weighed feature map has, so its maps are softer too: less of
// their sum lies in the boxes, and less of the boxes' outline is theirs. Both are reported beside the claim.
// Differs: the feature maps are taken after their ReLU; outside of a map the image fades to the set's mean colour, not to black.
package gradcampp

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
	"fovea/layers/attr"
	"fovea/recipes"
)

// Config says which feature maps are looked at.
type Config struct {
	Tap       string `json:"tap"`       // their name; empty: the last of the network, as in the paper
	Normalize bool   `json:"normalize"` // divide the factors α of a map by their sum, as the authors' code does and their formula does not
}

// Recipe is the method as the harness sees it: an image goes in, a map of the class that the host finds likeliest comes out.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "gradcampp",
	Family: "attribution",
	Paper: recipes.Paper{
		Title:   "Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks",
		Authors: "Chattopadhay, Sarkar, Howlader, Balasubramanian", Year: 2018, URL: "https://arxiv.org/abs/1710.11063",
	},
	Variants: map[string]Config{"paper": {}, "code": {Normalize: true}},
	Variant:  "paper",
	Tiny:     func(c Config) Config { return c },
	Method:   Map,
	Claims:   []recipes.Claim[Config]{instancesClaim},
	Exceptions: map[string]string{
		"gradients": "a map of a trained network: nothing in it is trained",
		"learns":    "a map of a trained network: nothing in it is trained",
		"resumes":   "a map of a trained network: nothing in it is trained",
	},
})

// Map makes of a classifier a network that maps images [B H W C] to the Grad-CAM++ map of the likeliest class, [B H W].
func Map(c Config, host recipes.Network) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		tap := c.Tap
		if tap == "" {
			tap = LastMap(host, s, x)
		}
		method := attr.GradCAMPlusPlusWith(tap, attr.PlusPlusOptions{Normalize: c.Normalize})
		return method(s, attr.Network(host), x, attr.Top) // [B H W]
	}
}

// LastMap is the name of the last tap of a network whose value still has a place in the image. It panics if there is none.
func LastMap(host recipes.Network, s *model.Scope, x *graph.Node) string {
	// The network is built for its names alone: nothing uses its outputs, so nothing of it is computed.
	g := x.Graph()
	const scope = "names"
	g.PushAliasScope(scope)
	defer g.PopAliasScope()
	host(s.ResetVisited(), x)
	last, names := "", len(scope)+len(graph.AliasScopeSeparator)
	for _, name := range layers.Taps(g) {
		if len(name) > names && name[:len(scope)] == scope {
			if node := g.GetNodeByAlias(graph.AliasScopeSeparator + name); node != nil && node.Rank() == 4 {
				last = name[names:]
			}
		}
	}
	if last == "" {
		Panicf("gradcampp: the network names no feature map [B h w C]: name one with layers.Tap")
	}
	return last
}
