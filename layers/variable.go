package layers

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// variable makes or finds a variable in s for use beside x, and returns its value in the data type of x.
//
// It is stored in float32 even where x has less precision: sixteen bits lose the small updates of training, and
// GoMLX's random normal initialisers give nothing but zeros there. initial nil stands for the initialiser of the scope.
func variable(s *model.Scope, x *graph.Node, name string, initial model.VariableInitializer, dimensions ...int) *graph.Node {
	if initial == nil {
		initial = finite(s.Initializer())
	}
	s = s.WithInitializer(initial)
	v := s.VariableWithShape(name, shapes.Make(storageDType(x.DType()), dimensions...))
	return convert(v.NodeValue(x.Graph()), x.DType())
}

// finite puts zero where an initialiser puts something infinite. GoMLX's normal random numbers are infinite about once
// in a hundred million, which is once in a large network, and ruins it.
func finite(initial model.VariableInitializer) model.VariableInitializer {
	return func(g *graph.Graph, shape shapes.Shape) *graph.Node {
		values := initial(g, shape)
		return graph.Where(graph.IsFinite(values), values, graph.ScalarZero(g, shape.DType))
	}
}

// storageDType is the type that variables and statistics have beside values of type d.
func storageDType(d dtypes.DType) dtypes.DType {
	if d == dtypes.Float16 || d == dtypes.BFloat16 {
		return dtypes.Float32
	}
	return d
}

// convert is ConvertDType without the node that does nothing.
func convert(x *graph.Node, d dtypes.DType) *graph.Node {
	if x.DType() == d {
		return x
	}
	return graph.ConvertDType(x, d)
}
