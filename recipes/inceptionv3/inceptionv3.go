// Package inceptionv3 builds Inception networks of factorised convolutions, and trains them with smoothed labels.
//
// Paper:   Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2016, Rethinking the Inception Architecture for Computer Vision, https://arxiv.org/abs/1512.00567
// Claim:   smoothing the labels regularises, and n×n convolutions made of 1×n and n×1 cost a fraction at no loss (table 3).
// Here:    a narrow Inception with one block of sevens on a grid of 7×7, on CIFAR-10 images of 16×16, 3 seeds: hard against smoothed labels where
// a fifth of the training labels is wrong; and the sevens as 7×7, as 1×7 and 7×1, and as three 3×3.
// Differs: the layout and the names are torchvision's, which are those of the network that was published: its first blocks have 5×5 branches where
// the paper's figure 5 has two 3×3. Small networks have one convolution for a stem; their auxiliary head has windows no larger than its map. The paper
// trained with 50 asynchronous replicas, the paper-scale fit with one.
// Tried:   one validation seed with 1000 images: smoothing brought the calibration error from 0.31 to 0.10 and the gap to 5.03, and the accuracy from
// 36.6 to 35.2 %. So the gain in accuracy that the paper found with whole ImageNet is reported here and not asserted. The sevens were recorded as inconclusive after 6
// epochs (1.5 ± 1.0 points lost with 6 seeds); now they train for 4, to save time. The sevens on a grid of 15×15
// (images of 32×32, an eighth of the filters), one validation seed: 1×7 and 7×1 lose 4.9 points, so the small grid is not what they lose by.
// On drawn shapes, of which all three learn 97 to 98 %, they lose 0.6 ± 0.3 points (6 seeds, test images; half a point had been allowed): a loss remains when
// the training has come to its end, and three 3×3 lose nothing.
package inceptionv3

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers"
	"fovea/layers/optim"
	"fovea/recipes"
)

// Config is an Inception network of the third version. The zero value is not useful: begin with a variant.
type Config struct {
	Stem     Stem    `json:"stem"`
	Wide     []int   `json:"wide"`   // blocks on the first grid (35×35): filters of the branch that pools
	Middle   []int   `json:"middle"` // blocks on the second grid (17×17): filters between the sevens
	Narrow   int     `json:"narrow"` // blocks on the third grid (8×8)
	Sevens   Sevens  `json:"sevens"`
	Aux      bool    `json:"aux"`      // an auxiliary head after the second grid, for training with Loss
	Width    float64 `json:"width"`    // multiplies all filters; 0: 1
	Dropout  float64 `json:"dropout"`  // before the classes, in training
	Classes  int     `json:"classes"`  //
	Size     int     `json:"size"`     // height and width of the images
	Channels int     `json:"channels"` //
}

// Stem says what comes before the first block.
type Stem string

const (
	// LargeStem is the paper's: five convolutions and two poolings, 299×299 → 35×35.
	LargeStem Stem = "large"
	// SmallStem is one 3×3 convolution at full resolution, for images of the size of the first grid.
	SmallStem Stem = "small"
)

// Sevens says how windows of 7×7 are made.
type Sevens string

const (
	Factorised Sevens = "1x7"  // 1×7 and 7×1: 14/49 of the weights of Whole
	Whole      Sevens = "7x7"  // one convolution
	Stacked    Sevens = "3x3s" // three of 3×3 see as much: 27/49
)

// Variants are the network with its auxiliary head (the paper's Inception-v3) and without.
var Variants = func() map[string]Config {
	v3 := Config{
		Stem: LargeStem, Wide: []int{32, 64, 64}, Middle: []int{128, 160, 160, 192}, Narrow: 2, Sevens: Factorised,
		Aux: true, Dropout: 0.5, Classes: 1000, Size: 299, Channels: 3,
	}
	plain := v3
	plain.Aux = false
	return map[string]Config{"v3": v3, "v3-noaux": plain}
}()

// Recipe is Inception-v3 as the harness sees it.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "inceptionv3",
	Family: "backbone",
	Paper: recipes.Paper{
		Title:   "Rethinking the Inception Architecture for Computer Vision",
		Authors: "Szegedy, Vanhoucke, Ioffe, Shlens, Wojna", Year: 2016, URL: "https://arxiv.org/abs/1512.00567",
	},
	Config: Variants["v3"], Variant: "v3", Variants: Variants,
	Params:  map[string]int{"v3": 27_161_264, "v3-noaux": 23_834_568}, // torchvision's
	Tiny:    Tiny,
	Model:   Model,
	Input:   func(c Config) []int { return []int{c.Size, c.Size, c.Channels} },
	Taps:    Taps,
	Weights: Weights,
	Fit:     paperFit,
	Claims:  []recipes.Claim[Config]{smoothingClaim, sevensClaim},
	Exceptions: map[string]string{
		"gradients": "the auxiliary head has a loss of its own, so none of the logits' reaches it",
	},
})

// paperFit is the training of section 8 of one replica: RMSProp with a decay of 0.9 and ε = 1, the rate 0.045 times 0.94 every second epoch,
// gradients clipped at 2, batches of 32, 100 epochs, labels smoothed by 0.1. The weights of the auxiliary loss and of the decay are those of the
// code that was published with it.
var paperFit = recipes.Fit{
	Epochs: 100, Batch: 32, Augment: datasets.ResizedCrop(0.05), Loss: Loss(epsilon, auxiliary),
	Optimizer: func(steps int) optimizer.Interface {
		return optim.RMSProp{LearningRate: Staircase(0.045, steps), Epsilon: 1, ClipNorm: 2, WeightDecay: 4e-5, NoDecay: optim.BiasesAndNorms}
	},
}

// Staircase is the schedule of the Inception papers: the rate falls by 0.94 at each of 50 equal parts of a training, which is every second epoch
// of 100.
func Staircase(initial float64, steps int) optim.Schedule {
	s := optim.Step{Initial: initial, Gamma: 0.94}
	for i := 1; i < 50; i++ {
		s.Milestones = append(s.Milestones, i*steps/50)
	}
	return s
}

// Tiny has one block on each grid, a thirtieth of the filters, and the small stem.
func Tiny(c Config) Config {
	tiny := c
	tiny.Stem, tiny.Size, tiny.Width = SmallStem, 16, 0.03
	tiny.Wide, tiny.Middle, tiny.Narrow = c.Wide[:min(1, len(c.Wide))], c.Middle[:min(1, len(c.Middle))], min(1, c.Narrow)
	tiny.Dropout, tiny.Classes = 0, min(c.Classes, 4)
	return tiny
}

// Model builds the network: images [B H W C] → logits [B K]. With Aux the logits of the auxiliary head are its tap "AuxLogits".
func Model(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		x.AssertDims(-1, c.Size, c.Size, c.Channels)
		for _, b := range c.blocks() {
			x = layers.Tap(b.build(s.In("%s", b.name), x), b.name)
			if c.Aux && b.beforeAux {
				layers.Tap(c.auxiliary(s.In("AuxLogits"), x), "AuxLogits") // [B K]
			}
		}
		x = layers.Dropout(s, layers.GlobalMeanPool(x), c.Dropout) // [B 2048]
		return layers.Dense(s.In("fc"), x, c.Classes)              // [B K]
	}
}

// Taps lists the outputs of the blocks, and the auxiliary logits.
func Taps(c Config) []string {
	var names []string
	for _, b := range c.blocks() {
		names = append(names, b.name)
		if c.Aux && b.beforeAux {
			names = append(names, "AuxLogits")
		}
	}
	return names
}

// Weights tells torchvision's names, which are ours; timm's of its inception_v3 are the same. torchvision's trained weights want
// pixels from −1 to 1.
func Weights(c Config) []recipes.WeightMap {
	m := recipes.WeightMap{Source: "torchvision", Head: []string{"fc"}, Skip: []string{"AuxLogits."}}
	if c.Aux {
		m.Head, m.Optional, m.Skip = []string{"fc", "AuxLogits/fc"}, []string{"AuxLogits"}, nil
	}
	return []recipes.WeightMap{m}
}
