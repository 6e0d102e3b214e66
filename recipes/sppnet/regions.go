package sppnet

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// detector is the network of the claim about regions: a body whose cost stands to that of pooling more as a real one's.
func detector() Config {
	c := small(64)
	c.Convs = []Conv{
		{Filters: 32, Size: 3, Stride: 1, Pad: 1, Pool: 2, PoolStride: 2}, {Filters: 64, Size: 3, Stride: 1, Pad: 1, Pool: 2, PoolStride: 2},
		{Filters: 64, Size: 3, Stride: 1, Pad: 1, Pool: 2, PoolStride: 2},
	}
	return c
}

// regionCounts are how many regions of an image are timed.
var regionCounts = []int{4, 16, 64}

var regionsClaim = recipes.Claim[Config]{
	Name: "regions",
	Statement: "The features of 64 regions of an image cost at least 10 times less from one feature map than from a forward pass for each region, " +
		"warped to the image's size.",
	Arms: []recipes.Arm[Config]{{Name: "one map", Config: detector()}},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options := recipes.ImageOptions{Sets: []string{"shapes"}, Size: c.Sizes[0], Train: 100, Test: 100, Seed: 2}
		if t.Scale == recipes.PaperScale {
			c = Variants["zf5-spp50"]
			options = recipes.ImageOptions{Size: c.Sizes[0], Test: 100, Seed: 2}
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		trainer, err := t.Trainer(Model(c), recipes.Fit{})
		if err != nil {
			return nil, err
		}
		image := data.Test.Slice(int(t.Seed)%data.Test.N, int(t.Seed)%data.Test.N+1)
		if _, err := trainer.Output(ctx, image); err != nil { // makes the weights
			return nil, err
		}
		values := recipes.Values{}
		for _, n := range regionCounts {
			r, err := compareRegions(t, c, trainer.Store(), image, n)
			if err != nil {
				return nil, err
			}
			values[fmt.Sprintf("map %d", n)], values[fmt.Sprintf("crops %d", n)] = r.onMap, r.onCrops
			values["distance"] = r.distance
		}
		return values, nil
	},
	Tests: []recipes.Test{
		{
			Name: "time", Statement: "time of 64 forward passes over that of one map with 64 pooled regions", Unit: "×", Threshold: 10,
			Value: func(v map[string]recipes.Values) float64 {
				return v["one map"]["crops 64"] / v["one map"]["map 64"]
			},
		},
		{
			Name: "distance", Statement: "mean cosine distance of the two kinds of features, weights untrained", Unit: "", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v["one map"]["distance"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		f, err := fig.Maybe(func() *fig.Figure {
			var series []fig.Series
			for _, kind := range []string{"map", "crops"} {
				var x []float64
				runs := make([][]float64, len(r.Seeds))
				for _, n := range regionCounts {
					x = append(x, float64(n))
					for i, v := range r.Arms[0].Values[fmt.Sprintf("%s %d", kind, n)].Seeds {
						runs[i] = append(runs[i], v)
					}
				}
				s := fig.SeedSeries(map[string]string{"map": "regions of one map", "crops": "a forward pass each"}[kind], x, runs)
				s.Points = true
				series = append(series, s)
			}
			return fig.Curves(fig.CurveOptions{
				Title: "Time for the features of an image's regions", XLabel: "regions", YLabel: "milliseconds", LogX: true, LogY: true,
				Caption: "warping the crops is not counted",
			}, series...)
		})
		return map[string]recipes.Figure{"regions": f}, err
	},
}

type comparison struct {
	onMap, onCrops float64 // median milliseconds
	distance       float64 // mean over the regions
}

// compareRegions times both ways to the features of n random regions of an image, a quarter of its side and more.
func compareRegions(t *recipes.Trial, c Config, store *model.Store, image *datasets.Images, n int) (comparison, error) {
	size, stride := image.H, c.Stride()
	r := rand.New(rand.NewPCG(uint64(t.Seed), 0x5bb))
	crops := *image
	crops.N, crops.Pixels, crops.Labels, crops.Masks, crops.Boxes = n, nil, make([]int32, n), nil, nil
	var cells []int32
	for range n {
		var window [4]int // rows, columns
		for axis := range 2 {
			side := size/4 + r.IntN(size*3/4+1)
			window[2*axis] = r.IntN(size - side + 1)
			window[2*axis+1] = window[2*axis] + side
			// With even pooling a cell covers stride pixels, and its middle is the middle of them.
			first, end := Project(window[2*axis], window[2*axis+1], stride, float64(stride-1)/2, size/stride)
			cells = append(cells, int32(first), int32(end))
		}
		crops.Pixels = append(crops.Pixels, warp(image.PixelsAt(0), image.W, image.C, window, size)...)
	}
	shared, err := model.NewExec(t.Backend, store, func(s *model.Scope, x, regions *graph.Node) []*graph.Node {
		return []*graph.Node{RegionPyramid(Features(s, x, c), regions, c.Levels)}
	})
	if err != nil {
		return comparison{}, err
	}
	defer shared.Finalize()
	each, err := model.NewExec(t.Backend, store, func(s *model.Scope, x *graph.Node) []*graph.Node {
		return []*graph.Node{SpatialPyramid(Features(s, x, c), c.Levels)}
	})
	if err != nil {
		return comparison{}, err
	}
	defer each.Finalize()
	x, regions, windows := image.Tensor(0, 1), tensors.FromFlatDataAndDimensions(cells, n, 4), crops.Tensor(0, n)
	var onMap, onCrops []float64
	var a, b []float32
	for round := range 13 {
		start := time.Now()
		if a, err = call(shared, x, regions); err != nil {
			return comparison{}, err
		}
		middle := time.Now()
		if b, err = call(each, windows); err != nil {
			return comparison{}, err
		}
		if round > 1 { // the first compile
			onMap = append(onMap, middle.Sub(start).Seconds()*1000)
			onCrops = append(onCrops, time.Since(middle).Seconds()*1000)
		}
	}
	slices.Sort(onMap)
	slices.Sort(onCrops)
	return comparison{onMap[len(onMap)/2], onCrops[len(onCrops)/2], cosineDistance(a, b, n)}, nil
}

// call runs a program to its end: its output is read.
func call(exec *model.Exec, inputs ...any) ([]float32, error) {
	out, err := exec.Call(inputs...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out[0].FinalizeAll() }()
	return tensors.CopyFlatData[float32](out[0])
}

// cosineDistance is the mean of 1 − cos over n rows.
func cosineDistance(a, b []float32, n int) float64 {
	var sum float64
	width := len(a) / n
	for i := range n {
		var ab, aa, bb float64
		for j := i * width; j < (i+1)*width; j++ {
			x, y := float64(a[j]), float64(b[j])
			ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		}
		sum += 1 - ab/math.Sqrt(aa*bb)
	}
	return sum / float64(n)
}
