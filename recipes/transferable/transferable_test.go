package transferable

import (
	"context"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/datasets"
	"fovea/layers"
	"fovea/layers/layertest"
	"fovea/recipes"
)

// Caffe's reference network has eight layers with weights, and its last convolution leaves 6×6×256 values.
func TestCaffeNet(t *testing.T) {
	for name, want := range Recipe.Params {
		c := Variants[name]
		s, err := layers.Summarize(layertest.Go(), Model(c), shapes.Make(dtypes.Float32, 1, 227, 227, 3))
		if err != nil {
			t.Fatal(err)
		}
		weighted := 0
		for _, row := range s.Rows {
			if row.Parameters > 0 {
				weighted++
			}
		}
		if s.Parameters() != want || weighted != 8 {
			t.Errorf("%s has %d parameters in %d layers, want %d in 8", name, s.Parameters(), weighted, want)
		}
	}
	if got := Layers(alexnet(500)); !slices.Equal(got, []string{"conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"}) {
		t.Errorf("layers %v", got)
	}
	// 96·(11²·3+1) + 256·(5²·48+1) + 384·(3²·256+1) + 384·(3²·192+1) + 256·(3²·192+1) + 4096·(9216+1) + 4096·4097 + 1000·4097
	if want := 34_944 + 307_456 + 885_120 + 663_936 + 442_624 + 37_752_832 + 16_781_312 + 4_097_000; want != Recipe.Params["caffenet"] {
		t.Errorf("by hand it has %d parameters", want)
	}
}

// eight is a tiny network of eight layers for images of 16×16.
var eight = Config{
	Convs:  []Conv{{Filters: 4, Size: 3, Pool: 2}, {Filters: 4, Size: 3, Groups: 2, Norm: true}, {Filters: 4, Size: 3}, {Filters: 4, Size: 3}, {Filters: 4, Size: 3}},
	Hidden: []int{8, 8}, Classes: 3, Size: 16,
}

func images(seed uint64) *datasets.Images {
	return things(24, 0, 16, seed, []int{2, 5, 10})
}

func values(t *testing.T, trainer *recipes.Trainer) map[string][]float32 {
	t.Helper()
	w, err := Snapshot(trainer)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]float32{}
	for path, value := range w {
		all[path] = tensors.MustCopyFlatData[float32](value)
	}
	return all
}

// For every n: what is carried over and frozen stays as it is to the last bit, the others are trained, 2·(8−n) tensors; they begin with fresh weights,
// neither with the base network's trained nor with its initial ones. Fine-tuned, all change.
func TestCarry(t *testing.T) {
	ctx := context.Background()
	b := layertest.Go()
	fit := recipes.Fit{Steps: 2, Batch: 8, LearningRate: 0.05, Progress: recipes.NoProgress, Log: io.Discard}
	base, err := recipes.NewTrainer(b, Model(eight), fit)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	if err := Carry(ctx, base, eight, nil, 0, 1, images(1)); err != nil {
		t.Fatal(err)
	}
	initial := values(t, base)
	if err := base.Run(ctx, images(1), nil); err != nil {
		t.Fatal(err)
	}
	trained, err := Snapshot(base)
	if err != nil {
		t.Fatal(err)
	}
	before := values(t, base)
	names := Layers(eight)
	for _, n := range []int{0, 3, 7} {
		for _, frozen := range []bool{true, false} {
			f := fit
			if frozen {
				f = Frozen(fit, eight, n)
			}
			trainer, err := recipes.NewTrainer(b, Model(eight), f)
			if err != nil {
				t.Fatal(err)
			}
			if err := Carry(ctx, trainer, eight, trained, n, 2, images(2)); err != nil {
				t.Fatal(err)
			}
			start := values(t, trainer)
			if err := trainer.Run(ctx, images(2), nil); err != nil {
				t.Fatal(err)
			}
			end, trainable := values(t, trainer), 0
			for _, v := range trainer.Variables() {
				if v.Trainable {
					trainable++
				}
			}
			want := 2 * (8 - n)
			if !frozen {
				want = 16
			}
			if trainable != want {
				t.Errorf("n = %d, frozen %v: %d tensors are trained, want %d", n, frozen, trainable, want)
			}
			for path := range end {
				layer, variable, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
				carried := slices.Contains(names[:n], layer)
				if slices.Equal(start[path], before[path]) != carried {
					t.Errorf("n = %d: at the start %s is the base network's: %v, want %v", n, path, !carried, carried)
				}
				if variable == "weights" && !carried && slices.Equal(start[path], initial[path]) {
					t.Errorf("n = %d: %s begins where the base network began", n, path)
				}
				if stays := slices.Equal(bits(start[path]), bits(end[path])); variable == "weights" && stays != (carried && frozen) {
					t.Errorf("n = %d, frozen %v: %s stays: %v", n, frozen, path, stays)
				}
			}
			trainer.Close()
		}
	}
	// With nothing carried over a training is one from scratch.
	scratch, err := recipes.NewTrainer(b, Model(eight), fit)
	if err != nil {
		t.Fatal(err)
	}
	defer scratch.Close()
	if err := Carry(ctx, scratch, eight, trained, 0, 1, images(1)); err != nil {
		t.Fatal(err)
	}
	if err := scratch.Run(ctx, images(1), nil); err != nil {
		t.Fatal(err)
	}
	for path, v := range values(t, scratch) {
		if !slices.Equal(v, before[path]) {
			t.Errorf("n = 0 with the base network's seed: %s differs", path)
		}
	}
	for _, n := range []int{-1, 8} {
		if err := Carry(ctx, scratch, eight, trained, n, 1, images(1)); err == nil || !strings.Contains(err.Error(), "0 to 7") {
			t.Errorf("%d layers: %v", n, err)
		}
	}
	delete(trained, "/conv1/biases")
	if err := Carry(ctx, scratch, eight, trained, 1, 1, images(1)); err == nil || !strings.Contains(err.Error(), "/conv1/biases") {
		t.Errorf("a base network without a variable: %v", err)
	}
}

func bits(x []float32) (b []uint32) {
	for _, v := range x {
		b = append(b, math.Float32bits(v))
	}
	return b
}

func TestOfClasses(t *testing.T) {
	im := things(18, 0, 16, 4, []int{2, 5, 10, 11, 12, 13})
	part := OfClasses(im, []int{4, 1})
	if err := part.Validate(); err != nil {
		t.Fatal(err)
	}
	if part.N != 6 || !slices.Equal(part.Classes, []string{im.Classes[4], im.Classes[1]}) || !slices.Equal(part.Counts(), []int{3, 3}) {
		t.Errorf("%d images of %v: %v", part.N, part.Classes, part.Counts())
	}
}

// The tasks of a seed have no class in common, and no test image is a training image.
func TestTasks(t *testing.T) {
	trial := recipes.NewTrial(layertest.Go(), recipes.SmallScale, 3)
	all, err := drawTasks(trial, counts{base: 27, target: 18, test: 18}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all.near.Train.Classes {
		if slices.Contains(all.target.Train.Classes, name) {
			t.Errorf("%s is in both tasks", name)
		}
	}
	for _, data := range []recipes.Data{all.target, all.near, all.far} {
		for i := range data.Train.N {
			for j := range data.Test.N {
				if slices.Equal(data.Train.PixelsAt(i), data.Test.PixelsAt(j)) {
					t.Errorf("%s: training image %d is test image %d", data.Train.Name, i, j)
				}
			}
		}
	}
	if n := len(all.far.Train.Classes); n != taskClasses {
		t.Errorf("%d textures", n)
	}
}

// The published numbers begin near the base network's, and fall with depth for frozen layers alone.
func TestPublished(t *testing.T) {
	for name, curve := range Published {
		if len(curve) != 7 {
			t.Errorf("%s has %d depths", name, len(curve))
		}
	}
	if Published["AnB"][6] > PublishedBase-8 || Published["AnB+"][6] < PublishedBase+2 {
		t.Error("the curves are mixed up")
	}
}
