package recipes

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
)

// halfPrecision feeds a network bfloat16 and gives back float32. Package layers stores its weights in float32 and converts
// them where they are used, so nothing else is needed; bfloat16 has float32's range, so no loss is to be scaled.
func halfPrecision(net train.ModelFn) train.ModelFn {
	convert := func(nodes []*graph.Node, from, to dtypes.DType) []*graph.Node {
		converted := make([]*graph.Node, len(nodes))
		for i, n := range nodes {
			if converted[i] = n; n.DType() == from {
				converted[i] = graph.ConvertDType(n, to)
			}
		}
		return converted
	}
	return func(s *model.Scope, spec any, inputs []*graph.Node) []*graph.Node {
		return convert(net(s, spec, convert(inputs, dtypes.Float32, dtypes.BFloat16)), dtypes.BFloat16, dtypes.Float32)
	}
}
