package transferable

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/layers/optim"
	"fovea/recipes"
)

const smallSize = 16

// small has six convolutions in pairs on maps of 16, 8 and 4.
var small = Config{
	Convs: []Conv{
		{Filters: 12, Size: 3}, {Filters: 12, Size: 3, Pool: 2}, {Filters: 24, Size: 3}, {Filters: 24, Size: 3, Pool: 2},
		{Filters: 48, Size: 3}, {Filters: 48, Size: 3, Pool: 2},
	},
	Classes: taskClasses, Size: smallSize,
}

// smallFit trains every network, base or target. From scratch twice the rate does better; the gain of fine-tuned layers depends on that, and is reported only.
var smallFit = recipes.Fit{
	Steps: 200, Batch: 32, LogEvery: 25,
	Optimizer: func(steps int) optimizer.Interface {
		return optim.AdamW{LearningRate: optim.Cosine{Initial: 3e-3, Steps: steps}}
	},
}

// firstTest is the number of the first test image; training images have numbers from 0 on.
const firstTest = 1 << 40

// The networks that layers are carried over from.
const (
	fromSelf   = "itself" // BnB
	fromNear   = "near"   // AnB
	fromFar    = "far"    // AnB, distant tasks
	fromRandom = "random" // weights that were never trained
)

func frozenName(n int) string { return fmt.Sprintf("n=%d", n) }
func tunedName(n int) string  { return fmt.Sprintf("n=%d+", n) }

var transferClaim = recipes.Claim[Config]{
	Name: "transfer",
	Statement: "Carried over from a distant task and frozen, six layers are 5 points worse than two; the loss from two to six is 3 points larger than with layers from a near task; and " +
		"layers of a distant task beat random ones by 5 points.",
	Arms: []recipes.Arm[Config]{{Name: fromSelf, Config: small}, {Name: fromNear, Config: small}, {Name: fromFar, Config: small}, {Name: fromRandom, Config: small}},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		return measure(ctx, t, c, smallFit, smallCounts, firstTest)
	},
	Tests: []recipes.Test{
		{
			Name: "specific", Statement: "what six frozen layers of a distant task lose on two", Unit: "points", Threshold: 5,
			Value: func(v map[string]recipes.Values) float64 { return lost(v[fromFar]) },
		},
		{
			Name: "distance", Statement: "how much larger this loss is than with layers of a near task", Unit: "points", Threshold: 3,
			Value: func(v map[string]recipes.Values) float64 { return lost(v[fromFar]) - lost(v[fromNear]) },
		},
		{
			Name: "random", Statement: "what frozen layers of a distant task gain on random ones, mean over n", Unit: "points", Threshold: 5,
			Value: func(v map[string]recipes.Values) float64 { return meanFrozen(v[fromFar]) - meanFrozen(v[fromRandom]) },
		},
		{
			Name: "fine-tuned", Statement: "what six fine-tuned layers of a near task gain on training from scratch", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v[fromNear][tunedName(6)] - v[fromSelf][frozenName(0)]
			},
		},
		{
			Name: "near", Statement: "what six frozen layers of a near task lose on two", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return lost(v[fromNear]) },
		},
		{
			Name: "co-adaptation", Statement: "what the network loses when its own first four layers are frozen and the others begin anew", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v[fromSelf][frozenName(0)] - v[fromSelf][frozenName(4)]
			},
		},
	},
	Figures: figures,
}

var depths = []int{2, 4, 6}

func lost(v recipes.Values) float64 { return v[frozenName(2)] - v[frozenName(6)] }

func meanFrozen(v recipes.Values) (mean float64) {
	for _, n := range depths {
		mean += v[frozenName(n)] / float64(len(depths))
	}
	return mean
}

// measure trains the base network of an arm, carries its layers over at each depth, and trains for B: with the layers frozen and, those of a near task,
// fine-tuned. Values are test accuracies on B in percent.
func measure(ctx context.Context, t *recipes.Trial, c Config, fit recipes.Fit, n counts, first int) (recipes.Values, error) {
	var a, b recipes.Data
	var err error
	at := depths
	if t.Scale == recipes.PaperScale {
		c, fit, at = Variants["half"], PaperFit, []int{1, 2, 3, 4, 5, 6, 7}
		if a, b, err = openTasks(ctx, t, c.Size, t.Arm == fromFar); err != nil {
			return nil, err
		}
		c.Classes = len(b.Train.Classes)
	} else {
		all, err := drawTasks(t, n, first)
		if err != nil {
			return nil, err
		}
		a, b = all.near, all.target
		if t.Arm == fromFar {
			a = all.far
		}
	}
	if t.Arm == fromSelf {
		a = b
	}
	free, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	values := recipes.Values{}
	// Every training has a seed of its own, so that no fresh layer begins where the base network's did.
	seed := func(training int) int64 { return 1000*t.Seed + int64(training) }
	shown := b.Test.Slice(0, min(128, b.Test.N))
	if err := Carry(ctx, free, c, nil, 0, seed(0), shown); err != nil {
		return nil, err
	}
	if t.Arm != fromRandom {
		if err := free.Run(ctx, a.Train, nil); err != nil {
			return nil, err
		}
		own, err := free.Evaluate(ctx, a.Test)
		if err != nil {
			return nil, err
		}
		values["own task"] = 100 * own.Accuracy
		if t.Arm == fromSelf {
			values[frozenName(0)] = values["own task"]
		}
	}
	base, err := Snapshot(free)
	if err != nil {
		return nil, err
	}
	target := func(trainer *recipes.Trainer, depth, training int) (float64, error) {
		if err := Carry(ctx, trainer, c, base, depth, seed(training), shown); err != nil {
			return 0, err
		}
		if err := trainer.Run(ctx, b.Train, nil); err != nil {
			return 0, err
		}
		e, err := trainer.Evaluate(ctx, b.Test)
		return 100 * e.Accuracy, err
	}
	for i, depth := range at {
		frozen, err := t.Trainer(Model(c), Frozen(fit, c, depth))
		if err != nil {
			return nil, err
		}
		if values[frozenName(depth)], err = target(frozen, depth, 1+2*i); err != nil {
			return nil, err
		}
		if t.Arm == fromNear || t.Arm == fromSelf && t.Scale == recipes.PaperScale {
			if values[tunedName(depth)], err = target(free, depth, 2+2*i); err != nil {
				return nil, err
			}
		}
	}
	return values, pictures(t, a, b)
}
