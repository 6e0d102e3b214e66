package main

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"os"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers/attr"
	"fovea/recipes/vgg"
)

//go:embed peers/attribution.py
var captumProgram string

const captumArm = "captum"

// vgg11At64 is what is explained: configuration A on images of 64×64.
var vgg11At64 = func() vgg.Config {
	c := vgg11
	c.Size = 64
	return c
}()

// Methods that are measured.
const (
	saliencyMethod   = "saliency"
	plusPlusMethod   = "Grad-CAM++"
	integratedMethod = "integrated gradients" // of 50 steps
)

// explanations are the workloads of the attribution part.
func explanations() []workload {
	n := network{Name: "vgg-11 at 64×64", Input: []int{64, 64, 3}, Blocks: vggBlocks(vgg11At64)}
	return []workload{
		{network: n, batch: 64, method: saliencyMethod},
		{network: n, batch: 64, method: plusPlusMethod},
		{network: n, batch: 8, method: integratedMethod},
	}
}

// measureAttribution measures maps beside captum's. Without it there is nothing to compare with.
func measureAttribution(ctx context.Context, rounds int) (*networkReport, error) {
	if os.Getenv(peersVariable) == "" {
		why := fmt.Sprintf("attribution is not measured: %s names no Python environment with captum (make bench makes one)", peersVariable)
		return &networkReport{Missing: []string{why}}, nil
	}
	return measureNetworks(ctx, attributionPart, []string{layersArm, captumArm}, explanations(), rounds, turn)
}

// explaining explains a batch of images with a network of random weights, and reads the maps.
func explaining(b compute.Backend, n network, method string, batch int) (*runner, error) {
	tap := vgg.Taps(vgg11At64)
	methods := map[string]attr.Method{
		saliencyMethod:   attr.Saliency,
		plusPlusMethod:   attr.GradCAMPlusPlus(tap[len(tap)-1-len(vgg11At64.Hidden)-1]), // the last convolution, before its pooling
		integratedMethod: attr.IntegratedGradients(attr.IntegratedOptions{Steps: 50}),
	}
	if methods[method] == nil {
		return nil, fmt.Errorf("no method %q", method)
	}
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return nil, err
	}
	net := vgg.Model(vgg11At64)
	explainer, err := attr.NewExplainer(b, store, func(s *model.Scope, x *graph.Node) *graph.Node { return net(s, x) }, methods[method])
	if err != nil {
		return nil, err
	}
	images, labels := examples(batch, n)
	x, y := images(), labels()
	var classes []int
	for _, c := range tensors.MustCopyFlatData[int32](y) {
		classes = append(classes, int(c))
	}
	y.FinalizeAll()
	r := &runner{close: func() { explainer.Close(); store.Finalize(); x.FinalizeAll() }}
	r.run = func(n int) (total float64, err error) {
		for range n {
			maps, outputs, err := explainer.Explain(x, classes...)
			if err != nil {
				return 0, err
			}
			total = 0
			for _, v := range tensors.MustCopyFlatData[float32](maps) {
				total += math.Abs(float64(v))
			}
			maps.FinalizeAll()
			outputs.FinalizeAll()
		}
		if total == 0 {
			return 0, fmt.Errorf("%s: the maps are zero", method)
		}
		return total, nil
	}
	if _, err := r.run(1); err != nil { // makes the variables
		return nil, err
	}
	r.parameters = trainable(store)
	return r, nil
}
