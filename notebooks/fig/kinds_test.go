package fig

import (
	"image"
	"math"
	"math/rand/v2"

	"github.com/gomlx/gomlx/core/tensors"
)

// A drawing is one figure kind with data made here, for every test that looks at all kinds.
type drawing struct {
	name string
	draw func() *Figure
}

// shapes returns n colour pictures of size×size with a disc or a square each.
func shapes(n, size int) []Image {
	flat := make([]uint8, 0, n*size*size*3)
	for i := range n {
		c := paletteColor(i)
		for y := range size {
			for x := range size {
				dx, dy := float64(x)-float64(size-1)/2, float64(y)-float64(size-1)/2
				in := math.Hypot(dx, dy) < float64(size)/3
				if i%2 == 1 {
					in = max(math.Abs(dx), math.Abs(dy)) < float64(size)/4
				}
				if in {
					flat = append(flat, c.R, c.G, c.B)
				} else {
					flat = append(flat, uint8(40+8*x), uint8(60+6*y), 90)
				}
			}
		}
	}
	return FromBytes(flat, n, size, size, 3)
}

// bump returns a map with one peak, and with a negative one when signed.
func bump(size int, signed bool) Image {
	v := make([]float32, size*size)
	for i := range v {
		x, y := float64(i%size)/float64(size), float64(i/size)/float64(size)
		v[i] = float32(math.Exp(-((x-0.4)*(x-0.4) + (y-0.5)*(y-0.5)) / 0.03))
		if signed {
			v[i] -= float32(math.Exp(-((x-0.8)*(x-0.8) + (y-0.3)*(y-0.3)) / 0.02))
		}
	}
	return FromFloats(v, size, size)[0]
}

func disc(size int, radius float64) []float32 {
	m := make([]float32, size*size)
	for i := range m {
		if math.Hypot(float64(i%size)-float64(size)/2, float64(i/size)-float64(size)/2) < radius {
			m[i] = 1
		}
	}
	return m
}

func noise(seed uint64, dims ...int) *tensors.Tensor {
	r := rand.New(rand.NewPCG(seed, 7))
	n := 1
	for _, d := range dims {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(v, dims...)
}

func losses(seed uint64, n int, scale float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 3))
	y := make([]float64, n)
	for i := range y {
		y[i] = scale*math.Exp(-float64(i)/float64(n)*3) + 0.3 + 0.05*r.NormFloat64()
	}
	return y
}

var drawings = []drawing{
	{"grid", func() *Figure {
		return Grid(shapes(6, 16), GridOptions{Title: "Six shapes", Titles: []string{"disc", "square", "disc", "square", "disc", "a longer name"},
			Marks: []bool{true, true, false}, Columns: 3, Scale: 5, Caption: "Vermilion: taken for something else."})
	}},
	{"filters", func() *Figure { return Filters(noise(1, 3, 3, 3, 8), FilterOptions{Title: "Filters"}) }},
	{"filters_one_channel", func() *Figure { return Filters(noise(2, 5, 5, 4, 10), FilterOptions{Max: 6, Scale: 8}) }},
	{"feature_maps", func() *Figure {
		return FeatureMaps(noise(3, 1, 8, 8, 6), FeatureMapOptions{Title: "conv1", Numbers: true, Scale: 7})
	}},
	{"overlay", func() *Figure {
		return Overlay(shapes(1, 24)[0], bump(6, false), OverlayOptions{Title: "Grad-CAM", Width: 168})
	}},
	{"saliency_signed", func() *Figure {
		m := shapes(2, 16)
		return Saliency([]SaliencyRow{{"disc", m[0], bump(16, true)}, {"square", m[1], bump(4, true)}}, OverlayOptions{Signed: true, Width: 96})
	}},
	{"attributions", func() *Figure {
		return Attributions(shapes(1, 16)[0], []Attribution{{"gradient", bump(16, false), false}, {"input × gradient", bump(16, true), true}},
			false, OverlayOptions{Width: 96})
	}},
	{"segmentation", func() *Figure {
		m := shapes(2, 24)
		return Segmentation([]SegmentationRow{
			{Name: "disc", Image: m[0], Mask: disc(24, 8), Truth: disc(24, 7), Foreground: []image.Point{{12, 12}, {12, 13}}, Background: []image.Point{{1, 1}, {2, 1}, {1, 2}}},
			{Name: "square", Image: m[1], Boxes: []Box{{X0: 6, Y0: 6, X1: 18, Y1: 18, Label: "square 0.9"}}, Points: []Marker{{X: 6, Y: 18, Label: "corner"}}},
		}, SegmentationOptions{Width: 144})
	}},
	{"curves", func() *Figure {
		runs := [][]float64{losses(1, 60, 2), losses(2, 60, 2.1), losses(3, 60, 1.9)}
		return Curves(CurveOptions{Title: "Loss", XLabel: "step", YLabel: "cross-entropy", Width: 300, Height: 180},
			SeedSeries("deep", nil, runs), Series{Name: "plain", Y: losses(4, 60, 3), Dashed: true})
	}},
	{"curves_log_gap", func() *Figure {
		y := losses(5, 40, 2)
		for i := 25; i < 40; i++ {
			y[i] = math.NaN()
		}
		return Curves(CurveOptions{LogY: true, Width: 300, Height: 150}, Series{Name: "diverges", Y: y})
	}},
	{"training", func() *Figure {
		step, acc := make([]float64, 80), make([]float64, 80)
		for i := range step {
			step[i], acc[i] = float64(i), 0.9-0.8*math.Exp(-float64(i)/30)
		}
		return Training(History{Step: step, Loss: losses(6, 80, 2), Accuracy: acc, EvalStep: []float64{20, 40, 60, 79},
			EvalLoss: []float64{1.5, 1, 0.8, 0.7}, EvalAccuracy: []float64{0.4, 0.6, 0.7, 0.72}}, TrainingOptions{Steps: 100, Smooth: 0.8})
	}},
	{"bars", func() *Figure {
		return Bars([]string{"one", "two", "three"}, []BarSeries{
			SeedBars("training", [][]float64{{0.8, 0.82}, {0.85, 0.9}, {0.92, 0.9}}), {Name: "test", Values: []float64{0.6, 0.7, -0.1}}},
			BarOptions{Title: "Depth", Label: "accuracy"})
	}},
	{"bars_long_names", func() *Figure {
		return Bars([]string{"integrated gradients, 50 steps", "Grad-CAM++ (second derivatives)", "SmoothGrad"},
			[]BarSeries{{Values: []float64{12, -3, 40}, Errors: []float64{1, 2, 3}}}, BarOptions{Label: "%", Width: 420})
	}},
	{"confusion", func() *Figure {
		return ConfusionMatrix([][]int{{8, 1, 0}, {2, 5, 1}, {0, 0, 0}}, []string{"cat", "dog", "hippopotamus"}, ConfusionOptions{Title: "Confusion"})
	}},
	{"table", func() *Figure {
		return Table([]string{"layer", "output", "parameters"}, [][]string{{"conv1", "[B 32 32 64]", "1,792"}, {"pool1", "[B 16 16 64]", "–"}, {"total", "", "9.2 M"}},
			TableOptions{Title: "Summary <VGG>", Bold: []int{2}})
	}},
	{"heat_map", func() *Figure {
		return HeatMap([][]float64{{1, 0.5, 0.25}, {0.5, 1, math.NaN()}, {0.25, 0.5, 1}}, HeatMapOptions{Title: "CKA", XLabel: "net A", YLabel: "net B",
			Rows: []string{"conv1", "conv2", "conv3"}, Columns: []string{"conv1", "conv2", "conv3"}, Values: true, Square: true})
	}},
	{"roc", func() *Figure { return ROC(RankingOptions{Size: 200}, ranked()) }},
	{"precision_recall", func() *Figure { return PrecisionRecall(RankingOptions{Size: 200}, ranked()) }},
	{"calibration", func() *Figure {
		return Calibration(RankingOptions{Title: "Calibration", Size: 200, Bins: 5}, Confidences{"net", []float64{0.1, 0.3, 0.5, 0.7, 0.9, 0.95},
			[]bool{false, false, true, false, true, true}})
	}},
	{"scatter", func() *Figure {
		return Scatter(ScatterOptions{Title: "Features", XLabel: "PC 1", YLabel: "PC 2", Width: 260, Height: 200},
			Cloud{Name: "cat", X: losses(1, 30, 2), Y: losses(2, 30, 1)},
			Cloud{Name: "dog", X: []float64{1, 2}, Y: []float64{1, 0.5}, Labels: []string{"mean", "the last one"}})
	}},
	{"scatter_images", func() *Figure {
		return Scatter(ScatterOptions{NoAxes: true, Width: 240, Height: 160}, Cloud{Name: "shapes", X: []float64{0, 1, 2}, Y: []float64{0, 2, 1}, Images: shapes(3, 16)})
	}},
	{"compare", func() *Figure {
		fine, coarse := shapes(1, 24)[0], shapes(1, 8)[0]
		return Compare([]string{"truth", "÷3"}, []CompareRow{{Name: "disc", Images: []Image{fine, coarse}, Notes: []string{"", "21.3 dB"}, Bold: []int{1}}},
			CompareOptions{Title: "Before and after", Width: 144, Crop: &Box{X0: 3, Y0: 3, X1: 12, Y1: 9}})
	}},
	{"film_strip", func() *Figure { return FilmStrip(shapes(20, 16), FilmOptions{Title: "Clip", Rate: 25, Max: 5}) }},
	{"volume", func() *Figure { return VolumeSlices(noise(4, 12, 8, 8), FilmOptions{Max: 6, Colormap: Viridis}) }},
	{"animation", func() *Figure { return Animation(shapes(5, 16), FilmOptions{Title: "Moves"}) }},
	{"sound", func() *Figure {
		tone := make([]float64, 2000)
		for i := range tone {
			tone[i] = 0.5 * math.Sin(2*math.Pi*float64(i)/8000*(500+float64(i)/2))
		}
		return Sound(tone, 8000, SoundOptions{Title: "Sweep", Width: 360})
	}},
	{"waveform", func() *Figure { return Waveform(losses(8, 300, 0), 100, SoundOptions{Width: 360}) }},
	{"architecture", func() *Figure {
		return Architecture([]Stage{
			{Name: "stem", Kind: "conv 3×3", Output: "[B 32 32 16]", Parameters: 448}, {Name: "body", Kind: "conv 3×3", Output: "[B 32 32 16]", Parameters: 4640, Repeat: 2},
			{Name: "add", Kind: "add", Output: "[B 32 32 16]", From: []int{0, -1}}, {Name: "head", Kind: "dense", Output: "[B 10]", Parameters: 163850},
		}, ArchitectureOptions{Title: "A residual block", Input: "image [B 32 32 3]"})
	}},
	{"architecture_table", func() *Figure {
		return Architecture(Stages([][]string{{"layer", "kind", "output", "parameters", "MACs"},
			{"stage1/conv1", "Conv 3×3", "[1 32 32 64]", "1,792", "1.8 M"}, {"stage1/conv2", "Conv 3×3", "[1 32 32 64]", "36,928", "38 M"},
			{"stage1/conv3", "Conv 3×3", "[1 32 32 64]", "36,928", "38 M"}, {"pool1", "MaxPool 2×2", "[1 16 16 64]", "0", "0"}, {"output", "Dense", "[1 10]", "163,850", "164 k"}}),
			ArchitectureOptions{})
	}},
	{"histogram", func() *Figure {
		wide := losses(2, 300, 0)
		for i := range wide {
			wide[i] = 2*wide[i] - 0.2
		}
		return Histogram(HistogramOptions{Title: "Weights", Label: "weight", Density: true, Width: 320, Height: 160},
			Sample{Name: "conv1", Values: losses(1, 400, 0)}, Sample{Name: "conv2", Values: append(wide, math.NaN())})
	}},
	{"histogram_log", func() *Figure {
		return Histogram(HistogramOptions{LogY: true, Bins: 12, Width: 260, Height: 140}, Sample{Values: losses(3, 500, 2)})
	}},
	{"polar", func() *Figure {
		var angles, upright, turned, low, high []float64
		for a := 0.0; a < 360; a += 15 {
			v := 0.35 + 0.5*math.Exp(-math.Pow((180-math.Abs(180-a))/40, 2))
			angles, upright, turned = append(angles, a), append(upright, v), append(turned, 0.72+0.03*math.Cos(a/20))
			low, high = append(low, v-0.05), append(high, v+0.05)
		}
		return Polar(PolarOptions{Title: "Accuracy by rotation", Label: "accuracy", Clockwise: true, Range: [2]float64{0, 1}},
			Series{Name: "upright images", X: angles, Y: upright, Low: low, High: high}, Series{Name: "turned images", X: angles, Y: turned, Dashed: true})
	}},
	{"polar_open", func() *Figure {
		return Polar(PolarOptions{Size: 260}, Series{Name: "half", X: []float64{0, 45, 90, 135, 180}, Y: []float64{3, 5, 4, 2, 1}, Points: true})
	}},
	{"curves_log_log", func() *Figure {
		return Curves(CurveOptions{LogX: true, LogY: true, XLabel: "training images", YLabel: "test error", Width: 320, Height: 180, HorizontalLines: []float64{0.05}},
			Series{Name: "network", X: []float64{50, 200, 1000, 5000, 50000}, Y: []float64{0.7, 0.45, 0.28, 0.15, 0.07}, Points: true})
	}},
	{"error_bars", func() *Figure {
		return Curves(CurveOptions{XLabel: "depth", YLabel: "accuracy", Width: 280, Height: 160, VerticalLines: []float64{3}},
			Series{Name: "measured", X: []float64{1, 2, 3, 4}, Y: []float64{0.5, 0.6, 0.65, 0.64}, Low: []float64{0.45, 0.57, 0.6, 0.6}, High: []float64{0.55, 0.63, 0.7, 0.68}, NoLine: true})
	}},
	{"scatter_values", func() *Figure {
		x, y := losses(1, 80, 2), losses(2, 80, 1)
		return Scatter(ScatterOptions{Title: "Accuracy by cost", XLabel: "parameters", YLabel: "error", LogX: true, LogY: true, ValueLabel: "epoch", Width: 260, Height: 200},
			Cloud{X: x, Y: y, Values: losses(4, 80, 30)})
	}},
	{"embedding", func() *Figure {
		var points [][]float64
		var labels []int32
		for k, classes := 0, 7; k < classes; k++ {
			x, y := losses(uint64(k), 20, 0), losses(uint64(k+50), 20, 0)
			for i := range x {
				a := 2 * math.Pi * float64(k) / float64(classes)
				points, labels = append(points, []float64{math.Cos(a) + 3*x[i], math.Sin(a) + 3*y[i]}), append(labels, int32(k))
			}
		}
		return Embedding(points, labels, []string{"airplane", "car", "bird", "cat", "deer", "dog", "frog"}, nil, ScatterOptions{Title: "t-SNE of features", Width: 360, Height: 280})
	}},
	{"heat_log", func() *Figure {
		v := make([][]float64, 9)
		for i := range v {
			for j := range 9 {
				v[i] = append(v[i], 100*math.Exp(-math.Hypot(float64(i-4), float64(j-4))*2))
			}
		}
		return HeatMap(v, HeatMapOptions{Title: "Power spectrum", Log: true, Square: true, Colormap: Magma})
	}},
	{"heat_signed", func() *Figure {
		return HeatMap([][]float64{{1, -0.5, 0.1}, {-0.5, 1, 0}}, HeatMapOptions{Signed: true, Values: true, Rows: []string{"a", "b"}})
	}},
	{"maps_signed", func() *Figure {
		return Grid([]Image{bump(16, true), bump(16, false)}, GridOptions{Title: "Signed maps", Normalize: Signed, Titles: []string{"both", "positive"}, Scale: 5})
	}},
	{"pose", func() *Figure {
		return Segmentation([]SegmentationRow{{Image: shapes(1, 24)[0], Points: []Marker{{12, 4, "head"}, {12, 12, ""}, {6, 18, "foot"}, {18, 18, ""}},
			Links: [][2]int{{0, 1}, {1, 2}, {1, 3}}}}, SegmentationOptions{Width: 144})
	}},
	{"spectrogram", func() *Figure {
		tone := make([]float64, 2000)
		for i := range tone {
			tone[i] = math.Sin(2*math.Pi*float64(i)/8000*1000) + 0.1*math.Sin(2*math.Pi*float64(i)/8000*2500)
		}
		return Spectrogram(tone, 8000, SoundOptions{Width: 320, MaxFrequency: 3000})
	}},
	{"panels", func() *Figure {
		small := func(y ...float64) *Figure { return Curves(CurveOptions{Width: 180, Height: 110}, Series{Y: y}) }
		return Panels(2, small(1, 2, 1), Table([]string{"a"}, [][]string{{"1"}}, TableOptions{Title: "A table"}), small(3, 2, 1), small(1, 5))
	}},
	{"column", func() *Figure {
		return Column(Table([]string{"a"}, [][]string{{"1"}}, TableOptions{Title: "above"}), Table([]string{"b"}, [][]string{{"2"}}, TableOptions{}))
	}},
	{"row", func() *Figure {
		return Row(Curves(CurveOptions{Title: "left", Width: 200, Height: 120}, Series{Y: []float64{1, 2, 1}}), Table([]string{"a"}, [][]string{{"1"}}, TableOptions{}))
	}},
}

func ranked() Scores {
	return Scores{"net", []float64{0.9, 0.8, 0.7, 0.6, 0.6, 0.2}, []bool{true, true, false, true, false, false}}
}
