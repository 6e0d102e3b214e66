package selfexpanding

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers/optim"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

const byScore, initial = "by score", "initial size"

// small begins with 3 blocks of 8 channels. Its budget was chosen on validation images with one seed: at a quarter of it the score only adds
// layers, for a third of the gain.
func small(step int) Config {
	return Config{
		Blocks: blocks(8, 1), Mixed: 32, Slope: 0.01, Classes: 10, Channels: 3, Size: 16,
		Growth: Growth{Step: step, Tau: 0, MaxDepth: 4, Budget: 10_000, Images: 64, Deviation: 1e-4},
	}
}

// smallStages are the epochs between the times to grow. All arms train in these stages, each with a fresh optimiser. Most come behind the
// last growth, as in the paper, whose networks are full-grown long before their 300 epochs are over.
var smallStages = []int{2, 2, 2, 8}

// A schedule of growth at each scale.
type schedule struct {
	stages  []int
	fit     recipes.Fit
	options recipes.ImageOptions
}

func scheduleFor(scale recipes.Scale) schedule {
	s := schedule{
		stages: smallStages, fit: recipes.Fit{Batch: 64, LogEvery: 25, Augment: datasets.Flip()},
		options: recipes.ImageOptions{Size: 16, Train: 4000, Test: 2000, Seed: 1},
	}
	if scale == recipes.PaperScale { // every tenth epoch of 300 is a time to grow: the cooldown
		s = schedule{fit: paperFit, options: recipes.ImageOptions{Seed: 1}}
		for range 30 {
			s.stages = append(s.stages, 10)
		}
	}
	return s
}

// of is how a stage is trained: at a constant rate, and in the last one down to zero.
func (s schedule) of(stage int) recipes.Fit {
	fit := s.fit
	fit.Epochs = s.stages[stage]
	fit.Optimizer = func(steps int) optimizer.Interface {
		if stage == len(s.stages)-1 {
			return optim.AdamW{LearningRate: optim.Cosine{Initial: 2e-3, Steps: steps}}
		}
		return optim.AdamW{LearningRate: optim.Constant(2e-3)}
	}
	return fit
}

// A moment is what was measured after an epoch.
type moment struct {
	epoch, parameters int
	accuracy          float64 // of validation images, in percent
}

// programs keeps what the trials of an arm compile, since their seeds often grow the same networks.
type programs struct {
	trial    *recipes.Trial // under way
	scorer   *Scorer
	trainers map[string]*recipes.Trainer
}

// mostTrainers bounds the memory of long growth.
const mostTrainers = 16

// programsOf are those of the trial's arm.
func programsOf(t *recipes.Trial) *programs {
	p := recipes.Keep(t, "programs", func() *programs {
		return &programs{scorer: NewScorer(t.Backend), trainers: map[string]*recipes.Trainer{}}
	})
	p.trial = t
	return p
}

// Close frees the programs.
func (p *programs) Close() {
	p.scorer.Close()
	p.forgetTrainers()
}

func (p *programs) forgetTrainers() {
	for _, t := range p.trainers {
		t.Close()
	}
	clear(p.trainers)
}

// trainer gives one for a stage of a schedule, with fresh weights.
func (p *programs) trainer(c Config, s schedule, stage int, seed int64) (*recipes.Trainer, error) {
	fit := s.of(stage)
	c.Growth = Growth{} // it has no part in the network
	key := fmt.Sprintf("%+v, %d epochs, last: %v", c, fit.Epochs, stage == len(s.stages)-1)
	if t, ok := p.trainers[key]; ok {
		return t, t.Reset(seed)
	}
	if len(p.trainers) >= mostTrainers {
		p.forgetTrainers()
	}
	fit.Seed, fit.Log = seed, p.trial.Log
	fit.Progress = func(done, total int, note string) { p.trial.Progress(done, total, note) }
	t, err := recipes.NewTrainer(p.trial.Backend, Model(c), fit)
	if err == nil {
		p.trainers[key] = t
	}
	return t, err
}

// train goes through the stages; before each but the first, next may grow the network. It returns the network as it ended, its
// trainer, which is that until the next call, and the course of the training.
func (p *programs) train(ctx context.Context, s schedule, c Config, data recipes.Data, next func(c Config, w Weights) (Config, Weights, error)) (Config, *recipes.Trainer, []moment, error) {
	var trainer *recipes.Trainer
	var course []moment
	epoch := 0
	for stage := range s.stages {
		var weights Weights
		var err error
		if trainer != nil {
			if weights, err = WeightsOf(trainer); err != nil {
				return c, nil, nil, err
			}
			if next != nil {
				if c, weights, err = next(c, weights); err != nil {
					return c, nil, nil, err
				}
			}
		}
		if trainer, err = p.trainer(c, s, stage, p.trial.Seed+100*int64(stage)); err != nil { // another order in each stage
			return c, nil, nil, err
		}
		if err := weights.Load(trainer.Store()); err != nil {
			return c, nil, nil, err
		}
		if err := trainer.Run(ctx, data.Train, data.Valid); err != nil {
			return c, nil, nil, err
		}
		for _, point := range trainer.History().Split("eval") {
			epoch++
			course = append(course, moment{epoch, c.Parameters(), 100 * point.Accuracy})
		}
	}
	return c, trainer, course, nil
}

var growthClaim = recipes.Claim[Config]{
	Name:      "growth",
	Statement: "A network that grows by the score ends 3 points above its initial size and within 2 points of its final size trained from scratch.",
	Arms:      []recipes.Arm[Config]{{Name: initial, Config: small(8)}, {Name: byScore, Config: small(8)}},
	// The distance to the final size from scratch scatters by a point from seed to seed.
	Seeds: 4, Budget: 15 * time.Minute,
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		s := scheduleFor(t.Scale)
		if t.Scale == recipes.PaperScale {
			c = Variants["initial"]
		}
		data, err := t.Images(ctx, s.options)
		if err != nil {
			return nil, err
		}
		c.Classes = len(data.Train.Classes)
		p := programsOf(t)
		grown, values, course, err := p.arm(ctx, s, c, data)
		if err != nil {
			return nil, err
		}
		values["largest drop"] = largestDrop(course)
		if t.Arm == byScore { // what it became, from scratch and without growth
			_, trainer, _, err := p.train(ctx, s, grown, data, nil)
			if err != nil {
				return nil, err
			}
			test, err := trainer.Evaluate(ctx, data.Test)
			if err != nil {
				return nil, err
			}
			values["from scratch"] = 100 * test.Accuracy
			if t.Pictures() {
				return values, t.Figure("course", drawCourse(course))
			}
		}
		return values, nil
	},
	Tests: []recipes.Test{
		{
			Name: "initial", Statement: "what growth by the score gains on the initial size", Unit: "points", Threshold: 3,
			Value: func(v map[string]recipes.Values) float64 { return v[byScore]["accuracy"] - v[initial]["accuracy"] },
		},
		{
			Name: "from scratch", Statement: "what growth by the score gains on the final size from scratch", Unit: "points", Threshold: -2,
			Value: func(v map[string]recipes.Values) float64 { return v[byScore]["accuracy"] - v[byScore]["from scratch"] },
		},
		{
			Name: "drop", Statement: "largest loss of validation accuracy in the epoch after an expansion by the score", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[byScore]["largest drop"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		f, err := fig.Maybe(func() *fig.Figure {
			var clouds []fig.Cloud
			for _, arm := range r.Arms {
				clouds = append(clouds, fig.Cloud{Name: arm.Name, X: arm.Values["parameters"].Seeds, Y: arm.Values["accuracy"].Seeds})
				if scratch, ok := arm.Values["from scratch"]; ok {
					clouds = append(clouds, fig.Cloud{Name: "final size from scratch", X: arm.Values["parameters"].Seeds, Y: scratch.Seeds})
				}
			}
			return fig.Scatter(fig.ScatterOptions{
				Title: "Test accuracy and size at the end", XLabel: "parameters", YLabel: "test accuracy (%)", Caption: fmt.Sprintf("a dot for each of %d seeds", len(r.Seeds)),
			}, clouds...)
		})
		return map[string]recipes.Figure{"size": f}, err
	},
}

// arm trains one arm and measures it on the test images.
func (p *programs) arm(ctx context.Context, s schedule, c Config, data recipes.Data) (Config, recipes.Values, []moment, error) {
	t := p.trial
	r := rand.New(rand.NewPCG(uint64(t.Seed), 0x5e))
	var next func(c Config, w Weights) (Config, Weights, error)
	if t.Arm == byScore {
		next = func(c Config, w Weights) (Config, Weights, error) {
			choice, err := p.scorer.Choose(ctx, c, w, data.Train.Slice(0, min(c.Growth.Images, data.Train.N)), r)
			if err != nil {
				return c, w, err
			}
			fmt.Fprintf(t.Log, "%d parameters: %s would have %.2f times the score\n", c.Parameters(), choice.Expansion, choice.Ratio)
			if choice.Ratio > c.Growth.Tau {
				c, w = Grow(c, w, choice.Expansion, r)
			}
			return c, w, nil
		}
	}
	grown, trainer, course, err := p.train(ctx, s, c, data, next)
	if err != nil {
		return c, nil, nil, err
	}
	test, err := trainer.Evaluate(ctx, data.Test)
	return grown, recipes.Values{"accuracy": 100 * test.Accuracy, "parameters": float64(grown.Parameters())}, course, err
}

// largestDrop is the most that validation accuracy lost in an epoch that began with an expansion.
func largestDrop(course []moment) (drop float64) {
	for i := 1; i < len(course); i++ {
		if course[i].parameters != course[i-1].parameters {
			drop = max(drop, course[i-1].accuracy-course[i].accuracy)
		}
	}
	return drop
}

// drawCourse shows accuracy and size over the epochs, with a line at each expansion.
func drawCourse(course []moment) *fig.Figure {
	var epochs, accuracy, thousands, expansions []float64
	for i, m := range course {
		epochs, accuracy, thousands = append(epochs, float64(m.epoch)), append(accuracy, m.accuracy), append(thousands, float64(m.parameters)/1000)
		if i > 0 && m.parameters != course[i-1].parameters {
			expansions = append(expansions, float64(m.epoch)-0.5)
		}
	}
	o := fig.CurveOptions{Title: "Growth by the score", XLabel: "epoch", YLabel: "validation accuracy (%)", VerticalLines: expansions, Height: 200}
	size := fig.CurveOptions{XLabel: "epoch", YLabel: "thousand parameters", Caption: "one seed; lines: expansions", VerticalLines: expansions, Height: 200}
	return fig.Column(
		fig.Curves(o, fig.Series{Name: "accuracy", X: epochs, Y: accuracy}),
		fig.Curves(size, fig.Series{Name: "parameters", X: epochs, Y: thousands}))
}
