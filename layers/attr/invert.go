package attr

import (
	"context"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// Invert makes images that a tap answers to as it does to the given ones [B H W C]: what is left out of them the tap does
// not hold (Mahendran, Vedaldi 2015, eq. 1). prior, nil for none, is added to the objective: minus a weighted
// TotalVariation and LpNorm, in the paper. Size and number of the images are those of the given ones.
//
// The Scores are, without a prior, minus the squared relative distance of the features: 0 is a perfect match.
func Invert(ctx context.Context, backend compute.Backend, store *model.Store, network Network, images *tensors.Tensor, tap string, prior Objective, o VisualizeOptions) (*Visualization, error) {
	features, err := Features(ctx, backend, store, network, images, tap, FeatureOptions{})
	if err != nil {
		return nil, err
	}
	defer release(features)
	goal := Resemble(tap, features)
	if prior != nil {
		goal = goal.Plus(prior)
	}
	return Visualize(ctx, backend, store, network, goal, o.like(images))
}

// Caricature makes images of which a tap finds more of what it finds in the given ones [B H W C], and says so by
// exaggeration (Olah et al. 2018 use the same objective for activation grids). power is that of Exaggerate; 0: 4.
func Caricature(ctx context.Context, backend compute.Backend, store *model.Store, network Network, images *tensors.Tensor, tap string, power float64, o VisualizeOptions) (*Visualization, error) {
	if power == 0 {
		power = 4
	}
	features, err := Features(ctx, backend, store, network, images, tap, FeatureOptions{})
	if err != nil {
		return nil, err
	}
	defer release(features)
	return Visualize(ctx, backend, store, network, Exaggerate(tap, features, power), o.like(images))
}

// like takes number and size of the images that are to be made from images, whose shape Features has checked.
func (o VisualizeOptions) like(images *tensors.Tensor) VisualizeOptions {
	d := images.Shape().Dimensions
	o.Images, o.Height, o.Width, o.Channels = d[0], d[1], d[2], d[3]
	return o
}
