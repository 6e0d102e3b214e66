package smoothgradcampp

import (
	"context"
	"errors"
	"fmt"

	"fovea/datasets/synth"
	"fovea/layers/attr"
	"fovea/recipes"
	"fovea/recipes/gradcampp"
)

// imageSeed begins the scenes of the claim. What is below was fixed on scenes of another seed.
const imageSeed = 59

const network = "network" // the only arm: its maps by all methods are compared

var objectsClaim = recipes.Claim[Config]{
	Name:      "objects",
	Statement: "Of images with three or four objects of a class, Smooth Grad-CAM++ and Grad-CAM++ find at least 5 points more of the objects than Grad-CAM of the same network.",
	Arms:      []recipes.Arm[Config]{{Name: network, Config: Default}},
	Measure:   measure,
	Tests: []recipes.Test{
		{
			Name: "found, Smooth", Statement: "objects of three or four found in their box, Smooth Grad-CAM++ less Grad-CAM", Unit: "points", Threshold: 5,
			Value: difference("found", smooth, gradCAM),
		},
		{
			Name: "found, Grad-CAM++", Statement: "objects of three or four found in their box, Grad-CAM++ less Grad-CAM", Unit: "points", Threshold: 5,
			Value: difference("found", plusPlus, gradCAM),
		},
		{
			Name: "found, Smooth against ++", Statement: "objects of three or four found in their box, Smooth Grad-CAM++ less Grad-CAM++", Unit: "points", Reported: true,
			Value: difference("found", smooth, plusPlus),
		},
		{
			// Not asserted: the paper calls its maps sharper, and a smaller variation would say that they are softer.
			Name: "variation", Statement: "total variation at equal means, Smooth Grad-CAM++ over Grad-CAM++", Unit: "×", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v[network][smooth+" variation"] / v[network][plusPlus+" variation"]
			},
		},
		{
			Name: "energy", Statement: "share of the map's sum in the boxes, Smooth Grad-CAM++ less Grad-CAM", Unit: "points", Reported: true,
			Value: difference("energy", smooth, gradCAM),
		},
		{
			Name: "localisation", Statement: "overlap (IoU) of the map above half of its largest value with the boxes, Smooth Grad-CAM++ less Grad-CAM", Unit: "points", Reported: true,
			Value: difference("localisation", smooth, gradCAM),
		},
		{
			Name: "localisation against ++", Statement: "the same, Smooth Grad-CAM++ less Grad-CAM++", Unit: "points", Reported: true,
			Value: difference("localisation", smooth, plusPlus),
		},
		{
			Name: "accuracy", Statement: "test accuracy of the network", Unit: "%", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[network]["accuracy"] },
		},
	},
	Figures: summary,
}

const gradient, smoothGrad, gradCAM, plusPlus, smooth = "gradient", "SmoothGrad", "Grad-CAM", "Grad-CAM++", "Smooth Grad-CAM++"

type method struct {
	name   string
	method attr.Method
}

// methods are those that the claim compares, with the paper's at its configuration.
func methods(c Config) []method {
	c.Tap = gradcampp.HostTap
	noisy := attr.SmoothOptions{Samples: c.Samples, Noise: c.Noise, Seed: 1}
	return []method{
		{gradient, attr.Saliency}, {smoothGrad, attr.SmoothGrad(attr.Saliency, noisy)},
		{gradCAM, attr.GradCAM(c.Tap)}, {plusPlus, attr.GradCAMPlusPlus(c.Tap)}, {smooth, c.Method()},
	}
}

// difference is a value of one method less that of another.
func difference(name, a, b string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 {
		return v[network][a+" "+name] - v[network][b+" "+name]
	}
}

func measure(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	if t.Scale == recipes.PaperScale {
		return nil, errors.New("the paper shows photographs with a trained VGG-16: load its weights and use attr.SmoothGradCAMPlusPlus")
	}
	trainer, scenes, err := gradcampp.TrainOnScenes(ctx, t, imageSeed)
	if err != nil {
		return nil, err
	}
	evaluation, err := trainer.Evaluate(ctx, scenes.Images)
	if err != nil {
		return nil, err
	}
	values := recipes.Values{"accuracy": 100 * evaluation.Accuracy}
	maps := map[string][][]float32{}
	for _, m := range methods(c) {
		of, isCAM := scenes, m.name != gradient && m.name != smoothGrad
		if !isCAM {
			if !t.Pictures() {
				continue // shown, not measured: their largest values are single pixels
			}
			of = scenes.Slice(0, pictured)
		}
		if maps[m.name], err = gradcampp.Maps(ctx, t.Backend, trainer, of.Images, m.method); err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		if !isCAM {
			continue
		}
		_, box := gradcampp.Found(maps[m.name], scenes, 3, 4)
		energy, localisation := gradcampp.Boxed(maps[m.name], scenes, 0.5)
		values[m.name+" found"], values[m.name+" energy"], values[m.name+" localisation"] = 100*box, 100*energy, 100*localisation
		values[m.name+" variation"] = gradcampp.Variation(maps[m.name], scenes.H, scenes.W)
	}
	if t.Pictures() {
		return values, draw(ctx, t, trainer, scenes.Slice(0, pictured), maps, c)
	}
	return values, nil
}

// pictured is how many of the scenes the figures choose from.
const pictured = 64

// manyObjects are the numbers of the first scenes with three or four objects.
func manyObjects(scenes *synth.SceneImages, count int) (index []int) {
	for i, instances := range scenes.Instances {
		if len(instances) >= 3 && len(index) < count {
			index = append(index, i)
		}
	}
	return index
}
