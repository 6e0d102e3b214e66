package recipes

import (
	"path"
	"strings"
)

// A WeightMap tells how files made for one other library name a network's variables. Where they stand in memory needs no
// telling: convolutions [O I h w] become [h w I O], matrices [O I] become [I O], depthwise kernels [C·m 1 h w] become
// [h w 1 C·m], a 1×1 convolution may be a matrix, and a convolution that covers its whole input a dense layer.
//
//	recipes.WeightMap{Source: "torchvision", Modules: map[string]string{"stage1/conv1": "features.0", "output": "classifier.6"}, Head: []string{"output"}}
type WeightMap struct {
	Source string // whose names they are: "torchvision", "timm"

	// Modules has the file's module for a scope of the network. A scope that is not here is looked for below the nearest
	// one around it that is, and without any it is called what it is: "layer1/0/conv1" is "layer1.0.conv1".
	Modules map[string]string

	// Variables has the file's tensor for variables, by path ("stage1/scale"), that have none of the names of package layers.
	Variables map[string]string

	// Flattened has the shape [H W C] of the feature map before it was flattened for a dense layer, by the layer's scope:
	// files of networks that keep channels first flatten it as [C H W].
	Flattened map[string][3]int

	// Head lists the scopes whose outputs are the classes. They may be left out of loading (WeightOptions.NewHead).
	Head []string

	// Optional lists scopes that a file may lack, such as an auxiliary head: they keep their fresh weights.
	Optional []string

	// Skip lists the beginnings of names of tensors that the network has no place for and does not miss: "AuxLogits.".
	Skip []string
}

// TorchvisionNames is the map of a network whose scopes have the names of torchvision's modules, as those of package
// layers/resnet have; timm's residual networks have the same. Head is the scope of the classes, optional what files lack:
// scopes that a method adds to the network.
func TorchvisionNames(head string, optional ...string) []WeightMap {
	return []WeightMap{{Source: "torchvision", Head: []string{head}, Optional: optional}}
}

// parameterNames are the names in PyTorch's modules of the variables that package layers makes.
var parameterNames = map[string]string{
	"weights": "weight", "biases": "bias", "scale": "weight", "offset": "bias", "mean": "running_mean", "variance": "running_var",
}

// tensorName is the name that a file has for the variable with that path.
func (m WeightMap) tensorName(variable string) string {
	variable = strings.TrimPrefix(variable, "/")
	if name, ok := m.Variables[variable]; ok {
		return name
	}
	scope, name := path.Split(variable)
	if known, ok := parameterNames[name]; ok {
		name = known
	}
	module := m.module(strings.TrimSuffix(scope, "/"))
	if module == "" {
		return name
	}
	return module + "." + name
}

// module is the file's module for a scope.
func (m WeightMap) module(scope string) string {
	for rest := ""; ; {
		if module, ok := m.Modules[scope]; ok {
			return strings.Trim(module+rest, ".")
		}
		parent, last := path.Split(scope)
		if parent == "" {
			return strings.Trim(last+rest, ".")
		}
		scope, rest = strings.TrimSuffix(parent, "/"), "."+last+rest
	}
}
