package deepinside

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/layers/attr"
	"fovea/layers/optim"
	"fovea/recipes"
)

const trained, untrained = "trained", "untrained"

// imageSeed begins the generated images. Everything below was fixed on images of another seed.
const imageSeed = 20262

var insideClaim = recipes.Claim[Config]{
	Name:      "inside",
	Statement: "Gradients of a trained classifier show where the object is: saliency gathers in it, its maximum hits it, a graph cut boxes it; and class models excite their class beyond any training image.",
	Arms: []recipes.Arm[Config]{
		{Name: trained, Config: Default},
		{Name: untrained, Config: func() Config { c := Default; c.Trained = false; return c }()},
	},
	Measure: measure,
	Tests: []recipes.Test{
		{
			Name: "energy", Statement: "share of the saliency's energy inside the object over the object's share of the area, trained", Unit: "×", Threshold: 3,
			Value: func(v map[string]recipes.Values) float64 { return v[trained]["energy"] },
		},
		{
			Name: "energy untrained", Statement: "the same, untrained", Unit: "×", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[untrained]["energy"] },
		},
		{
			Name: "pointing", Statement: "the largest saliency lies in the object, trained", Unit: "of images", Threshold: 0.8,
			Value: func(v map[string]recipes.Values) float64 { return v[trained]["pointing"] },
		},
		{
			Name: "pointing untrained", Statement: "the same, untrained", Unit: "of images", Threshold: 0.35, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 { return v[untrained]["pointing"] },
		},
		{
			Name: "pointing near", Statement: "the largest saliency lies in the object or one pixel beside it, trained", Unit: "of images", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[trained]["pointing near"] },
		},
		{
			Name: "pointing near untrained", Statement: "the same, untrained", Unit: "of images", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[untrained]["pointing near"] },
		},
		{
			Name: "box", Statement: "mean overlap (IoU) of the graph cut's box with the object's", Threshold: 0.4,
			Value: func(v map[string]recipes.Values) float64 { return v[trained]["box IoU"] },
		},
		{
			Name: "box over centre", Statement: "that overlap minus that of a box of mean size in the centre", Threshold: 0.15,
			Value: func(v map[string]recipes.Values) float64 { return v[trained]["box IoU"] - v[trained]["centre IoU"] },
		},
		{
			Name: "class model", Statement: "score of the class model minus the largest score of any training image, least of all classes", Unit: "logits", Threshold: 0,
			Value: func(v map[string]recipes.Values) float64 { return v[trained]["class model margin"] },
		},
		{
			Name: "accuracy", Statement: "test accuracy of the trained network", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[trained]["accuracy"] },
		},
	},
}

func measure(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	data, err := t.Generated("one object", imageSeed, func() (recipes.Data, error) { return scenes(t.Scale, imageSeed) })
	if err != nil {
		return nil, err
	}
	trainer, err := t.Trainer(Classifier(len(data.Train.Classes)), fit)
	if err != nil {
		return nil, err
	}
	if c.Trained {
		if err := trainer.Run(ctx, data.Train, nil); err != nil {
			return nil, err
		}
	}
	evaluation, err := trainer.Evaluate(ctx, data.Test)
	if err != nil {
		return nil, err
	}
	maps, err := SaliencyMaps(ctx, t, trainer, data.Test)
	if err != nil {
		return nil, err
	}
	values := recipes.Values{"accuracy": evaluation.Accuracy}
	values["energy"], values["pointing"], values["pointing near"] = compareWithMasks(maps, data.Test)
	if !c.Trained {
		return values, nil
	}

	segments := make([]*Segmentation, data.Test.N)
	centre := centreBox(data.Train)
	for i := range segments {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if segments[i], err = Segment(data.Test.PixelsAt(i), maps[i], data.Test.H, data.Test.W, c); err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
		values["box IoU"] += BoxIoU(segments[i].Box, data.Test.Boxes[i]) / float64(data.Test.N)
		values["centre IoU"] += BoxIoU(centre, data.Test.Boxes[i]) / float64(data.Test.N)
	}
	models, err := classModels(ctx, t, trainer, data.Train, c)
	if err != nil {
		return nil, err
	}
	if values["class model margin"], err = classModelMargin(ctx, trainer, data.Train, models); err != nil {
		return nil, err
	}
	if t.Pictures() {
		return values, draw(t, data, maps, segments, models)
	}
	return values, nil
}

// The training: each image is seen once at small scale.
const steps, batch = 400, 32

var fit = recipes.Fit{
	Steps: steps, Batch: batch, LogEvery: 25,
	Optimizer: func(steps int) optimizer.Interface {
		return optim.AdamW{LearningRate: optim.OneCycle{Peak: 2e-3, Steps: steps}}
	},
}

// scenes are images with one object before clutter, of a size that the quantiles suit: 5 % of the pixels can be inside of it and 30 % outside.
// The stripes all over an object are what tells its class. So the inside matters as it does in photographs; of an even shape only the outline would.
func scenes(scale recipes.Scale, seed uint64) (recipes.Data, error) {
	size, train, test := 48, steps*batch, 300
	if scale == recipes.PaperScale {
		size, train, test = 224, 100_000, 5000
	}
	var parts [3]*datasets.Images
	for i, part := range []struct{ n, first int }{{train, 0}, {test, 1 << 39}, {test, 1 << 40}} {
		s, err := synth.Scenes(synth.ScenesOptions{
			N: part.n, First: part.first, Size: size, Instances: 1, Distractors: -1, Small: 0.15, Large: 0.25, Seed: seed,
		})
		if err != nil {
			return recipes.Data{}, err
		}
		parts[i] = s.Images
	}
	return recipes.Data{Train: parts[0], Valid: parts[1], Test: parts[2]}, nil
}

// SaliencyMaps returns the saliency [H W] of each image for the class that the network finds likeliest, averaged over ten
// windows of it as in section 3.1: the centre and four moved towards the corners, each also mirrored.
func SaliencyMaps(ctx context.Context, t *recipes.Trial, trainer *recipes.Trainer, images *datasets.Images) ([][]float32, error) {
	output, err := trainer.Output(ctx, images)
	if err != nil {
		return nil, err
	}
	k := len(images.Classes)
	logits := tensors.MustCopyFlatData[float32](output)
	classes := make([]int, images.N)
	maps := make([][]float32, images.N)
	for n := range classes {
		row := logits[n*k : (n+1)*k]
		classes[n] = slices.Index(row, slices.Max(row))
		maps[n] = make([]float32, images.H*images.W)
	}
	explainer, err := attr.NewExplainer(t.Backend, trainer.Store(), attr.Network(Classifier(k)), attr.Saliency)
	if err != nil {
		return nil, err
	}
	defer explainer.Close()
	move := images.H / 12
	for _, w := range []window{{}, {dy: -move, dx: -move}, {dy: -move, dx: move}, {dy: move, dx: -move}, {dy: move, dx: move}} {
		for _, w.mirror = range []bool{false, true} {
			seen := w.see(images)
			const together = 100
			for i := 0; i < images.N; i += together {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				j := min(i+together, images.N)
				x := seen.Tensor(i, j)
				m, outputs, err := explainer.Explain(x, classes[i:j]...)
				_ = x.FinalizeAll()
				if err != nil {
					return nil, err
				}
				flat := tensors.MustCopyFlatData[float32](m)
				_, _ = m.FinalizeAll(), outputs.FinalizeAll()
				for n := i; n < j; n++ {
					w.add(maps[n], flat[(n-i)*images.H*images.W:], images.H, images.W)
				}
			}
		}
	}
	return maps, nil
}

// A window is a view of an image: moved, with edge pixels where the image ends, and then maybe mirrored.
type window struct {
	dy, dx int
	mirror bool
}

// at is the pixel of the image that pixel (y, x) of the window shows, and whether it is in the image.
func (v window) at(y, x, h, w int) (p int, inside bool) {
	if v.mirror {
		x = w - 1 - x
	}
	y, x = y+v.dy, x+v.dx
	inside = y >= 0 && y < h && x >= 0 && x < w
	return min(max(y, 0), h-1)*w + min(max(x, 0), w-1), inside
}

func (v window) see(im *datasets.Images) *datasets.Images {
	out := *im
	out.Pixels = make([]uint8, 0, len(im.Pixels))
	for n := range im.N {
		pixels := im.PixelsAt(n)
		for y := range im.H {
			for x := range im.W {
				p, _ := v.at(y, x, im.H, im.W)
				out.Pixels = append(out.Pixels, pixels[p*im.C:(p+1)*im.C]...)
			}
		}
	}
	return &out
}

// add puts the window's map back where its pixels came from.
func (v window) add(sum, m []float32, h, w int) {
	for y := range h {
		for x := range w {
			if p, inside := v.at(y, x, h, w); inside {
				sum[p] += m[y*w+x] / 10
			}
		}
	}
}

// compareWithMasks returns three means over the images: the share of the maps' energy (the sum of squares) in the object divided
// by the object's share of the area; how often the largest value lies in the object (pointing); and how often it does or
// lies a pixel beside it (near), since the pointing game of Zhang et al. 2016 allows 15 pixels, which are 1.5 in images of 48.
func compareWithMasks(maps [][]float32, images *datasets.Images) (energy, pointing, near float64) {
	for i, m := range maps {
		mask := images.MaskAt(i)
		var inside, all, area float64
		top := 0
		for p, v := range m {
			all += float64(v) * float64(v)
			if mask[p] != 0 {
				inside += float64(v) * float64(v)
				area++
			}
			if v > m[top] {
				top = p
			}
		}
		if all > 0 && area > 0 {
			energy += inside / all / (area / float64(len(m)))
		}
		if mask[top] != 0 {
			pointing++
		}
		if touches(mask, top, images.H, images.W, max(1, images.H/48)) {
			near++
		}
	}
	n := float64(len(maps))
	return energy / n, pointing / n, near / n
}

// touches says whether the mask has a pixel within a distance of p, along both axes.
func touches(mask []uint8, p, h, w, distance int) bool {
	y, x := p/w, p%w
	for v := max(0, y-distance); v <= min(h-1, y+distance); v++ {
		for u := max(0, x-distance); u <= min(w-1, x+distance); u++ {
			if mask[v*w+u] != 0 {
				return true
			}
		}
	}
	return false
}

// centreBox is what one can know of boxes without looking at an image: their mean size, in the centre.
func centreBox(im *datasets.Images) [4]int {
	var width, height int
	for _, b := range im.Boxes {
		width += b[2] - b[0]
		height += b[3] - b[1]
	}
	w, h := (width+im.N/2)/im.N, (height+im.N/2)/im.N
	return [4]int{(im.W - w) / 2, (im.H - h) / 2, (im.W-w)/2 + w, (im.H-h)/2 + h}
}

func classModels(ctx context.Context, t *recipes.Trial, trainer *recipes.Trainer, im *datasets.Images, c Config) (*attr.ClassModel, error) {
	classes := make([]int, len(im.Classes))
	for k := range classes {
		classes[k] = k
	}
	return attr.ClassModels(ctx, t.Backend, trainer.Store(), attr.Network(Classifier(len(classes))), attr.ClassModelOptions{
		Classes: classes, Height: im.H, Width: im.W, Channels: im.C, Steps: 200, Rate: 0.02, Decay: c.Decay, Momentum: 0.9, Normalize: true,
	})
}

// classModelMargin is the least, over the classes, of the class model's score minus the largest of the class's scores on
// training images.
func classModelMargin(ctx context.Context, trainer *recipes.Trainer, train *datasets.Images, models *attr.ClassModel) (float64, error) {
	output, err := trainer.Output(ctx, train)
	if err != nil {
		return 0, err
	}
	k := len(train.Classes)
	if len(models.Scores) != k {
		return 0, errors.New("a class model for each class is needed")
	}
	margins := slices.Clone(models.Scores)
	logits := tensors.MustCopyFlatData[float32](output)
	for class := range margins {
		largest := logits[class]
		for i := range train.N {
			largest = max(largest, logits[i*k+class])
		}
		margins[class] -= float64(largest)
	}
	return slices.Min(margins), nil
}
