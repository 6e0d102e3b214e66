package recipes

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/layers"
	"fovea/layers/metric"
)

// evaluationBatch is how many images go through the network at once outside of training.
const evaluationBatch = 128

// Evaluation is how a classifier does on a set of images.
type Evaluation struct {
	Images    int
	Loss      float64 // mean cross-entropy
	Accuracy  float64 // from 0 to 1
	Top5      float64 // the right class is among the five likeliest
	Confusion *metric.ConfusionMatrix
}

func (e Evaluation) String() string {
	return fmt.Sprintf("%d images: loss %.4f, accuracy %.2f %%, top-5 %.2f %%", e.Images, e.Loss, 100*e.Accuracy, 100*e.Top5)
}

// Evaluate measures the network on all images, each exactly once.
func (t *Trainer) Evaluate(ctx context.Context, images *datasets.Images) (Evaluation, error) {
	classes := len(images.Classes)
	e := Evaluation{Images: images.N, Confusion: metric.NewConfusionMatrix(images.Classes)}
	var hits, hits5 int
	i := 0
	err := t.eachBatch(ctx, images, t.forwardExec, func(logits []float32, shape []int) error {
		if len(shape) != 2 || shape[1] != classes {
			return fmt.Errorf("the network's output is %v for %d images of %d classes: want [B %d]", shape, shape[0], classes, classes)
		}
		predicted := make([]int32, shape[0])
		for row := range shape[0] {
			z, label := logits[row*classes:(row+1)*classes], int(images.Labels[i+row])
			e.Loss += crossEntropy(z, label)
			ahead := 0
			best := 0
			for k, v := range z {
				// A tie is lost to the class with the smaller number, and so is any comparison with NaN.
				if k != label && !(z[label] > v || z[label] == v && label < k) {
					ahead++
				}
				if v > z[best] || math.IsNaN(float64(z[best])) {
					best = k
				}
			}
			predicted[row] = int32(best)
			if ahead == 0 {
				hits++
			}
			if ahead < 5 {
				hits5++
			}
		}
		err := e.Confusion.Add(images.Labels[i:i+shape[0]], predicted)
		i += shape[0]
		return err
	})
	n := float64(images.N)
	e.Loss, e.Accuracy, e.Top5 = e.Loss/n, float64(hits)/n, float64(hits5)/n
	return e, err
}

// crossEntropy is −log softmax(z)[label].
func crossEntropy(z []float32, label int) float64 {
	largest := math.Inf(-1)
	for _, v := range z {
		largest = max(largest, float64(v))
	}
	var sum float64
	for _, v := range z {
		sum += math.Exp(float64(v) - largest)
	}
	return math.Log(sum) + largest - float64(z[label])
}

// Confusion counts predictions by true class.
func (t *Trainer) Confusion(ctx context.Context, images *datasets.Images) (*metric.ConfusionMatrix, error) {
	e, err := t.Evaluate(ctx, images)
	return e.Confusion, err
}

// Predict returns the probability of each class for each image, [N][K].
func (t *Trainer) Predict(ctx context.Context, images *datasets.Images) ([][]float32, error) {
	var all [][]float32
	err := t.eachBatch(ctx, images, t.forwardExec, func(logits []float32, shape []int) error {
		if len(shape) != 2 {
			return fmt.Errorf("the network's output is %v, not one row of classes for each image", shape)
		}
		k := shape[1]
		for row := range shape[0] {
			z, p := logits[row*k:(row+1)*k], make([]float32, k)
			for c := range z {
				p[c] = float32(math.Exp(-crossEntropy(z, c)))
			}
			all = append(all, p)
		}
		return nil
	})
	return all, err
}

// Output returns what the network itself puts out for the images, [N …]: logits, for a classifier.
func (t *Trainer) Output(ctx context.Context, images *datasets.Images) (*tensors.Tensor, error) {
	return t.gather(ctx, images, t.forwardExec)
}

// Features returns the values of a tap for the images, [N H W C] for a feature map.
// The error of an unknown tap lists the taps that the network has.
func (t *Trainer) Features(ctx context.Context, images *datasets.Images, tap string) (*tensors.Tensor, error) {
	return t.gather(ctx, images, func() (*model.Exec, error) {
		if exec, ok := t.features[tap]; ok {
			return exec, nil
		}
		exec, err := model.NewExec(t.backend, t.store, func(s *model.Scope, x *graph.Node) []*graph.Node {
			outputs := t.net(s, nil, []*graph.Node{x})
			node, err := layers.TapNode(x.Graph(), tap)
			if err != nil {
				panic(err)
			}
			if node.DType() == dtypes.BFloat16 {
				node = graph.ConvertDType(node, dtypes.Float32)
			}
			// GoMLX's Go backend fails on variables made after the last output, so the network's own output stays one.
			return []*graph.Node{node, outputs[0]}
		})
		if err == nil {
			t.features[tap] = exec
		}
		return exec, err
	})
}

// Taps lists the names of the network's taps for such images.
func (t *Trainer) Taps(images *datasets.Images) ([]string, error) {
	var names []string
	g := graph.NewGraph(t.backend, "taps")
	defer g.Finalize()
	model.SetStore(g, t.store)
	err := catch(func() {
		x := graph.Parameter(g, "x", shapes.Make(dtypes.Float32, 1, images.H, images.W, images.C))
		t.net(t.store.RootScope(), nil, []*graph.Node{x})
		names = layers.Taps(g)
	})
	return names, err
}

func (t *Trainer) forwardExec() (*model.Exec, error) {
	if t.forward != nil {
		return t.forward, nil
	}
	exec, err := model.NewExec(t.backend, t.store, func(s *model.Scope, x *graph.Node) *graph.Node {
		return t.net(s, nil, []*graph.Node{x})[0]
	})
	t.forward = exec
	return exec, err
}

func (t *Trainer) gather(ctx context.Context, images *datasets.Images, program func() (*model.Exec, error)) (*tensors.Tensor, error) {
	var all []float32
	var dims []int
	err := t.eachBatch(ctx, images, program, func(values []float32, shape []int) error {
		all = append(all, values...)
		if dims == nil {
			dims = append([]int{images.N}, shape[1:]...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return tensors.FromFlatDataAndDimensions(all, dims...), nil
}

// eachBatch runs the images through a program, batch by batch in order, and gives use the outputs without the padding of the last
// batch: all batches have one shape, so the program compiles once.
func (t *Trainer) eachBatch(ctx context.Context, images *datasets.Images, program func() (*model.Exec, error), use func(values []float32, shape []int) error) error {
	if images == nil || images.N == 0 {
		return errors.New("there are no images")
	}
	size := min(images.N, evaluationBatch)
	batches, err := images.Batches(datasets.BatchOptions{Size: size, Last: datasets.PadLast})
	if err != nil {
		return err
	}
	if t.own == nil {
		if err := t.prepare([]shapes.Shape{shapes.Make(dtypes.Float32, size, images.H, images.W, images.C)}, nil); err != nil {
			return err
		}
	}
	exec, err := program()
	if err != nil {
		return err
	}
	back, err := t.showAverages()
	if err != nil {
		return err
	}
	defer back()
	rest := images.N
	for batch, err := range batches.Iter() {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			_ = batch.Finalize()
			return err
		}
		outputs, err := exec.Call(batch.Inputs[0])
		_ = batch.Finalize()
		if err != nil {
			return err
		}
		shape := outputs[0].Shape().Clone().Dimensions
		if len(shape) == 0 || shape[0] != size {
			return fmt.Errorf("the output %v has no batch axis of %d", shape, size)
		}
		if d := outputs[0].DType(); d != dtypes.Float32 {
			return fmt.Errorf("the output is %s, not Float32: convert it in the network", d)
		}
		values, err := tensors.CopyFlatData[float32](outputs[0])
		for _, o := range outputs {
			_ = o.FinalizeAll()
		}
		if err != nil {
			return err
		}
		shape[0] = min(size, rest)
		rest -= shape[0]
		if err := use(values[:len(values)/size*shape[0]], shape); err != nil {
			return err
		}
	}
	return nil
}
