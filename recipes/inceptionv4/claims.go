package inceptionv4

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small has blocks of Inception-ResNet-v1 on grids of 7×7 and 3×3 and an eighth of its filters.
func small(shortcut bool, width, scale float64) Config {
	return Config{
		Family: ResNetV1, Blocks: [3]int{0, 5, 3}, Scales: [3]float64{scale, scale, scale}, NoShortcut: !shortcut,
		SmallStem: true, Width: width, Classes: 10, Size: 16, Channels: 3,
	}
}

// wide has more than 1000 filters before the last pooling, where the paper saw networks die, and few blocks.
func wide(scale float64) Config {
	c := small(true, 0.65, scale)
	c.Blocks = [3]int{0, 2, 3}
	return c
}

// wideSteps of batches of wideBatch are what the claim of scaling trains for.
const wideSteps, wideBatch = 60, 16

// smallFit is the usual training of small networks, the same for both arms.
var smallFit = recipes.Fit{Epochs: 6, Batch: 32, LearningRate: 0.05, LogEvery: pointSteps}

// The training loss is read as means of pointSteps steps; levelPoint is the number of means in the third epoch's end.
const (
	pointSteps = 14
	perEpoch   = 8 // of 3600 images in batches of 32
	levelPoint = 3 * perEpoch
	points     = 6 * perEpoch
)

var speedClaim = recipes.Claim[Config]{
	Name: "speed",
	Statement: "With shortcuts the training loss that Inception blocks without them have after 3 epochs is reached in 0.75 of the steps, " +
		"and the final test accuracy differs by no more than 1.5 points or is better.",
	Arms:   []recipes.Arm[Config]{{Name: "plain", Config: small(false, 0.125, 1)}, {Name: "residual", Config: small(true, 0.125, 0.17)}},
	Budget: 10 * time.Minute,
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		data, c, fit, err := setUp(ctx, t, c)
		if err != nil {
			return nil, err
		}
		trainer, err := t.Trainer(Model(c), fit)
		if err != nil {
			return nil, err
		}
		if err := trainer.Run(ctx, data.Train, nil); err != nil {
			return nil, err
		}
		test, err := trainer.Evaluate(ctx, data.Test)
		if err != nil {
			return nil, err
		}
		values := recipes.Values{"accuracy": 100 * test.Accuracy}
		history := trainer.History()
		for i := range points { // at paper scale too there are as many, further apart
			values[lossName(i)] = history[(i+1)*len(history)/points-1].Loss
		}
		return values, nil
	},
	Tests: []recipes.Test{
		{
			Name: "steps", Statement: "steps with shortcuts to the loss without them after half of the training, over those without", Unit: "×",
			Threshold: 0.75, AtMost: true, Value: func(v map[string]recipes.Values) float64 { return fraction(v["plain"], v["residual"]) },
		},
		{
			Name: "accuracy", Statement: "what shortcuts add to the test accuracy", Unit: "points", Threshold: -1.5,
			Value: func(v map[string]recipes.Values) float64 { return v["residual"]["accuracy"] - v["plain"]["accuracy"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var series []fig.Series
		for _, arm := range r.Arms {
			runs := make([][]float64, len(r.Seeds))
			var epochs []float64
			for i := range points {
				epochs = append(epochs, float64(i+1)/perEpoch)
				for j, v := range arm.Values[lossName(i)].Seeds {
					runs[j] = append(runs[j], v)
				}
			}
			series = append(series, fig.SeedSeries(arm.Name, epochs, runs))
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Curves(fig.CurveOptions{Title: "With and without shortcuts", XLabel: "epoch", YLabel: "training loss"}, series...)
		})
		return map[string]recipes.Figure{"loss": f}, err
	},
}

func lossName(i int) string { return fmt.Sprintf("loss %02d", i+1) }

// fraction is the place of the first mean of the one arm's loss that is at the other's level, over the level's place. An arm that
// never gets there counts as if it did at the end.
func fraction(plain, residual recipes.Values) float64 {
	level := plain[lossName(levelPoint-1)]
	for i := range points {
		if residual[lossName(i)] <= level {
			return float64(i+1) / levelPoint
		}
	}
	return float64(points) / levelPoint
}

var scaleClaim = recipes.Claim[Config]{
	Name: "scale",
	Statement: "With residuals scaled by 1 a network of more than 1000 filters dies: 9 of 10 values before the last pooling are zero after 60 steps; " +
		"scaled by 0.1 no more than 7 of 10 are.",
	Arms:   []recipes.Arm[Config]{{Name: "scale 1", Config: wide(1)}, {Name: "scale 0.1", Config: wide(0.1)}},
	Budget: 10 * time.Minute,
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		data, c, fit, err := setUp(ctx, t, c)
		if err != nil {
			return nil, err
		}
		if t.Scale != recipes.PaperScale {
			fit.Epochs, fit.Steps, fit.Batch = 0, wideSteps, wideBatch
		}
		trainer, err := t.Trainer(Model(c), fit)
		if err != nil {
			return nil, err
		}
		if err := trainer.Run(ctx, data.Train, nil); err != nil {
			return nil, err
		}
		taps := Taps(c)
		last, err := trainer.Features(ctx, data.Valid.Slice(0, min(256, data.Valid.N)), taps[len(taps)-1])
		if err != nil {
			return nil, err
		}
		zeros, silent := quiet(last)
		loss, _ := trainer.History().Last("train")
		return recipes.Values{"zeros": 100 * zeros, "silent filters": 100 * silent, "activation": rms(last), "loss": loss.Loss}, nil
	},
	Tests: []recipes.Test{
		{
			Name: "dead", Statement: "zeros in the last block's output with scale 1", Unit: "%", Threshold: 90,
			Value: func(v map[string]recipes.Values) float64 { return v["scale 1"]["zeros"] },
		},
		{
			Name: "alive", Statement: "the same with scale 0.1", Unit: "%", Threshold: 70, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 { return v["scale 0.1"]["zeros"] },
		},
		{
			Name: "silent", Statement: "filters that are zero everywhere in all images with scale 1", Unit: "%", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v["scale 1"]["silent filters"] },
		},
		{
			Name: "activation", Statement: "root mean square of the last block's output with scale 1 over that with 0.1", Unit: "×", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v["scale 1"]["activation"] / v["scale 0.1"]["activation"]
			},
		},
		{
			Name: "loss", Statement: "training loss with scale 1 minus that with 0.1", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v["scale 1"]["loss"] - v["scale 0.1"]["loss"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var names []string
		var zeros, silent [][]float64
		for _, arm := range r.Arms {
			names = append(names, arm.Name)
			zeros, silent = append(zeros, arm.Values["zeros"].Seeds), append(silent, arm.Values["silent filters"].Seeds)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(names, []fig.BarSeries{fig.SeedBars("zeros", zeros), fig.SeedBars("silent filters", silent)}, fig.BarOptions{
				Title: "What is zero before the last pooling", Label: "share (%)", Format: "%.0f",
				Caption: fmt.Sprintf("after %d steps; mean of %d seeds ± 2 standard errors", wideSteps, len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"activation": f}, err
	},
}

// quiet gives the share of zeros in feature maps [B H W C], and the share of channels that are zero everywhere.
func quiet(x *tensors.Tensor) (zeros, silent float64) {
	values, dims := tensors.MustCopyFlatData[float32](x), x.Shape().Dimensions
	heard := make([]bool, dims[len(dims)-1])
	for i, v := range values {
		if v == 0 {
			zeros++
		} else {
			heard[i%len(heard)] = true
		}
	}
	for _, h := range heard {
		if !h {
			silent++
		}
	}
	return zeros / float64(len(values)), silent / float64(len(heard))
}

// rms is the root of the mean of squares.
func rms(x *tensors.Tensor) float64 {
	sum, values := 0.0, tensors.MustCopyFlatData[float32](x)
	for _, v := range values {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(values)))
}

// setUp opens the images; at paper scale they are those that the user names, and the network is the paper's Inception-ResNet-v1 with the arm's
// shortcuts and scale.
func setUp(ctx context.Context, t *recipes.Trial, c Config) (recipes.Data, Config, recipes.Fit, error) {
	fit, options := smallFit, recipes.ImageOptions{Train: 4000, Test: 2000}
	if t.Scale == recipes.PaperScale {
		arm := c
		c, fit, options = Variants["resnet-v1"], paperFit, recipes.ImageOptions{}
		c.NoShortcut, c.Scales = arm.NoShortcut, arm.Scales
	}
	options.Size, options.Seed = c.Size, 1
	data, err := t.Images(ctx, options)
	if err == nil {
		c.Classes, c.Channels = len(data.Train.Classes), data.Train.C
	}
	return data, c, fit, err
}
