package foveated

import (
	"context"
	"fmt"
	"slices"

	"fovea/layers/resnet"
	"fovea/recipes"
)

// small has three residual units on maps of 32, 16 and 8 for views of 32 of images of 64; the grid's innermost circle has a radius of 1.5 pixels.
func small(polar, wrap bool) Config {
	return Config{
		Network: resnet.Config{Stages: []int{1, 1, 1}, Widths: []int{8, 16, 32}, Classes: len(classes)},
		Size:    64, View: 32, Polar: polar, Inner: 1.5, Wrap: wrap,
	}
}

// smallFit is the same for all arms.
var smallFit = recipes.Fit{Steps: 250, Batch: 32, LearningRate: 0.05, LogEvery: 25}

var (
	angles = []float64{0, 15, 30, 45, 60, 90, 120, 150, 180}
	zooms  = []float64{0.5, 0.7, 1, 1.4, 2}
	shifts = []float64{0, 0.0625, 0.125, 0.1875, 0.25} // of the image's width
)

func angleName(a float64) string { return fmt.Sprintf("turned %g°", a) }
func zoomName(z float64) string  { return fmt.Sprintf("zoomed %g×", z) }
func shiftName(s float64) string { return fmt.Sprintf("shifted %g %%", 100*s) }

// poses lists what the test images go through, with the names that their accuracies get.
func poses(size int) (all []Pose, names []string) {
	for _, a := range angles {
		all, names = append(all, Pose{Turn: a, Zoom: 1}), append(names, angleName(a))
	}
	for _, z := range zooms {
		all, names = append(all, Pose{Zoom: z}), append(names, zoomName(z))
	}
	for _, s := range shifts {
		all, names = append(all, Pose{Zoom: 1, DX: s * float64(size)}), append(names, shiftName(s))
	}
	return all, names
}

// counts say how many images a measurement takes.
type counts struct{ train, test, scenes, grid int }

var smallCounts = counts{train: 2000, test: 240, scenes: 40, grid: 16}

// testSeed is that of the test images; training images have the trial's.
const testSeed = 1 << 32

var retinaClaim = recipes.Claim[Config]{
	Name: "retina",
	Statement: "Trained on upright things alone, a network with log-polar views beats the same network with plain views by 20 points of accuracy where images are turned by 30° to 180° " +
		"and by 10 where they are zoomed by 0.5 and 2; where they are shifted by a quarter of the width it loses by 10. In cluttered scenes the fixation of the largest probability lies in the thing's box in 60 % of all cases.",
	Arms: []recipes.Arm[Config]{
		{Name: "plain", Config: small(false, false)}, {Name: "log-polar", Config: small(true, false)}, {Name: "log-polar, wrapped", Config: small(true, true)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		fit, n := smallFit, smallCounts
		if t.Scale == recipes.PaperScale {
			c, fit, n = atPaperScale(c), PaperFit, counts{train: 20_000, test: 2000, scenes: 200, grid: 24}
		}
		return measure(ctx, t, c, fit, n, testSeed)
	},
	Tests: []recipes.Test{
		{Name: "turned", Statement: "what log-polar views gain at turns of 30° to 180°, on average", Unit: "points", Threshold: 20, Value: gain("turned")},
		{Name: "quarter turn", Statement: "what they gain at 90°", Unit: "points", Reported: true, Value: gain(angleName(90))},
		{
			Name: "zoomed", Statement: "what log-polar views gain at zooms of 0.5 and 2, on average", Unit: "points", Threshold: 10,
			Value: func(v map[string]recipes.Values) float64 { return (gain(zoomName(0.5))(v) + gain(zoomName(2))(v)) / 2 },
		},
		{Name: "shifted", Statement: "what log-polar views gain at shifts by a quarter of the width", Unit: "points", Threshold: -10, AtMost: true, Value: gain(shiftName(0.25))},
		{
			Name: "found", Statement: "scenes in which the log-polar network's best fixation is in the box", Unit: "%", Threshold: 60,
			Value: func(v map[string]recipes.Values) float64 { return v["log-polar"]["found"] },
		},
		{Name: "found, plain", Statement: "what log-polar views find more than plain ones", Unit: "points", Reported: true, Value: gain("found")},
		{Name: "upright", Statement: "what log-polar views gain on images as trained", Unit: "points", Reported: true, Value: gain(angleName(0))},
		{
			Name: "wrapped", Statement: "what convolutions that wrap around in angle gain at turns of 30° to 180°", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v["log-polar, wrapped"]["turned"] - v["log-polar"]["turned"]
			},
		},
	},
	Figures: figures,
}

func gain(value string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v["log-polar"][value] - v["plain"][value] }
}

// atPaperScale is the paper's ResNet-50 with the arm's views.
func atPaperScale(c Config) Config {
	paper := Variants["resnet50"]
	paper.Polar, paper.Wrap, paper.Network.Classes = c.Polar, c.Wrap, len(classes)
	return paper
}

// measure trains on images of the trial's seed and tests on those of another.
func measure(ctx context.Context, t *recipes.Trial, c Config, fit recipes.Fit, n counts, seed uint64) (recipes.Values, error) {
	all, names := poses(c.Size)
	g := generator{c.Size, seed}
	sets := g.posed(n.test, all)
	data, err := t.Generated(fmt.Sprintf("things for seed %d", t.Seed), uint64(t.Seed), func() (recipes.Data, error) {
		train := generator{c.Size, uint64(t.Seed)}.training(n.train)
		return recipes.Data{Train: train, Valid: sets[0].Slice(0, 0), Test: sets[0]}, nil
	})
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
	values := recipes.Values{}
	for i, set := range sets {
		e, err := trainer.Evaluate(ctx, set)
		if err != nil {
			return nil, err
		}
		values[names[i]] = 100 * e.Accuracy
	}
	far := angles[slices.Index(angles, 30):]
	for _, a := range far {
		values["turned"] += values[angleName(a)] / float64(len(far))
	}
	var shown []search
	var maps [][]float64
	for _, s := range (generator{c.Size, seed + 1}).searches(n.scenes, n.grid) {
		p, best, err := look(ctx, trainer, s)
		if err != nil {
			return nil, err
		}
		if s.fixated[best].In(s.box) {
			values["found"] += 100 / float64(n.scenes)
		}
		for _, at := range s.fixated { // what a fixation at random finds
			if at.In(s.box) {
				values["chance"] += 100 / float64(n.scenes*len(s.fixated))
			}
		}
		if len(shown) < 4 {
			shown, maps = append(shown, s), append(maps, p)
		}
	}
	return values, pictures(t, c, sets, names, shown, maps)
}

// look is the probability of the thing's class from each fixation, and the number of the best one.
func look(ctx context.Context, trainer *recipes.Trainer, s search) (p []float64, best int, err error) {
	all, err := trainer.Predict(ctx, s.views)
	if err != nil {
		return nil, 0, err
	}
	for i := range all {
		p = append(p, float64(all[i][s.label]))
		if p[i] > p[best] {
			best = i
		}
	}
	return p, best, nil
}
