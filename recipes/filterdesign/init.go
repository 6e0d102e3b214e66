package filterdesign

import (
	"context"
	"fmt"
	"math"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/datasets"
	"fovea/recipes"
)

// Init is a way to initialise filters [kh kw cin cout] or weights [in out].
type Init string

const (
	Zero       Init = "zero"
	Constant   Init = "constant"   // 0.01
	Normal     Init = "normal"     // deviation 1
	LeCun      Init = "LeCun"      // variance 1/fan-in
	Glorot     Init = "Glorot"     // variance 2/(fan-in + fan-out)
	He         Init = "He"         // variance 2/fan-in
	Orthogonal Init = "orthogonal" // orthonormal columns or rows, times √2 for the ReLU (Saxe et al. 2014)
	LSUV       Init = "LSUV"       // orthogonal; Rescale then sets each layer's variance to 1 (Mishkin, Matas 2016)
)

// initializer makes the values of a variable. The biases of a layer start at zero whatever it says.
func (i Init) initializer(s *model.Scope) model.VariableInitializer {
	return func(g *graph.Graph, shape shapes.Shape) *graph.Node {
		d := shape.Dimensions
		field := 1 // values of a filter in one channel
		for _, n := range d[:len(d)-2] {
			field *= n
		}
		in, out := float64(field*d[len(d)-2]), float64(field*d[len(d)-1])
		normal := func(variance float64) *graph.Node {
			return initializer.RandomNormalFn(s, math.Sqrt(variance))(g, shape)
		}
		switch i {
		case Zero:
			return graph.Zeros(g, shape)
		case Constant:
			return graph.BroadcastToShape(graph.Scalar(g, shape.DType, 0.01), shape)
		case Normal:
			return normal(1)
		case LeCun:
			return normal(1 / in)
		case Glorot:
			return normal(2 / (in + out))
		case He:
			return normal(2 / in)
		case Orthogonal, LSUV:
			w := orthonormal(graph.Reshape(normal(1), int(in), d[len(d)-1]))
			return graph.MulScalar(graph.Reshape(w, d...), math.Sqrt2)
		}
		Panicf("filterdesign: there is no initialisation %q", i)
		return nil
	}
}

// orthonormal is the orthogonal matrix that is nearest to w, by Newton's iteration W ← (3W − WWᵀW)/2, which takes no more than products.
// The shorter side's rows or columns become orthonormal.
func orthonormal(w *graph.Node) *graph.Node {
	if w.Shape().Dimensions[0] < w.Shape().Dimensions[1] {
		return graph.Transpose(orthonormal(graph.Transpose(w, 0, 1)), 0, 1)
	}
	// The iteration wants singular values below √3: by the Frobenius norm they are below 1.
	w = graph.Div(w, graph.Sqrt(graph.ReduceAllSum(graph.Square(w))))
	for range 30 { // small singular values grow by half each time
		gram := graph.Einsum("ij,ik->jk", w, w)
		w = graph.Sub(graph.MulScalar(w, 1.5), graph.MulScalar(graph.Einsum("ij,jk->ik", w, gram), 0.5))
	}
	return w
}

// Rescale is the second step of LSUV: layer by layer it divides a network's filters by the deviation of what they put out for the images.
// The layers have taps and scopes of these names.
func Rescale(ctx context.Context, trainer *recipes.Trainer, images *datasets.Images, names []string) error {
	for _, name := range names {
		values, err := trainer.Features(ctx, images, name)
		if err != nil {
			return err
		}
		var sum, squares float64
		flat := tensors.MustCopyFlatData[float32](values)
		values.FinalizeAll()
		for _, v := range flat {
			sum, squares = sum+float64(v), squares+float64(v)*float64(v)
		}
		n := float64(len(flat))
		deviation := math.Sqrt(squares/n - sum/n*sum/n)
		if !(deviation > 0) {
			return fmt.Errorf("LSUV: %s puts out the same for all images", name)
		}
		v := trainer.Store().GetVariable("/" + name + "/weights")
		if v == nil {
			return fmt.Errorf("LSUV: there is no variable /%s/weights", name)
		}
		old, err := v.Value()
		if err != nil {
			return err
		}
		weights := tensors.MustCopyFlatData[float32](old)
		for i := range weights {
			weights[i] /= float32(deviation)
		}
		if err := v.SetValue(tensors.FromFlatDataAndDimensions(weights, old.Shape().Dimensions...)); err != nil {
			return err
		}
	}
	return nil
}
