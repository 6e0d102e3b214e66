package resnet

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/support/exceptions"
)

// Shortcut says what runs beside the residual branch of a unit.
type Shortcut string

const (
	// Projection is option B of He et al. 2016, section 3.3: a 1×1 convolution where the shape changes, else nothing.
	Projection Shortcut = "B"
	// Padding is option A: every stride-th pixel, and zeros for the channels that are new. It has no parameters.
	Padding Shortcut = "A"
	// None leaves the addition out: the plain network of the same layers. There is no Merge either.
	None Shortcut = "none"
)

// Config is a residual network as data. Only Stages, Widths and Classes must be set; the zero values of the others are
// those of a CIFAR network with basic units after the activation.
type Config struct {
	Stages        []int    `json:"stages"`                   // units in each stage; every stage but the first halves the image
	Widths        []int    `json:"widths"`                   // channels of each stage; a bottleneck unit puts out four times as many
	Classes       int      `json:"classes"`                  // logits; 0: no head, the output is the last feature map [B h w C]
	Bottleneck    bool     `json:"bottleneck,omitempty"`     // units of 1×1, 3×3, 1×1 in place of two 3×3
	PreActivation bool     `json:"pre_activation,omitempty"` // normalise and activate before each convolution (He et al. 2016b)
	ImageNetStem  bool     `json:"imagenet_stem,omitempty"`  // 7×7 with stride 2 and a max-pooling, in place of 3×3
	StemWidth     int      `json:"stem_width,omitempty"`     // channels of the stem; 0: Widths[0]
	Shortcut      Shortcut `json:"shortcut,omitempty"`       // empty: Projection
	Groups        int      `json:"groups,omitempty"`         // of the 3×3 in a bottleneck (ResNeXt's cardinality); 0: 1
	GroupWidth    int      `json:"group_width,omitempty"`    // channels of a group where the stage has 64; 0: 64
	ZeroLast      bool     `json:"zero_last,omitempty"`      // the last normalisation of each branch starts at 0 (Goyal et al. 2017)
}

// ImageNet is the network of table 1 with 18, 34, 50, 101 or 152 layers, laid out as torchvision's: 224×224 images, 1000
// classes, the stride in the 3×3 of a bottleneck ("v1.5"; the paper has it in the first 1×1, with equal counts).
func ImageNet(layers int) Config {
	units := map[int][]int{18: {2, 2, 2, 2}, 34: {3, 4, 6, 3}, 50: {3, 4, 6, 3}, 101: {3, 4, 23, 3}, 152: {3, 8, 36, 3}}
	if units[layers] == nil {
		Panicf("resnet.ImageNet(%d): want 18, 34, 50, 101 or 152 layers", layers)
	}
	return Config{Stages: units[layers], Widths: []int{64, 128, 256, 512}, Classes: 1000, Bottleneck: layers >= 50, ImageNetStem: true}
}

// CIFAR is the network of section 4.2 with 6n+2 layers: three stages of n basic units at 32, 16 and 8 pixels with 16, 32
// and 64 channels, option A shortcuts, 10 classes.
func CIFAR(layers int) Config {
	n := (layers - 2) / 6
	if n < 1 || layers != 6*n+2 {
		Panicf("resnet.CIFAR(%d): want 6n+2 layers, such as 20, 32, 44, 56 or 110", layers)
	}
	return Config{Stages: []int{n, n, n}, Widths: []int{16, 32, 64}, Classes: 10, Shortcut: Padding}
}

// Units lists the residual units from the input to the output.
func (c Config) Units() []Unit {
	if err := c.check(); err != nil {
		panic(err)
	}
	var all []Unit
	in := c.stem()
	for stage, n := range c.Stages {
		width := c.Widths[stage]
		u := Unit{Stage: stage, Width: width, Out: width}
		if c.Bottleneck {
			u.Width = width * orDefault(c.GroupWidth, 64) / 64 * max(c.Groups, 1)
			u.Out = 4 * width
		}
		for i := range n {
			u.Number, u.In, u.Stride = i, in, 1
			if i == 0 && stage > 0 {
				u.Stride = 2
			}
			u.Index = len(all)
			all = append(all, u)
			in = u.Out
		}
	}
	for i := range all {
		all[i].Total = len(all)
	}
	return all
}

// Scopes lists the scope of that name inside each unit, "layer1/0/se": where a method has its variables.
func (c Config) Scopes(name string) (scopes []string) {
	for _, u := range c.Units() {
		scopes = append(scopes, u.Name()+"/"+name)
	}
	return scopes
}

// Taps lists the feature maps that the network names: "stem", each unit ("layer1/0") and each stage ("layer1"), after the
// last activation that the unit has.
func (c Config) Taps() []string {
	names := []string{"stem"}
	for _, u := range c.Units() {
		names = append(names, u.Name())
		if u.Number == c.Stages[u.Stage]-1 {
			names = append(names, u.stageName())
		}
	}
	return names
}

func (c Config) stem() int { return orDefault(c.StemWidth, c.Widths[0]) }

func (c Config) check() error {
	switch {
	case len(c.Stages) == 0 || len(c.Stages) != len(c.Widths):
		return fmt.Errorf("resnet: %d stages and %d widths: want as many, and at least one", len(c.Stages), len(c.Widths))
	case slices.Min(c.Stages) < 1 || slices.Min(c.Widths) < 1:
		return fmt.Errorf("resnet: stages %v and widths %v: want at least one unit and one channel in each", c.Stages, c.Widths)
	case c.Classes < 0 || c.StemWidth < 0:
		return fmt.Errorf("resnet: %d classes, stem of %d: none may be negative", c.Classes, c.StemWidth)
	case !slices.Contains([]Shortcut{"", Projection, Padding, None}, c.Shortcut):
		return fmt.Errorf("resnet: shortcut %q: want A (padding), B (projection) or none", c.Shortcut)
	case !c.Bottleneck && (c.Groups > 1 || c.GroupWidth != 0):
		return fmt.Errorf("resnet: groups are for bottleneck units")
	}
	if c.Shortcut == Padding {
		widths := append([]int{c.stem()}, c.Widths...)
		for i, w := range c.Widths {
			if i > 0 && w < widths[i] || i == 0 && !c.Bottleneck && w < widths[0] {
				return fmt.Errorf("resnet: padding cannot take channels away: widths %v after a stem of %d", c.Widths, c.stem())
			}
		}
	}
	return nil
}

func orDefault(v, d int) int {
	if v == 0 {
		return d
	}
	return v
}
