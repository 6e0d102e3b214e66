package main

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers/loss"
)

// A variation is the layers' arm with one thing changed. Each was tried by itself; what proves right goes into package layers or
// the trainer, and the others stay here, where they can be tried again on another machine.
type variation struct {
	what string   // for the page
	env  []string // for the whole process
	fits func(n network) bool
	make func(b compute.Backend, n network, batch int) (*runner, error) // nil: as the layers' arm
}

func (v variation) build(b compute.Backend, n network, batch int) (*runner, error) {
	if v.make == nil {
		return varied(b, ours.build(n), n, batch, adam())
	}
	return v.make(b, n, batch)
}

// Names of variations, which are arms.
const (
	fastMathArm   = "fast-math"
	systemArm     = "system memory"
	winogradArm   = "Winograd"
	bfloat16Arm   = "bfloat16"
	oneVectorArm  = "one vector"
	fourStepsArm  = "4 steps a call"
	residentArm   = "resident"
	inputAheadArm = "input ahead"
	inputInTurn   = "input in turn"
)

const stepsACall = 4

// variations by name.
var variations = map[string]variation{
	fastMathArm: {what: "`--xla_cpu_enable_fast_math`: sums may be reordered and NaN is not looked for", env: []string{"XLA_FLAGS=--xla_cpu_enable_fast_math=true"}},
	systemArm:   {what: "glibc gives memory back to the system after each step, as it does unless told otherwise", env: systemMemory},
	winogradArm: {what: "3×3 convolutions without strides by Winograd's F(2×2, 3×3), and their gradients for the input", fits: hasWinograd,
		make: func(b compute.Backend, n network, batch int) (*runner, error) {
			return varied(b, winogradLibrary.build(n), n, batch, adam())
		}},
	bfloat16Arm: {what: "activations and products in bfloat16, weights in float32",
		make: func(b compute.Backend, n network, batch int) (*runner, error) {
			return varied(b, inHalf(ours.build(n)), n, batch, adam())
		}},
	oneVectorArm: {what: "Adam on one vector of all weights, in place of one update for each variable",
		make: func(b compute.Backend, n network, batch int) (*runner, error) {
			return varied(b, ours.build(n), n, batch, vectorAdam{adamRate})
		}},
	fourStepsArm: {what: "one call for four steps",
		make: func(b compute.Backend, n network, batch int) (*runner, error) {
			return stepping(b, n, batch, stepsACall, false)
		}},
	residentArm: {what: "the batch stays on the device: no copies from the host",
		make: func(b compute.Backend, n network, batch int) (*runner, error) { return stepping(b, n, batch, 1, true) }},
	inputAheadArm: {what: "images cropped, flipped and normalised for each step, in the background", fits: seesImages,
		make: func(b compute.Backend, n network, batch int) (*runner, error) { return fed(b, n, batch, 0) }},
	inputInTurn: {what: "the same, while the device waits", fits: seesImages,
		make: func(b compute.Backend, n network, batch int) (*runner, error) { return fed(b, n, batch, -1) }},
}

// variationArms are the layers and their variations, in the order of the page.
var variationArms = []string{layersArm, fastMathArm, systemArm, winogradArm, bfloat16Arm, oneVectorArm, fourStepsArm, residentArm, inputAheadArm, inputInTurn}

// measureVariations measures training steps of networks that differ in what they are made of.
func measureVariations(ctx context.Context, o options) (*networkReport, error) {
	var loads []workload
	for _, n := range named([]string{"4-conv-max-pool", "4-conv-strided", "resnet-20", "vgg-11", "vit-tiny"}) {
		if len(o.networks) == 0 || slices.Contains(o.networks, n.Name) {
			loads = append(loads, workload{network: n, batch: 64, train: true, steps: stepsACall})
		}
	}
	return measureNetworks(ctx, variationsPart, variationArms, loads, o.turns, turn)
}

const adamRate = 1e-3

func adam() optimizer.Interface { return optimizer.Adam().LearningRate(adamRate).Done() }

// varied trains a network as the layers' arm does, cross-entropy of 10 classes.
func varied(b compute.Backend, net builder, n network, batch int, o optimizer.Interface) (*runner, error) {
	inputs, labels := examples(batch, n)
	return gomlxTraining(b, net, loss.SoftmaxCrossEntropy(0), o, inputs, labels)
}

// inHalf computes a network in bfloat16, with weights in float32.
func inHalf(net builder) builder {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		return graph.ConvertDType(net(s, graph.ConvertDType(x, dtypes.BFloat16)), dtypes.Float32)
	}
}

func seesImages(n network) bool { return slices.Equal(n.Input, small) }

// fed trains on images that are augmented for each step; prefetch is that of datasets.BatchOptions.
func fed(b compute.Backend, n network, batch, prefetch int) (*runner, error) {
	feed, err := noise(1024).Batches(datasets.BatchOptions{Size: batch, Shuffle: true, Infinite: true, Augment: datasets.CropFlip(4), Prefetch: prefetch})
	if err != nil {
		return nil, err
	}
	next, stop := iter.Pull2(feed.Iter())
	var label *tensors.Tensor
	inputs := func() *tensors.Tensor {
		batch, err, ok := next()
		if err != nil || !ok {
			panic(fmt.Errorf("the images end: %w", err))
		}
		label = batch.Labels[0]
		return batch.Inputs[0]
	}
	r, err := gomlxTraining(b, ours.build(n), loss.SoftmaxCrossEntropy(0), adam(), inputs, func() *tensors.Tensor { return label })
	if err != nil {
		stop()
		return nil, err
	}
	end := r.close
	r.close = func() { stop(); end() }
	return r, nil
}

// noise is a set of images as large as those of the networks; the class is in their brightness.
func noise(n int) *datasets.Images {
	im := &datasets.Images{Name: "noise", N: n, H: small[0], W: small[1], C: small[2], Synthetic: true}
	for k := range 10 {
		im.Classes = append(im.Classes, fmt.Sprint(k))
	}
	r := rand.New(rand.NewPCG(1, 3))
	for i := range n {
		class := i % len(im.Classes)
		im.Labels = append(im.Labels, int32(class))
		for range im.H * im.W * im.C {
			im.Pixels = append(im.Pixels, uint8(r.IntN(120)+13*class))
		}
	}
	return im
}
