package transferable

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"fovea/datasets"
	"fovea/recipes"
)

// Weights are the values of a network's variables by path.
type Weights map[string]*tensors.Tensor

// Snapshot copies a trainer's weights.
func Snapshot(t *recipes.Trainer) (Weights, error) {
	w := Weights{}
	for _, v := range t.Variables() {
		value, err := v.Value()
		if err != nil {
			return nil, err
		}
		if w[v.Path()], err = value.LocalClone(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Carry starts a training: fresh weights from the seed, in which the first n layers are those of base. images show the trainer the shape of its
// input; nothing is learnt from them. The trainer's fit says whether the carried layers stay as they are, see Frozen.
func Carry(ctx context.Context, t *recipes.Trainer, c Config, base Weights, n int, seed int64, images *datasets.Images) error {
	names := Layers(c)
	if n < 0 || n >= len(names) {
		return fmt.Errorf("%d layers to carry over: want 0 to %d, since the last one belongs to its task", n, len(names)-1)
	}
	if _, err := t.Evaluate(ctx, images); err != nil { // makes the variables
		return err
	}
	if err := t.Reset(seed); err != nil {
		return err
	}
	carried := 0
	for _, v := range t.Variables() {
		layer, _, _ := strings.Cut(strings.TrimPrefix(v.Path(), "/"), "/")
		if !slices.Contains(names[:n], layer) {
			continue
		}
		value := base[v.Path()]
		if value == nil || !value.Shape().Equal(v.Shape()) {
			return fmt.Errorf("the base network has no %s of shape %s to carry over", v.Path(), v.Shape())
		}
		own, err := value.LocalClone()
		if err != nil {
			return err
		}
		if err := v.SetValue(own); err != nil {
			return err
		}
		carried++
	}
	if carried != 2*n {
		return fmt.Errorf("%d variables were carried over for %d layers: want weights and biases of each", carried, n)
	}
	return nil
}

// Frozen is a fit that leaves the first n layers as they are.
func Frozen(fit recipes.Fit, c Config, n int) recipes.Fit {
	fit.Freeze = slices.Clone(Layers(c)[:n])
	return fit
}

// OfClasses are the images of those classes, which get the labels 0, 1, …
func OfClasses(im *datasets.Images, classes []int) *datasets.Images {
	label := map[int32]int32{}
	var names []string
	for i, k := range classes {
		label[int32(k)] = int32(i)
		names = append(names, im.Classes[k])
	}
	var index []int
	for i, l := range im.Labels {
		if _, ok := label[l]; ok {
			index = append(index, i)
		}
	}
	part := im.Subset(index)
	part.Classes = names
	for i, l := range part.Labels {
		part.Labels[i] = label[l]
	}
	return part
}
