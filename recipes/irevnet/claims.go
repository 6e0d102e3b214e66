package irevnet

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/layers/resnet"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

const invertible, ordinary = "i-RevNet", "ResNet"

// small has branches as wide as the stream that they add to: 831 thousand weights and 16.4 million multiply-adds. The residual
// network beside it, 78 thousand and 3.1 million, is there for what an ordinary network learns in these steps, not for its cost.
var small = Config{
	Blocks: []int{2, 2, 2}, Strides: []int{1, 2, 2}, Widths: []int{8, 32, 128}, Bottleneck: 1, Classes: 10, Size: 16, Channels: 3,
}

var smallFit = recipes.Fit{Epochs: 10, Batch: 32, LearningRate: 0.05, Augment: datasets.CropFlip(1), LogEvery: 20}

// probes is how many images of each part the neighbour test takes.
const probes = 500

var inverseClaim = recipes.Claim[Config]{
	Name:      "inverse",
	Statement: "Images come back from the last representation (60 dB), which tells classes apart as well (within 2 points) as that of an ordinary network with a fifth of the multiply-adds.",
	Arms: []recipes.Arm[Config]{
		{Name: invertible, Config: small},
		{Name: ordinary, Config: func() Config { c := small; c.Baseline = []int{16, 32, 64}; return c }()},
	},
	Budget: 10 * time.Minute,
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options, fit := recipes.ImageOptions{Size: c.Size, Train: 3000, Test: 2000, Seed: 1}, smallFit
		if t.Scale == recipes.PaperScale {
			c = Variants["cifar"]
			if t.Arm == ordinary {
				c.Baseline = []int{96, 192, 384}
			}
			options, fit = recipes.ImageOptions{Size: c.Size}, PaperFit
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		c.Classes, c.Channels = len(data.Train.Classes), data.Train.C
		return measure(ctx, t, c, fit, data.Train, data.Test)
	},
	Tests: []recipes.Test{
		{
			Name: "reconstruction", Statement: "peak signal to noise ratio of the images that come back, mean in dB", Unit: "dB", Threshold: 60,
			Value: func(v map[string]recipes.Values) float64 { return v[invertible]["PSNR"] },
		},
		{
			Name: "accuracy", Statement: "test error of the ordinary network minus that of the invertible one", Unit: "points", Threshold: -2,
			Value: func(v map[string]recipes.Values) float64 { return v[ordinary]["error"] - v[invertible]["error"] },
		},
		{
			Name: "separation", Statement: "accuracy of the nearest neighbour after the last block minus after the first, i-RevNet", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[invertible]["last"] - v[invertible]["first"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		values := []string{"error", "first", "last"}
		var series []fig.BarSeries
		for _, arm := range r.Arms {
			var runs [][]float64
			for _, value := range values {
				runs = append(runs, arm.Values[value].Seeds)
			}
			series = append(series, fig.SeedBars(arm.Name, runs))
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars([]string{"test error", "neighbours, first block", "neighbours, last block"}, series, fig.BarOptions{
				Title: "Invertible and ordinary", Label: "%", Format: "%.1f",
				Caption: fmt.Sprintf("test error, and accuracy of the nearest neighbour on the states; mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"separation": f}, err
	},
}

func measure(ctx context.Context, t *recipes.Trial, c Config, fit recipes.Fit, train, test *datasets.Images) (recipes.Values, error) {
	trainer, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	if err := trainer.Run(ctx, train, nil); err != nil {
		return nil, err
	}
	e, err := trainer.Evaluate(ctx, test)
	if err != nil {
		return nil, err
	}
	values := recipes.Values{"error": 100 * (1 - e.Accuracy)}
	taps := Taps(c)
	if len(c.Baseline) > 0 {
		for _, u := range (resnet.Config{Stages: []int{1, 1, 1}, Widths: c.Baseline, Classes: c.Classes}).Units() {
			taps = append(taps, u.Name())
		}
	}
	for name, tap := range map[string]string{"first": taps[0], "last": taps[len(taps)-1]} {
		known, err := trainer.Features(ctx, train.Slice(0, min(probes, train.N)), tap)
		if err != nil {
			return nil, err
		}
		asked, err := trainer.Features(ctx, test.Slice(0, min(probes, test.N)), tap)
		if err != nil {
			return nil, err
		}
		values[name] = 100 * neighbours(known, asked, train.Labels, test.Labels)
	}
	if len(c.Baseline) > 0 {
		return values, nil
	}
	values["PSNR"], err = reconstruct(t, c, trainer.Store(), test)
	return values, err
}

// neighbours is the share of the asked whose nearest known state, by Euclidean distance, has their label.
func neighbours(known, asked *tensors.Tensor, labels, truth []int32) float64 {
	n, m := known.Shape().Dimensions[0], asked.Shape().Dimensions[0]
	a, b := tensors.MustCopyFlatData[float32](known), tensors.MustCopyFlatData[float32](asked)
	d, hits := len(a)/n, 0
	for j := range m {
		best, nearest := float32(math.Inf(1)), 0
		y := b[j*d : (j+1)*d]
		for i := range n {
			var sum float32
			for k, v := range a[i*d : (i+1)*d] {
				sum += (v - y[k]) * (v - y[k])
			}
			if sum < best {
				best, nearest = sum, i
			}
		}
		if labels[nearest] == truth[j] {
			hits++
		}
	}
	return float64(hits) / float64(m)
}

// reconstruct runs a hundred images there and back, and gives the mean peak signal to noise ratio with the range of the pixels as peak.
func reconstruct(t *recipes.Trial, c Config, store *model.Store, images *datasets.Images) (float64, error) {
	n := min(100, images.N)
	x := images.Tensor(0, n)
	y, err := model.CallOnce(t.Backend, store, Representation(c), x)
	if err != nil {
		return 0, err
	}
	back, err := model.CallOnce(t.Backend, store, Inverse(c), y)
	if err != nil {
		return 0, err
	}
	in, out := tensors.MustCopyFlatData[float32](x), tensors.MustCopyFlatData[float32](back)
	d, sum := len(in)/n, 0.0
	for i := range n {
		var wrong float64
		for k := i * d; k < (i+1)*d; k++ {
			wrong += math.Pow(float64(in[k]-out[k])*deviation(images, k%images.C), 2)
		}
		sum += -10 * math.Log10(max(wrong/float64(d), 1e-30)) / float64(n) // in units of the range, 1
	}
	if t.Pictures() {
		shown := min(8, n)
		of := func(v []float32) []fig.Image {
			return fig.FromBytes(images.Norm.Pixels(v[:shown*d], images.C), shown, images.H, images.W, images.C)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Grid(append(of(in), of(out)...), fig.GridOptions{
				Columns: shown, Title: "There and back", Caption: fmt.Sprintf("above test images, below what comes back from the last state; %.0f dB on average", sum),
			})
		})
		if err != nil {
			return 0, err
		}
		if err := t.Figure("inverse", f); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// deviation turns network inputs of a channel back to the range of pixels, 0 to 1.
func deviation(images *datasets.Images, channel int) float64 {
	if images.Norm.Std == nil {
		return 1
	}
	return float64(images.Norm.Std[channel])
}
