package recipetest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/recipes"
)

// easyImages are noise whose brightness, in bands of rows, tells the class: any network that learns at all learns them.
func easyImages(n int, shape []int, classes int) *datasets.Images {
	h, w, c := shape[0], shape[1], shape[2]
	im := &datasets.Images{Name: "easy", N: n, H: h, W: w, C: c, Synthetic: true}
	for k := range classes {
		im.Classes = append(im.Classes, fmt.Sprint(k))
	}
	// What is centred trains well at any depth.
	for range c {
		im.Norm.Mean = append(im.Norm.Mean, 0.4)
		im.Norm.Std = append(im.Norm.Std, 0.25)
	}
	r := rand.New(rand.NewPCG(7, 7))
	for i := range n {
		label := i % classes
		im.Labels = append(im.Labels, int32(label))
		for y := range h {
			bright := y*classes/h == label
			for range w * c {
				v := 60 + r.IntN(60)
				if bright {
					v += 120
				}
				im.Pixels = append(im.Pixels, uint8(v))
			}
		}
	}
	return im
}

// noise is a batch of normal values.
func noise(batch int, shape []int) *tensors.Tensor {
	r := rand.New(rand.NewPCG(11, 13))
	dims := append([]int{batch}, shape...)
	n := 1
	for _, d := range dims {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(x, dims...)
}

func newStore() (*model.Store, error) {
	store := model.NewStore()
	return store, store.SetRNGStateFromSeed(1)
}

func forward(b compute.Backend, store *model.Store, network recipes.Network, x *tensors.Tensor) ([]float32, error) {
	if err := initialize(b, store, x, func(s *model.Scope, x *graph.Node) { network(s, x) }); err != nil {
		return nil, err
	}
	exec, err := model.NewExec(b, store, func(s *model.Scope, x *graph.Node) *graph.Node { return network(s, x) })
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	y, err := exec.Call(x)
	if err != nil {
		return nil, err
	}
	return tensors.CopyFlatData[float32](y[0])
}

// initialize makes the variables that a program has, which running it would do, too, but with a compilation of its own.
func initialize(b compute.Backend, store *model.Store, x *tensors.Tensor, program func(s *model.Scope, x *graph.Node)) error {
	g := graph.NewGraph(b, "variables")
	defer g.Finalize()
	model.SetStore(g, store)
	if err := catch(func() { program(store.RootScope(), graph.Parameter(g, "x", x.Shape())) }); err != nil {
		return err
	}
	return recipes.Initialize(store)
}

// distance is the largest difference, infinite for lists of different lengths.
func distance(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

// catch turns the panics of building a graph into errors.
func catch(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(error)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	f()
	return nil
}
