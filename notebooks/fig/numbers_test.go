package fig

import (
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
)

// TestColormapsArePublished compares colours between the anchors with the published tables of 256 entries.
func TestColormapsArePublished(t *testing.T) {
	for _, c := range []struct {
		m    Colormap
		at   int
		want [3]int
	}{
		{Viridis, 0, [3]int{68, 1, 84}}, {Viridis, 37, [3]int{70, 51, 127}}, {Viridis, 64, [3]int{59, 82, 139}}, {Viridis, 128, [3]int{33, 145, 140}},
		{Viridis, 192, [3]int{94, 201, 98}}, {Viridis, 203, [3]int{119, 209, 83}}, {Viridis, 255, [3]int{253, 231, 37}},
		{Magma, 0, [3]int{0, 0, 4}}, {Magma, 37, [3]int{36, 18, 83}}, {Magma, 64, [3]int{81, 18, 124}}, {Magma, 128, [3]int{183, 55, 121}},
		{Magma, 192, [3]int{252, 137, 97}}, {Magma, 203, [3]int{254, 157, 108}}, {Magma, 255, [3]int{252, 253, 191}},
		{Turbo, 0, [3]int{48, 18, 59}}, {Turbo, 37, [3]int{71, 120, 240}}, {Turbo, 64, [3]int{40, 188, 235}}, {Turbo, 128, [3]int{164, 252, 60}},
		{Turbo, 192, [3]int{251, 126, 33}}, {Turbo, 224, [3]int{208, 47, 5}}, {Turbo, 255, [3]int{122, 4, 3}},
		{Gray, 51, [3]int{51, 51, 51}}, {Colormap{}, 51, [3]int{51, 51, 51}},
		{BWR, 0, [3]int{0, 0, 255}}, {BWR, 255, [3]int{255, 0, 0}},
	} {
		got := c.m.At(float64(c.at) / 255)
		for i, v := range []uint8{got.R, got.G, got.B} {
			if d := int(v) - c.want[i]; d < -1 || d > 1 {
				t.Errorf("%s at %d/255 is %v, want %v ± 1", c.m.Name, c.at, got, c.want)
			}
		}
	}
	if BWR.At(0.5) != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("the middle of BWR is %v, want white", BWR.At(0.5))
	}
	for _, v := range []float64{-3, 0} {
		if Viridis.At(v) != Viridis.At(0) || Viridis.At(1-v) != Viridis.At(1) || Viridis.Reversed().At(v) != Viridis.At(1) {
			t.Error("values outside of [0, 1] are not clamped, or Reversed doesn't reverse")
		}
	}
	if Magma.At(math.NaN()) != noData {
		t.Error("NaN has no colour of its own")
	}
}

// lightness is CIE L*, 0 … 100.
func lightness(c color.RGBA) float64 {
	y := relativeLuminance(c)
	if y <= 216.0/24389 {
		return y * 24389 / 27
	}
	return 116*math.Cbrt(y) - 16
}

// TestLightnessOrders checks that a larger value is a lighter colour, at nearly constant speed: what makes a map perceptual.
func TestLightnessOrders(t *testing.T) {
	for _, m := range []Colormap{Viridis, Magma, Gray} {
		var l []float64
		for i := range 256 {
			l = append(l, lightness(m.At(float64(i)/255)))
		}
		// 8-bit rounding lets single steps fall back a little; eight steps never do.
		low, high := math.Inf(1), 0.0
		for i := 8; i < 256; i += 8 {
			low, high = min(low, l[i]-l[i-8]), max(high, l[i]-l[i-8])
		}
		for i := 1; i < 256; i++ {
			if l[i] < l[i-1]-0.25 {
				t.Errorf("%s gets darker at %d", m.Name, i)
			}
		}
		if low <= 0 || high > 3.5*low {
			t.Errorf("%s: lightness grows by %.2f … %.2f in eight steps", m.Name, low, high)
		}
	}
	for i := range 100 {
		v := float64(i) / 200
		if lightness(BWR.At(v)) >= lightness(BWR.At(v+0.005)) || lightness(BWR.At(1-v)) >= lightness(BWR.At(1-v-0.005)) {
			t.Errorf("BWR is not lightest in the middle, at %v", v)
		}
	}
}

func TestReadableOn(t *testing.T) {
	for v := range 101 {
		for _, m := range []Colormap{Viridis, Magma, blues} {
			ground := m.At(float64(v) / 100)
			a, b := relativeLuminance(ground), relativeLuminance(readableOn(ground))
			if contrast := (max(a, b) + 0.05) / (min(a, b) + 0.05); contrast < 2.9 {
				t.Errorf("text on %s at %d %% has a contrast of %.1f, want 3", m.Name, v, contrast)
			}
		}
	}
}

func TestLayouts(t *testing.T) {
	flat := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	for _, c := range []struct {
		dims        []int
		n, h, w, ch int
		last        []float32 // the last pixel of the last image
	}{
		{[]int{3, 4}, 1, 3, 4, 1, []float32{11}},
		{[]int{2, 2, 3}, 1, 2, 2, 3, []float32{9, 10, 11}},
		{[]int{2, 2, 3, 1}, 2, 2, 3, 1, []float32{11}},
		{[]int{2, 1, 2, 3}, 2, 1, 2, 3, []float32{9, 10, 11}},
	} {
		for what, images := range map[string][]Image{"floats": FromFloats(flat, c.dims...),
			"tensor": FromTensor(tensors.FromFlatDataAndDimensions(flat, c.dims...))} {
			m := images[len(images)-1]
			if len(images) != c.n || m.H != c.h || m.W != c.w || m.C != c.ch || !slices.Equal(m.Pix[len(m.Pix)-c.ch:], c.last) {
				t.Errorf("%s %v: %d images, the last %+v", what, c.dims, len(images), m)
			}
		}
	}
	if got := FromTensor(tensors.FromFlatDataAndDimensions([]bool{true, false}, 1, 2))[0].Pix; !slices.Equal(got, []float32{1, 0}) {
		t.Errorf("booleans become %v", got)
	}
	rgb := image.NewNRGBA(image.Rect(3, 5, 5, 6)) // the origin need not be (0, 0)
	rgb.SetNRGBA(3, 5, color.NRGBA{10, 20, 30, 255})
	rgb.SetNRGBA(4, 5, color.NRGBA{0, 0, 0, 0})
	if got := FromImage(rgb); got.H != 1 || got.W != 2 || !slices.Equal(got.Pix, []float32{10, 20, 30, 255, 255, 255}) {
		t.Errorf("an image becomes %+v, want transparency on white", got)
	}
	if got := FromImage(image.NewGray(image.Rect(0, 0, 2, 2))); got.C != 1 {
		t.Errorf("a gray picture has %d channels", got.C)
	}
}

func TestNormalize(t *testing.T) {
	images := FromFloats([]float32{-1, 0, 1, 3, 0, 0.5, 1, 1}, 2, 2, 2, 1)
	for _, c := range []struct {
		n    Normalize
		want []uint8 // red of the two images' pixels
	}{
		{Natural, []uint8{0, 64, 128, 255, 64, 96, 128, 128}},
		{PerGrid, []uint8{0, 64, 128, 255, 64, 96, 128, 128}},
		{PerImage, []uint8{0, 64, 128, 255, 0, 128, 255, 255}},
		{None, []uint8{0, 0, 255, 255, 0, 128, 255, 255}},
		{Signed, []uint8{85, 128, 170, 255, 128, 149, 170, 170}},
	} {
		var got []uint8
		for _, p := range gridPictures(images, GridOptions{Normalize: c.n, Colormap: Gray}) {
			m := p.(*image.RGBA)
			for i := 0; i < len(m.Pix); i += 4 {
				got = append(got, m.Pix[i])
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.n, got, c.want)
		}
	}
}

func TestSeedSeries(t *testing.T) {
	s := SeedSeries("a", nil, [][]float64{{1, 2}, {2, 2}, {3, 2}})
	// The sample deviation of 1, 2, 3 is 1; the standard error of the mean is 1/√3.
	if w := 2 / math.Sqrt(3); s.Y[0] != 2 || math.Abs(s.High[0]-2-w) > 1e-12 || math.Abs(s.Low[0]-2+w) > 1e-12 || s.High[1] != 2 {
		t.Errorf("got %+v", s)
	}
	if one := SeedSeries("a", nil, [][]float64{{1, 2}}); one.Low != nil {
		t.Error("one run has a band")
	}
	bars := SeedBars("a", [][]float64{{1, 2, 3}})
	if bars.Values[0] != 2 || math.Abs(bars.Errors[0]-2/math.Sqrt(3)) > 1e-12 {
		t.Errorf("got %+v", bars)
	}
}

func TestCurvesTellWhatIsMissing(t *testing.T) {
	text := Curves(CurveOptions{}, Series{Name: "loss", Y: []float64{3, 2, math.NaN(), math.Inf(1)}}).Text()
	if !strings.Contains(text, "2 of 4 not shown: not finite") {
		t.Errorf("the text is %q", text)
	}
}

func TestSmoothedHasNoStartUpBias(t *testing.T) {
	for _, v := range smoothed([]float64{2, 2, 2, 2}, 0.9) {
		if math.Abs(v-2) > 1e-12 {
			t.Fatalf("a constant is smoothed to %v", v)
		}
	}
	if got := smoothed([]float64{0, 1}, 0.5)[1]; math.Abs(got-2.0/3) > 1e-12 {
		t.Errorf("got %v, want 2/3", got)
	}
}

func TestThinKeepsSpikesAndGaps(t *testing.T) {
	x, y := make([]float64, 10_000), make([]float64, 10_000)
	for i := range x {
		x[i] = float64(i)
	}
	y[1234], y[7777], y[5000] = 9, -9, math.NaN()
	tx, ty := thin(x, y, 200)
	if len(tx) > 200 || !slices.Contains(ty, 9) || !slices.Contains(ty, -9) || !slices.ContainsFunc(ty, math.IsNaN) || !slices.IsSorted(tx) {
		t.Errorf("%d points; a spike or the gap is lost", len(tx))
	}
}

func TestPercentileAndHeatRange(t *testing.T) {
	if got := percentile([]float64{1, 2, 3, 4}, 50); got != 2.5 {
		t.Errorf("the median of 1, 2, 3, 4 is %v", got)
	}
	v := make([]float32, 1000)
	for i := range v {
		v[i] = float32(i%10) / 10
	}
	v[0], v[1] = 1000, -5
	heat := FromFloats(v, 25, 40)[0]
	if low, high := heatRange(heat, OverlayOptions{Clip: 99}); low != 0 || math.Abs(high-0.9) > 1e-6 {
		t.Errorf("the range is %v … %v: an outlier sets it", low, high)
	}
	if low, high := heatRange(heat, OverlayOptions{Clip: 100, Signed: true}); low != -1000 || high != 1000 {
		t.Errorf("the signed range is %v … %v", low, high)
	}
	sparse := make([]float32, 1000)
	sparse[7] = 2
	if low, high := heatRange(FromFloats(sparse, 25, 40)[0], OverlayOptions{Clip: 99}); low != 0 || high != 2 {
		t.Errorf("a sparse map's range is %v … %v", low, high)
	}
}

func TestResizedIsBilinear(t *testing.T) {
	m := FromFloats([]float32{0, 4}, 1, 2)[0]
	if got := resized(m, 1, 4).Pix; !slices.Equal(got, []float32{0, 1, 3, 4}) {
		t.Errorf("got %v, want 0 1 3 4 (pixel centres)", got)
	}
}

func TestMaskEdges(t *testing.T) {
	mask := []float32{0, 0, 0, 0, 1, 1, 0, 0, 0}
	got := maskEdges(mask, 3, 3)
	want := [][4]float64{{1, 1, 3, 1}, {1, 2, 3, 2}, {1, 1, 1, 2}, {3, 1, 3, 2}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r := (SegmentationRow{Image: Image{H: 3, W: 3}, Mask: mask, Truth: []float32{0, 0, 0, 0, 1, 0, 0, 0, 0}}); !strings.Contains(r.describe(), "IoU 0.500") {
		t.Errorf("got %q", r.describe())
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{0, 1, "0 0.25 0.50 0.75 1.00"}, {0, 1000, "0 250 500 750 1000"}, {0, 100_000, "0 25k 50k 75k 100k"}, {-2, 2, "−2 −1 0 1 2"},
		{0, 4e6, "0 1M 2M 3M 4M"}, {0, 4e-5, "0 1e−5 2e−5 3e−5 4e−5"}, {10, 10.4, "10.0 10.1 10.2 10.3 10.4"},
	} {
		var got []string
		for _, k := range (ticks{4}).Ticks(c.low, c.high) {
			got = append(got, k.Label)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v … %v: %q, want %q", c.low, c.high, got, c.want)
		}
	}
	for _, k := range (logTicks{}).Ticks(0.01, 100) {
		if k.Label != "" && !slices.Contains([]string{"0.01", "0.1", "1", "10", "100"}, k.Label) {
			t.Errorf("a logarithmic axis has the label %q", k.Label)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", -1.25: "−1.25", 12345: "12345", 0.00012345: "0.000123", 1e-9: "1e−9", 2.5e7: "2.5e7", 99.96: "100", 3: "3"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) is %q, want %q", v, got, want)
		}
	}
}

func TestWrapAndFit(t *testing.T) {
	for _, width := range []float64{40, 90, 300} {
		for _, l := range labelStyle.wrap("gradients of a neuron with respect to the incomprehensibilities of an image", width) {
			if labelStyle.width(l) > width {
				t.Errorf("%q is wider than %v", l, width)
			}
		}
	}
	if got := labelStyle.fit("abc", 1000); got != "abc" {
		t.Errorf("a short text becomes %q", got)
	}
	if got := labelStyle.wrap("", 100); got != nil {
		t.Errorf("an empty text has the lines %q", got)
	}
}

// TestRanking checks areas by hand. Scores .9+ .8+ .7− {.6+ .6−} .2−: of the nine pairs the positive one is higher in
// 7 and equal in 1, so AUC = 7.5/9. Precision at the recalls 1/3, 2/3 and 1 is 1, 1 and 3/5, so AP = (1 + 1 + 0.6)/3.
func TestRanking(t *testing.T) {
	if text := ROC(RankingOptions{}, ranked()).Text(); !strings.Contains(text, "AUC 0.833") {
		t.Errorf("%s, want AUC 0.833", text)
	}
	if text := PrecisionRecall(RankingOptions{}, ranked()).Text(); !strings.Contains(text, "AP 0.867") {
		t.Errorf("%s, want AP 0.867", text)
	}
	// Two bins: |0.5 − 0.25|·½ + |1 − 0.8|·½.
	c := Confidences{"net", []float64{0.2, 0.3, 0.8, 0.8}, []bool{true, false, true, true}}
	if text := Calibration(RankingOptions{Bins: 2}, c).Text(); !strings.Contains(text, "ECE 0.225") {
		t.Errorf("%s, want ECE 0.225", text)
	}
}

// TestSpectrumFindsTheTone checks that a sine's energy stands in the bin of its frequency.
func TestSpectrumFindsTheTone(t *testing.T) {
	const rate, frequency, n = 8000.0, 1000.0, 200
	tone := make([]float64, 1600)
	for i := range tone {
		tone[i] = math.Sin(2 * math.Pi * frequency * float64(i) / rate)
	}
	levels, loudest := stft(tone, n, 80)
	if want := (1600-n)/80 + 1; len(levels) != want || len(levels[0]) != n/2+1 {
		t.Fatalf("%d frames of %d frequencies, want %d of %d", len(levels), len(levels[0]), want, n/2+1)
	}
	for i, column := range levels {
		best := 0
		for k, db := range column {
			if db > column[best] {
				best = k
			}
		}
		if want := int(frequency * n / rate); best != want || loudest-column[best] > 0.1 || loudest-column[best+20] < 60 {
			t.Errorf("frame %d is loudest at bin %d, want %d", i, best, want)
		}
	}
}

// TestHistogramCounts checks the bins by hand: the upper end belongs to the last one, and areas of densities are 1.
func TestHistogramCounts(t *testing.T) {
	text := Histogram(HistogramOptions{Bins: 2, Range: [2]float64{0, 2}}, Sample{Name: "a", Values: []float64{0, 0.5, 1, 2, 3, math.NaN()}}).Text()
	for _, want := range []string{"1 not finite and 1 outside of 6 not shown", "4 values, 0 … 2, median 0.75, mean 0.875"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if n := freedmanDiaconis([]float64{1, 1, 1, 1}, 1, 2); n != 8 {
		t.Errorf("samples without spread get %d bins", n)
	}
	sorted := make([]float64, 1000)
	for i := range sorted {
		sorted[i] = float64(i) / 999
	}
	if n := freedmanDiaconis(sorted, 0, 1); n != 10 { // 2·½/∛1000 = 0.1
		t.Errorf("1000 even values get %d bins, want 10", n)
	}
}

// TestPolarCloses checks which lines go around: samples as far apart at the seam as elsewhere do.
func TestPolarCloses(t *testing.T) {
	for _, c := range []struct {
		x    []float64
		want int
	}{{[]float64{0, 90, 180, 270}, 5}, {[]float64{0, 90, 180, 270, 360}, 5}, {[]float64{0, 45, 90}, 3}, {[]float64{270, 180, 90, 0}, 5}, {[]float64{0, 180}, 2}} {
		s := Series{X: slices.Clone(c.x), Y: make([]float64, len(c.x))}.closed()
		if len(s.X) != c.want || len(s.Y) != c.want || c.want > len(c.x) && math.Abs(s.X[len(s.X)-1]-s.X[0]) != 360 {
			t.Errorf("%v becomes %v", c.x, s.X)
		}
	}
	circle := arc(func(degrees, value float64) [2]float64 { return [2]float64{degrees, value} }, []float64{0, 90}, []float64{1, 1})
	if len(circle) != 46 || circle[45] != [2]float64{90, 1} {
		t.Errorf("a quarter has %d points, the last %v", len(circle), circle[len(circle)-1])
	}
}

// TestStages checks that equal neighbours become one stage, with their parameters added up.
func TestStages(t *testing.T) {
	got := Stages([][]string{{"layer", "kind", "output", "parameters", "MACs"},
		{"a/conv1", "Conv 3×3", "[1 8 8 4]", "112", ""}, {"a/conv2", "Conv 3×3", "[1 8 8 4]", "1,148", ""}, {"a/conv3", "Conv 3×3", "[1 8 8 4]", "1,148", ""}, {"pool", "MaxPool", "[1 4 4 4]", "", ""}})
	want := []Stage{{Name: "a/conv1", Kind: "Conv 3×3", Output: "[1 8 8 4]", Parameters: 112, Repeat: 1},
		{Name: "a/conv2 … conv3", Kind: "Conv 3×3", Output: "[1 8 8 4]", Parameters: 2296, Repeat: 2}, {Name: "pool", Kind: "MaxPool", Output: "[1 4 4 4]", Repeat: 1}}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i].Name != want[i].Name || got[i].Output != want[i].Output || got[i].Parameters != want[i].Parameters || got[i].Repeat != want[i].Repeat {
			t.Errorf("stage %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// TestHeatLog checks that colours follow the logarithm: of 1, 10 and 100 the second is in the middle.
func TestHeatLog(t *testing.T) {
	picture := HeatMap([][]float64{{1, 10, 100}}, HeatMapOptions{Log: true, Colormap: Gray}).Image()
	r, _, _, _ := picture.At(2*(cardPadding+44+20), 2*(cardPadding+10)).RGBA()
	if r>>8 < 126 || r>>8 > 129 {
		t.Errorf("the middle is drawn as %d of 255", r>>8)
	}
	if text := HeatMap([][]float64{{0, 10, 100}}, HeatMapOptions{Log: true}).Text(); !strings.Contains(text, "10 … 100") {
		t.Errorf("the text is %q", text)
	}
}

// TestCellNumber checks that a narrow cell loses digits, not the end of a number.
func TestCellNumber(t *testing.T) {
	s := textStyle{size: smallSize, color: ink}
	for _, c := range []struct {
		v    float64
		want string
	}{{0.5, "0.5"}, {-0.00447, "−0.00447"}} {
		if got := cellNumber(c.v, s, 200); got != c.want {
			t.Errorf("with room %v is %q, want %q", c.v, got, c.want)
		}
	}
	if got := cellNumber(-0.00447, s, s.width("−0.00")); got != "−0.00" {
		t.Errorf("in a narrow cell it is %q", got)
	}
}

// TestDarkened checks the contrast of names on white, 4.5:1 or more.
func TestDarkened(t *testing.T) {
	for i := range 16 {
		if contrast := 1.05 / (relativeLuminance(darkened(paletteColor(i))) + 0.05); contrast < 4.5 {
			t.Errorf("colour %d has a contrast of %.1f", i, contrast)
		}
	}
}

func TestSpreadKeepsFirstAndLast(t *testing.T) {
	images := FromFloats(make([]float32, 10), 10, 1, 1, 1)
	for most, want := range map[int][]int{1: {0}, 2: {0, 9}, 4: {0, 3, 6, 9}, 20: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}} {
		if _, at := spread(images, most); !slices.Equal(at, want) {
			t.Errorf("%d of 10: %v, want %v", most, at, want)
		}
	}
}

// TestVolumeSlicesCutsTheFirstAxis checks that [D H W] is not taken for [H W C].
func TestVolumeSlicesCutsTheFirstAxis(t *testing.T) {
	flat := make([]float32, 3*4*5)
	text := VolumeSlices(tensors.FromFlatDataAndDimensions(flat, 3, 4, 5), FilmOptions{}).Text()
	if !strings.Contains(text, "3 frames of 4×5, one channel") {
		t.Errorf("the text is %q", text)
	}
}

// TestPaletteIsTellable checks that neighbouring series differ in lightness or hue, also beyond the eight published colours.
func TestPaletteIsTellable(t *testing.T) {
	seen := map[color.RGBA]bool{}
	for i := range 16 {
		if c := paletteColor(i); seen[c] {
			t.Errorf("colour %d, %v, is used twice", i, c)
		} else {
			seen[c] = true
		}
	}
}

func TestFullRows(t *testing.T) {
	for _, c := range []struct{ n, most, want int }{{3, 8, 3}, {8, 8, 8}, {32, 16, 16}, {20, 16, 11}, {30, 16, 15}, {9, 8, 6}, {14, 8, 7}, {128, 16, 16}} {
		if got := fullRows(c.n, c.most); got != c.want {
			t.Errorf("%d in rows of at most %d: %d, want %d", c.n, c.most, got, c.want)
		}
	}
}

func TestFromMatrixAndChannel(t *testing.T) {
	m := FromMatrix([][]float64{{1, 2, 3}, {4, 5, 6}})
	if m.H != 2 || m.W != 3 || m.C != 1 || m.Pix[5] != 6 {
		t.Errorf("got %+v", m)
	}
	if got := FromFloats([]float32{1, 2, 3, 4}, 1, 2, 2)[0].Channel(1); !slices.Equal(got.Pix, []float32{2, 4}) {
		t.Errorf("channel 1 is %v", got.Pix)
	}
	for _, bad := range []func(){func() { FromMatrix(nil) }, func() { FromMatrix([][]float64{{1}, {1, 2}}) }, func() { m.Channel(1) }} {
		if _, err := Maybe(func() *Figure { bad(); return nil }); err == nil {
			t.Error("bad input passes")
		}
	}
}

// TestTensorTypes checks each type of number that the documentation promises, and one that it doesn't.
func TestTensorTypes(t *testing.T) {
	for what, m := range map[string]Image{
		"uint8":   FromTensor(tensors.FromFlatDataAndDimensions([]uint8{1, 2}, 1, 2))[0],
		"float64": FromTensor(tensors.FromFlatDataAndDimensions([]float64{1, 2}, 1, 2))[0],
		"int32":   FromTensor(tensors.FromFlatDataAndDimensions([]int32{1, 2}, 1, 2))[0],
		"int64":   FromTensor(tensors.FromFlatDataAndDimensions([]int64{1, 2}, 1, 2))[0],
	} {
		if !slices.Equal(m.Pix, []float32{1, 2}) || m.bytes != (what == "uint8") {
			t.Errorf("%s: %+v", what, m)
		}
	}
	_, err := Maybe(func() *Figure { FromTensor(tensors.FromFlatDataAndDimensions([]complex64{1, 2}, 1, 2)); return nil })
	if err == nil || !strings.Contains(err.Error(), "convert it to float32") {
		t.Errorf("complex numbers give %v", err)
	}
}
