package vgg

import (
	"fmt"

	"fovea/recipes"
)

// Weights tells the names that torchvision (vgg11 … vgg19) and timm have for the weights of a configuration.
func Weights(c Config) []recipes.WeightMap {
	features := func() map[string]string {
		modules, i := map[string]string{}, 0
		for stage, convolutions := range c.Stages {
			for j := range convolutions {
				modules[stageName(stage)+"/"+convName(j)] = fmt.Sprintf("features.%d", i)
				i += 2 // the convolution and its ReLU
				if c.LRN && stage == 0 && j == 0 {
					i++
				}
			}
			i++ // the pooling
		}
		return modules
	}
	flattened := map[string][3]int{}
	if n := len(c.Stages); n > 0 {
		last := c.Stages[n-1]
		side := c.Size >> n
		first := "output"
		if len(c.Hidden) > 0 {
			first = fc(0)
		}
		flattened[first] = [3]int{side, side, last[len(last)-1]}
	}
	torchvision, timm := features(), features()
	for i := range c.Hidden {
		torchvision[fc(i)] = fmt.Sprintf("classifier.%d", 3*i) // linear, ReLU, dropout
		timm[fc(i)] = fmt.Sprintf("pre_logits.fc%d", i+1)      // convolutions of the whole map
	}
	torchvision["output"], timm["output"] = fmt.Sprintf("classifier.%d", 3*len(c.Hidden)), "head.fc"
	head := []string{"output"}
	return []recipes.WeightMap{
		{Source: "torchvision", Modules: torchvision, Flattened: flattened, Head: head},
		{Source: "timm", Modules: timm, Flattened: flattened, Head: head},
	}
}
