package attr_test

import (
	"context"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
	"fovea/layers/attr"
	"fovea/layers/layertest"
)

// An objective says what to look for; here one channel, with smooth images preferred. The channel adds red and green and takes
// blue away, so the image that it likes is yellow.
func ExampleVisualize() {
	network := func(_ *model.Scope, x *Node) *Node { // [B 8 8 3]
		yellow := Einsum("bhwc,cd->bhwd", x, ConstAs(x, [][]float64{{1}, {1}, {-1}}))
		return layers.Tap(layers.ReLU(yellow), "yellow") // [B 8 8 1]
	}
	objective := attr.Channel("yellow", 0).Plus(attr.TotalVariation(1).Times(-0.1))
	found, err := attr.Visualize(context.Background(), layertest.Go(), model.NewStore(), network, objective, attr.VisualizeOptions{
		Height: 8, Width: 8, Channels: 3, Steps: 100, Rate: 0.2,
		Low: []float64{0, 0, 0}, High: []float64{1, 1, 1}, // black and white
		Color:      [][]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, // not a photograph: channels of their own
		Transforms: attr.Robust(8),
	})
	if err != nil {
		panic(err)
	}
	pixels := tensors.MustCopyFlatData[float32](found.Images)
	middle := pixels[(4*8+4)*3:][:3]
	fmt.Println("red, green:", middle[0] > 0.9, middle[1] > 0.9, "blue:", middle[2] > 0.5)
	// Output:
	// red, green: true true blue: false
}

// What a map is worth is asked of the network: the fewer pixels have to go until the class is gone, the better.
func ExampleJudge() {
	network := func(_ *model.Scope, x *Node) *Node { // bright at the upper left against bright elsewhere
		score := ExpandAxes(Mul(ReduceSum(Slice(x, AxisRange(), AxisElem(0), AxisElem(0)), 1, 2, 3), Const(x.Graph(), float32(4))), -1)
		return Concatenate([]*Node{score, ZerosLike(score)}, -1) // [B 2]
	}
	image := tensors.FromFlatDataAndDimensions([]float32{1, 1, 1, 1}, 1, 2, 2, 1)
	judge, err := attr.NewJudge(layertest.Go(), model.NewStore(), network, image, []int{0}, nil)
	if err != nil {
		panic(err)
	}
	defer judge.Close()
	for _, m := range [][]float32{{9, 3, 2, 1}, {1, 2, 3, 9}} {
		course, err := judge.Deletion(context.Background(), tensors.FromFlatDataAndDimensions(m, 1, 2, 2), attr.CourseOptions{})
		if err != nil {
			panic(err)
		}
		fmt.Printf("map %v: probabilities %.2f, area %.2f\n", m, course.Scores[0], course.Area())
	}
	// Output:
	// map [9 3 2 1]: probabilities [0.98 0.50 0.50 0.50 0.50], area 0.56
	// map [1 2 3 9]: probabilities [0.98 0.98 0.98 0.98 0.50], area 0.92
}

// Representations are compared by how they arrange the same examples: a rotation changes nothing.
func ExampleLinearCKA() {
	x := tensors.FromFlatDataAndDimensions([]float32{1, 2, 3, 4, 6, 5, 8, 7}, 4, 2)
	y := tensors.FromFlatDataAndDimensions([]float32{-2, 1, -4, 3, -5, 6, -7, 8}, 4, 2) // a quarter turn of x
	similarity, err := CallOnce(layertest.Go(), func(x, y *Node) *Node { return attr.LinearCKA(x, y) }, x, y)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.3f\n", tensors.ToScalar[float32](similarity))
	// Output:
	// 1.000
}

func ExamplePCA() {
	features := tensors.FromFlatDataAndDimensions([]float32{-2, -2, -1, -1, 0, 0, 1, 1, 2, 2}, 5, 2)
	components, err := attr.PCA(features, 2)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d direction, %.3f, variance %.1f of %.1f\n", len(components.Directions), components.Directions[0], components.Variance[0], components.Total)
	// Output:
	// 1 direction, [0.707 0.707], variance 5.0 of 5.0
}
