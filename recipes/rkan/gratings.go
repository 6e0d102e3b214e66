package rkan

import (
	"math"
	"math/rand/v2"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/layers"
	"fovea/recipes"
)

const gratingSize = 16

// gratings draws n images of a grating in one of four orientations under noise, with a random phase: on average over the
// phases all classes look the same, so no linear function of the pixels tells them apart. Their energies do.
func gratings(n int, seed uint64, part string) *datasets.Images {
	r := rand.New(rand.NewPCG(seed, 0x6ca7))
	im := &datasets.Images{
		Name: "gratings/" + part, N: n, H: gratingSize, W: gratingSize, C: 3, Synthetic: true,
		Classes: []string{"0°", "45°", "90°", "135°"},
		Norm:    datasets.Normalization{Mean: []float32{0.5, 0.5, 0.5}, Std: []float32{0.2, 0.2, 0.2}},
	}
	for range n {
		class, phase := r.IntN(len(im.Classes)), 2*math.Pi*r.Float64()
		angle := math.Pi / 4 * float64(class)
		for y := range gratingSize {
			for x := range gratingSize {
				wave := math.Sin(2*math.Pi/4*(math.Cos(angle)*float64(x)+math.Sin(angle)*float64(y)) + phase) // a period of 4 pixels
				v := uint8(min(max(255*(0.5+0.15*wave+0.1*r.NormFloat64()), 0), 255))
				im.Pixels = append(im.Pixels, v, v, v)
			}
		}
		im.Labels = append(im.Labels, int32(class))
	}
	return im
}

func gratingData() (recipes.Data, error) {
	return recipes.Data{Train: gratings(2000, 1, "train"), Valid: gratings(500, 2, "valid"), Test: gratings(2000, 3, "test")}, nil
}

// linearNet has no activation: a convolution, a stage of one strided convolution with the path beside it, the mean over space
// and the output. Without polynomials all of it is one linear function.
func linearNet(m Middle, classes int) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		x = layers.Conv(s.In("filters"), x, layers.ConvOptions{Filters: 8, Size: 5, NoBias: true}) // [B H W 8]
		y := layers.Conv(s.In("stage"), x, layers.ConvOptions{Filters: 16, Stride: 2})             // [B H/2 W/2 16]
		if m != NoPath {
			y = graph.Add(y, Path(s.In("rkan"), x, y, m, 1))
		}
		return layers.Dense(s.In("output"), layers.GlobalMeanPool(y), classes) // [B K]
	}
}
