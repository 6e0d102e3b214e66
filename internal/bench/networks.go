package main

import (
	"slices"

	"fovea/recipes/pyramidnet"
	"fovea/recipes/vgg"
)

// A block is a part of a network as plain data, so that one description can be built in each library.
type block struct {
	Op      string  `json:"op"` // conv, norm, relu, maxpool, meanpool, mean, flatten, dense or residual
	Filters int     `json:"filters,omitempty"`
	Stride  int     `json:"stride,omitempty"` // of a convolution of 3×3
	Bias    bool    `json:"bias,omitempty"`
	Units   int     `json:"units,omitempty"`
	Body    []block `json:"body,omitempty"` // of a residual unit: it is added to its input, pooled and padded to the same shape
}

// A network is what is measured, on images of Size×Size×3, with 10 classes.
type network struct {
	Name   string  `json:"name"`
	Size   int     `json:"size"`
	Blocks []block `json:"blocks"`
}

func conv(filters, stride int, bias bool) block {
	return block{Op: "conv", Filters: filters, Stride: stride, Bias: bias}
}

var (
	normalise = block{Op: "norm"}
	relu      = block{Op: "relu"}
	maxPool   = block{Op: "maxpool"}
	mean      = block{Op: "mean"}
	flatten   = block{Op: "flatten"}
)

func dense(units int) block { return block{Op: "dense", Units: units} }

// networks are those that are measured: the first three by our layers, "vgg" and those below by the recipes' own code.
func networks() []network {
	return []network{
		fourConvolutions("4-conv-max-pool", false, false),
		fourConvolutions("4-conv-strided", true, false),
		fourConvolutions("4-conv-batch-norm", true, true),
		{"resnet-20", 32, residual(16, 3)},
		{"vgg-11", 32, vggBlocks(vgg11)},
		{"pyramidnet-20", 32, pyramidBlocks(pyramid20)},
	}
}

// fourConvolutions has 32, 64, 128 and 128 filters, with a ReLU each; after each of the first three the image is halved.
func fourConvolutions(name string, strided, batchNorm bool) network {
	var blocks []block
	for i, filters := range []int{32, 64, 128, 128} {
		halve := i < 3
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
	return network{name, 32, append(blocks, mean, dense(10))}
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

// named finds networks by name, or gives all.
func named(names []string) []network {
	all := networks()
	if len(names) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(n network) bool { return !slices.Contains(names, n.Name) })
}
