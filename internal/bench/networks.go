package main

import (
	"fmt"
	"slices"

	"fovea/recipes/pyramidnet"
	"fovea/recipes/vgg"
)

// A block is a part of a network as plain data, so that one description can be built in each library.
type block struct {
	// Op is conv, norm, relu, maxpool, mean, flatten (of maps of one pixel), dense or residual; for super-resolution shuffle, which makes pixels
	// out of channels; for transformers patches, positions, layernorm, gelu or attention.
	Op      string  `json:"op"`
	Filters int     `json:"filters,omitempty"`
	Size    int     `json:"size,omitempty"`   // of a convolution's window along each axis, 0: 3; of a patch; of a shuffle's square
	Stride  int     `json:"stride,omitempty"` // of a convolution
	Bias    bool    `json:"bias,omitempty"`
	Units   int     `json:"units,omitempty"`
	Heads   int     `json:"heads,omitempty"` // of self-attention
	Body    []block `json:"body,omitempty"`  // of a residual unit: it is added to its input, pooled and padded to the same shape
}

// window is the length of a convolution's window.
func (b block) window() int {
	if b.Size == 0 {
		return 3
	}
	return b.Size
}

// A network is what is measured. Its loss is the cross-entropy of 10 classes; or, if it has a Target, the mean squared error
// of an image of that shape.
type network struct {
	Name   string  `json:"name"`
	Input  []int   `json:"input"` // of one example: height, width and channels, or samples and channels
	Target []int   `json:"target,omitempty"`
	Blocks []block `json:"blocks"`
}

// small is the input of networks for small images.
var small = []int{32, 32, 3}

func conv(filters, stride int, bias bool) block {
	return block{Op: "conv", Filters: filters, Stride: stride, Bias: bias}
}

var (
	normalise = block{Op: "norm"}
	relu      = block{Op: "relu"}
	maxPool   = block{Op: "maxpool"}
	mean      = block{Op: "mean"}
	flatten   = block{Op: "flatten"}
	layerNorm = block{Op: "layernorm"}
	gelu      = block{Op: "gelu"}
)

func dense(units int) block { return block{Op: "dense", Units: units} }

// plus adds what body computes to its input.
func plus(body ...block) block { return block{Op: "residual", Body: body} }

// networks are those that are measured. vgg-11 and pyramidnet-20 have recipes, whose own code is the recipes' arm.
func networks() []network {
	return []network{
		convolutions("4-conv-max-pool", 1, false, false),
		convolutions("4-conv-strided", 1, true, false),
		convolutions("4-conv-batch-norm", 1, true, true),
		resnet(20),
		{Name: "vgg-11", Input: small, Blocks: vggBlocks(vgg11)},
		{Name: "pyramidnet-20", Input: small, Blocks: pyramidBlocks(pyramid20)},
		superResolution(32, 4),
		audio(),
		transformer(96, 4, 3),
	}
}

// convolutions has four stages of so many convolutions each with 32, 64, 128 and 128 filters, with a ReLU each; at the end
// of each of the first three the image is halved.
func convolutions(name string, each int, strided, batchNorm bool) network {
	var blocks []block
	for i, filters := range []int{32, 64, 128, 128} {
		for j := range each {
			halve := i < 3 && j == each-1
			c := conv(filters, 1, !batchNorm)
			if strided && halve {
				c.Stride = 2
			}
			blocks = append(blocks, c)
			if batchNorm {
				blocks = append(blocks, normalise)
			}
			blocks = append(blocks, relu)
			if !strided && halve {
				blocks = append(blocks, maxPool)
			}
		}
	}
	return network{Name: name, Input: small, Blocks: append(blocks, mean, dense(10))}
}

// resnet has depth layers, of which six are in each of the units of its three stages.
func resnet(depth int) network {
	return network{Name: fmt.Sprintf("resnet-%d", depth), Input: small, Blocks: residual(16, (depth-2)/6)}
}

// residual is the network for small images of He et al. 2016 (section 4.2) with the activation first: three stages of units.
func residual(start, units int) []block {
	blocks := []block{conv(start, 1, false)}
	for stage := range 3 {
		for u := range units {
			stride := 1
			if stage > 0 && u == 0 {
				stride = 2
			}
			width := start << stage
			body := []block{normalise, relu, conv(width, stride, false), normalise, relu, conv(width, 1, false)}
			blocks = append(blocks, block{Op: "residual", Stride: stride, Filters: width, Body: body})
		}
	}
	return append(blocks, normalise, relu, mean, dense(10))
}

// vgg11 is configuration A for small images. Without dropout all libraries compute the same.
var vgg11 = func() vgg.Config {
	c := vgg.Variants["A"]
	c.Size, c.Classes, c.Hidden, c.Dropout = 32, 10, []int{512, 512}, 0
	return c
}()

func vggBlocks(c vgg.Config) []block {
	var blocks []block
	for _, stage := range c.Stages {
		for _, filters := range stage {
			blocks = append(blocks, conv(filters, 1, true), relu)
		}
		blocks = append(blocks, maxPool)
	}
	blocks = append(blocks, flatten)
	for _, units := range c.Hidden {
		blocks = append(blocks, dense(units), relu)
	}
	return append(blocks, dense(c.Classes))
}

var pyramid20 = func() pyramidnet.Config {
	c := pyramidnet.Variants["110-a48"]
	c.Depth = 20
	return c
}()

func pyramidBlocks(c pyramidnet.Config) []block {
	blocks := []block{conv(c.Start, 1, false), normalise}
	widths := c.Widths()
	for i, width := range widths {
		stride := 1
		if i > 0 && i%(len(widths)/3) == 0 {
			stride = 2
		}
		body := []block{normalise, conv(width, stride, false), normalise, relu, conv(width, 1, false), normalise}
		blocks = append(blocks, block{Op: "residual", Stride: stride, Filters: width, Body: body})
	}
	return append(blocks, normalise, relu, mean, dense(c.Classes))
}

// superResolution doubles an image's sides as EDSR does (Lim et al. 2017, figure 3): residual units without normalisation
// inside a long shortcut, and pixels that are made out of channels last.
func superResolution(filters, units int) network {
	var body []block
	for range units {
		body = append(body, plus(conv(filters, 1, true), relu, conv(filters, 1, true)))
	}
	return network{Name: "edsr-tiny", Input: small, Target: []int{64, 64, 3}, Blocks: []block{
		conv(filters, 1, true),
		plus(append(body, conv(filters, 1, true))...),
		conv(4*filters, 1, true), {Op: "shuffle", Size: 2}, // [B 64 64 filters]
		conv(3, 1, true),
	}}
}

// audio tells sounds apart by their samples: a quarter of a second at 16 kHz.
func audio() network {
	var blocks []block
	for _, filters := range []int{32, 64, 128} {
		c := conv(filters, 4, true)
		c.Size = 9
		blocks = append(blocks, c, relu)
	}
	return network{Name: "audio-cnn", Input: []int{4000, 1}, Blocks: append(blocks, conv(128, 1, true), relu, mean, dense(10))}
}

// transformer is a vision transformer (Dosovitskiy et al. 2021) on 64 patches, with a mean instead of a class token, and
// twice instead of four times the width inside its perceptrons.
func transformer(width, depth, heads int) network {
	blocks := []block{{Op: "patches", Size: 4, Filters: width}, {Op: "positions"}}
	for range depth {
		blocks = append(blocks,
			plus(layerNorm, block{Op: "attention", Heads: heads}),
			plus(layerNorm, dense(2*width), gelu, dense(width)))
	}
	return network{Name: "vit-tiny", Input: small, Blocks: append(blocks, layerNorm, mean, dense(10))}
}

// named finds networks by name, or gives all.
func named(names []string) []network {
	all := networks()
	if len(names) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(n network) bool { return !slices.Contains(names, n.Name) })
}
