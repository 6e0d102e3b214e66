package kernels

import "fmt"

// The cells that are measured. GoNB's get "%%" in front where they hold statements, as its users write it.

// plainImports are those of cells without GoMLX.
const plainImports = `import (
	"fmt"
	"strings"
	"time"
)
`

// gomlxImports are those of cells with GoMLX. GoNB has trouble with dot imports, so packages are named.
const gomlxImports = `import (
	"fmt"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"
)
`

const gomlxBackend = "backend := compute.MustNew()\n"

// gomlxProgram is x²+1 as a program, ready to be called.
const gomlxProgram = `graph.MustNewExec(backend, func(x *graph.Node) *graph.Node { return graph.AddScalar(graph.Mul(x, x), 1) })`

// gomlxCall makes the program and calls it; the result is gomlxResult.
func gomlxCall(i int) string {
	return fmt.Sprintf("fmt.Println(%s.MustCall(float32(%d))[0])\n", gomlxProgram, i)
}

func gomlxResult(i int) string { return fmt.Sprintf("float32(%d)", i*i+1) }

// gomlxNetwork defines a small convolutional network for that many classes.
func gomlxNetwork(classes int) string {
	return fmt.Sprintf(`func network(s *model.Scope, x *graph.Node) *graph.Node {
	for i, filters := range []int{32, 64, 128} {
		x = layers.Convolution(s.In("conv%%d", i), x).Channels(filters).KernelSize(3).PadSame().Done() // [B H W filters]
		x = graph.MaxPool(activation.Relu(x)).Window(2).Done()                                          // [B H/2 W/2 filters]
	}
	x = graph.ReduceMean(x, 1, 2)                        // [B 128]
	return layers.Dense(s.In("logits"), x, true, %d) // [B classes]
}
`, classes)
}

// Endless loops and waits, which print a line when they run.
const (
	spinning = "fmt.Println(\"running\")\nfor n := 0; ; n++ {\n\t_ = n\n}\n"
	sleeping = "fmt.Println(\"running\")\ntime.Sleep(500 * time.Millisecond)\n"
)
