package main

import (
	"context"
	"fmt"
	"slices"
)

// growthArms are those that are compared. What GoMLX's own layers and the recipes' trainer do to growth, the layers show.
var growthArms = []string{layersArm, jaxArm, torchArm}

// measureGrowth measures how inference grows with the batch, one network for each kind of data and design, and how the first
// training step grows with depth, which is mostly compilation.
func measureGrowth(ctx context.Context, o options) (*networkReport, error) {
	arms := slices.DeleteFunc(slices.Clone(growthArms), func(a string) bool { return !slices.Contains(o.arms, a) })
	return measureNetworks(ctx, growthPart, arms, growthLoads(o.networks), o.turns, turn/2)
}

// growthLoads are these workloads. If networks are named, only those of them, and no depths.
func growthLoads(names []string) (all []workload) {
	for _, n := range named([]string{"resnet-20", "edsr-tiny", "audio-cnn", "vit-tiny"}) {
		if len(names) > 0 && !slices.Contains(names, n.Name) {
			continue
		}
		for _, batch := range []int{1, 4, 16, 64, 256} {
			all = append(all, workload{network: n, batch: batch})
		}
	}
	if len(names) > 0 {
		return all
	}
	for _, each := range []int{1, 2, 4} {
		depth := 4 * each
		n := convolutions(fmt.Sprintf("%d-conv-max-pool", depth), each, false, false)
		// A small batch, since the first step is measured with its compilation.
		all = append(all, workload{network: n, batch: 8, train: true, depth: depth, builds: 3})
	}
	return all
}
