package fig_test

import (
	"fmt"
	"os"
	"path/filepath"

	"fovea/notebooks/fig"
)

// The data of a batch, NHWC, becomes a grid; a title stands above each image.
func ExampleGrid() {
	pixels := make([]uint8, 2*4*4*3)
	for i := range pixels {
		pixels[i] = uint8(2 * i)
	}
	f := fig.Grid(fig.FromBytes(pixels, 2, 4, 4, 3), fig.GridOptions{Title: "Two images", Titles: []string{"dark", "light"}})
	fmt.Println(f)
	// Output:
	// Two images
	// 2 images of 4×4, RGB, 2 columns; values 0 … 190 (natural range)
	//    0  dark
	//    1  light
}

// Several seeds of one experiment become a mean with a band.
func ExampleCurves() {
	runs := [][]float64{{2.0, 1.0, 0.5}, {2.2, 1.1, 0.6}, {1.8, 0.9, 0.4}}
	f := fig.Curves(fig.CurveOptions{XLabel: "epoch", YLabel: "loss"}, fig.SeedSeries("vgg", nil, runs))
	fmt.Println(f)
	// Output:
	// vgg (mean ± 2 s.e., 3 seeds)  █▃▁  3 points, 0.5 … 2, last 0.5 ± 0.115
}

// Save chooses the form by the extension.
func ExampleFigure_Save() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	f := fig.Bars([]string{"plain", "residual"}, []fig.BarSeries{{Values: []float64{0.71, 0.74}}}, fig.BarOptions{Label: "accuracy"})
	for _, name := range []string{"bars.png", "bars.svg", "bars.bmp"} {
		if err := f.Save(filepath.Join(dir, name)); err != nil {
			fmt.Println("bars.bmp can't be written")
		}
	}
	// Output: bars.bmp can't be written
}

// Maybe makes an error of a panic, where a program must go on when a figure can't be drawn.
func ExampleMaybe() {
	_, err := fig.Maybe(func() *fig.Figure { return fig.Grid(nil, fig.GridOptions{}) })
	fmt.Println(err)
	// Output: fig.Grid: no images: pass at least one
}

func ExampleTable() {
	fmt.Println(fig.Table([]string{"net", "parameters"}, [][]string{{"A", "132,863,336"}, {"E", "143,667,240"}}, fig.TableOptions{}))
	// Output:
	// net   parameters
	// ────────────────
	// A    132,863,336
	// E    143,667,240
}

func ExampleConfusionMatrix() {
	fmt.Println(fig.ConfusionMatrix([][]int{{9, 1}, {2, 8}}, []string{"cat", "dog"}, fig.ConfusionOptions{}))
	// Output:
	// true\pred      cat      dog
	// cat              9        1
	// dog              2        8
	// 85 % of 20 correct. Cells: percent of the true class.
}

// A table of layers, such as layers.Summary's, becomes a drawing; equal neighbours are drawn once.
func ExampleStages() {
	table := [][]string{
		{"layer", "kind", "output", "parameters"},
		{"conv1", "Conv 3×3", "[1 32 32 64]", "1,792"},
		{"conv2", "Conv 3×3", "[1 32 32 64]", "36,928"},
		{"conv3", "Conv 3×3", "[1 32 32 64]", "36,928"},
		{"output", "Dense", "[1 10]", "650"},
	}
	fmt.Println(fig.Architecture(fig.Stages(table), fig.ArchitectureOptions{Input: "image"}))
	// Output:
	// image
	//   conv1            Conv 3×3             [1 32 32 64]                1,792
	//   conv2 … conv3    Conv 3×3 ×2          [1 32 32 64]               73,856
	//   output           Dense                [1 10]                        650
	// 76,298 parameters.
}

// Values over angles: the line closes, since the samples go around.
func ExamplePolar() {
	f := fig.Polar(fig.PolarOptions{Label: "accuracy", Range: [2]float64{0, 1}},
		fig.Series{Name: "upright", X: []float64{0, 90, 180, 270}, Y: []float64{0.9, 0.4, 0.3, 0.4}})
	fmt.Println(f)
	// Output:
	// upright  █▂▁▂  4 points, 0.3 … 0.9, last 0.4
}
