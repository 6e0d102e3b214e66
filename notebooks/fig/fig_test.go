package fig

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fovea/internal/atomicfile"

	"github.com/gomlx/gomlx/core/tensors"
	xdraw "golang.org/x/image/draw"
)

var update = flag.Bool("update", false, "write the golden pictures anew; look at each one before you commit it")

// half returns the picture at the size that it has on the page: golden files stay small, and one device pixel more or
// less of anti-aliasing on another processor doesn't matter.
func half(m image.Image) *image.RGBA {
	b := m.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx()/2, b.Dy()/2))
	xdraw.ApproxBiLinear.Scale(out, out.Bounds(), m, b, xdraw.Src, nil)
	return out
}

func TestGolden(t *testing.T) {
	for _, d := range drawings {
		t.Run(d.name, func(t *testing.T) {
			got := half(d.draw().Image())
			path := filepath.Join("testdata", d.name+".png")
			if *update {
				err := atomicfile.WriteFile(path, func(w io.Writer) error {
					return (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(w, got)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v: run with -update and look at the picture", err)
			}
			want, err := png.Decode(bytes.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			if got.Bounds() != want.Bounds() {
				t.Fatalf("the picture has size %v, the golden one %v", got.Bounds().Size(), want.Bounds().Size())
			}
			// Two measures: the mean catches a wrong colour or place, the share of very different pixels a small thing gone.
			sum, far, n := 0.0, 0, 0
			for y := range got.Bounds().Dy() {
				for x := range got.Bounds().Dx() {
					g := color.NRGBAModel.Convert(got.At(x, y)).(color.NRGBA)
					w := color.NRGBAModel.Convert(want.At(x, y)).(color.NRGBA)
					diff := math.Abs(float64(g.R)-float64(w.R)) + math.Abs(float64(g.G)-float64(w.G)) + math.Abs(float64(g.B)-float64(w.B)) + math.Abs(float64(g.A)-float64(w.A))
					sum, n = sum+diff/4, n+1
					if diff > 120 {
						far++
					}
				}
			}
			if mean := sum / float64(n); mean > 0.3 || far*2000 > n {
				t.Errorf("mean difference %.3f of 255, %d of %d pixels far off; see it with -update and git diff", mean, far, n)
			}
		})
	}
}

// TestCard checks what holds for every kind: nothing is painted into the padding (what is cut off at an edge would be),
// the picture has twice the size on the page, the vector form is well-formed, and drawing again gives the same bytes.
func TestCard(t *testing.T) {
	for _, d := range drawings {
		t.Run(d.name, func(t *testing.T) {
			f := d.draw()
			w, h := f.Size()
			m := f.Image()
			if size := m.Bounds().Size(); size != image.Pt(2*w, 2*h) {
				t.Errorf("the picture has %v pixels, want twice %d×%d", size, w, h)
			}
			if w > pageWidth+2*cardPadding+8 {
				t.Errorf("the figure is %d wide: it doesn't fit the page", w)
			}
			ring := 2 * (cardPadding - 5)
			for y := range 2 * h {
				for x := range 2 * w {
					inside := x >= ring && x < 2*w-ring && y >= ring && y < 2*h-ring
					corner := min(x, 2*w-1-x) < 2*cardRadius && min(y, 2*h-1-y) < 2*cardRadius
					if r, g, b, _ := m.At(x, y).RGBA(); !inside && !corner && (r != 0xffff || g != 0xffff || b != 0xffff) {
						t.Fatalf("something is painted into the padding, at (%d, %d) of %d×%d", x, y, 2*w, 2*h)
					}
				}
			}
			if _, _, _, a := m.At(0, 0).RGBA(); a != 0 {
				t.Errorf("the card's corner is not transparent")
			}
			decoder := xml.NewDecoder(bytes.NewReader(f.SVG()))
			for {
				if _, err := decoder.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("the SVG is not well-formed: %v", err)
				}
			}
			if strings.TrimSpace(f.Text()) == "" || strings.Contains(f.Text(), "%!") {
				t.Errorf("the text form is %q", f.Text())
			}
			again := d.draw()
			if !bytes.Equal(f.PNG(), again.PNG()) || !bytes.Equal(f.SVG(), again.SVG()) || f.Text() != again.Text() {
				t.Error("drawing again gives another figure")
			}
		})
	}
}

func TestMIMEBundle(t *testing.T) {
	f := drawings[0].draw()
	b := f.MIMEBundle()
	picture, _ := b["image/png"].([]byte)
	config, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	w, h := f.Size()
	if config.Width != 2*w || config.Height != 2*h || b["text/plain"] != f.Text() {
		t.Errorf("the bundle holds a picture of %d×%d for %d×%d and the text %q", config.Width, config.Height, w, h, b["text/plain"])
	}
	if _, ok := b["text/html"]; ok {
		t.Error("a grid claims to have an HTML form")
	}
	meta, _ := f.MIMEMetadata()["image/png"].(map[string]any)
	if meta["width"] != w || meta["height"] != h {
		t.Errorf("the metadata is %v, want %d×%d", meta, w, h)
	}
	page, _ := Table([]string{"a"}, [][]string{{"<script>"}}, TableOptions{}).MIMEBundle()["text/html"].(string)
	if !strings.Contains(page, "&lt;script&gt;") {
		t.Errorf("the table's HTML is %q, want the cell escaped", page)
	}
}

func TestSave(t *testing.T) {
	dir := t.TempDir()
	f := drawings[0].draw()
	for ext, begin := range map[string]string{".png": "\x89PNG", ".svg": "<?xml", ".txt": "Six shapes", ".PNG": "\x89PNG"} {
		path := filepath.Join(dir, "new", "figure"+ext)
		if err := f.Save(path); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), begin) {
			t.Errorf("%s begins with %.10q, %v; want %q", ext, b, err, begin)
		}
	}
	clip := Animation(shapes(3, 8), FilmOptions{})
	path := filepath.Join(dir, "clip.gif")
	if err := clip.Save(path); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), "GIF89a") {
		t.Errorf("the animation begins with %.10q, %v", b, err)
	}
	for _, bad := range []string{"figure.bmp", "figure", "figure.html", "figure.gif"} {
		path := filepath.Join(dir, bad)
		if err := f.Save(path); err == nil || !strings.Contains(err.Error(), ".png") {
			t.Errorf("Save(%s) gives %v, want an error that names the extensions", bad, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Save(%s) left a file", bad)
		}
	}
}

// TestBadInput checks that each mistake is named, with what to do, by an Error and not by some crash deep inside.
func TestBadInput(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	one := shapes(1, 4)[0]
	for _, c := range []struct {
		name string
		draw func() *Figure
		want string
	}{
		{"no images", func() *Figure { return Grid(nil, GridOptions{}) }, "no images"},
		{"sizes differ", func() *Figure { return Grid([]Image{one, shapes(1, 5)[0]}, GridOptions{}) }, "all must have one size"},
		{"two channels", func() *Figure { return Grid(FromFloats(make([]float32, 8), 2, 2, 2), GridOptions{}) }, "FeatureMaps"},
		{"titles", func() *Figure { return Grid([]Image{one}, GridOptions{Titles: []string{"a", "b"}}) }, "2 titles"},
		{"scale", func() *Figure { return Grid([]Image{one}, GridOptions{Scale: -1}) }, "negative"},
		{"zero image", func() *Figure { return Grid([]Image{{}}, GridOptions{}) }, "empty"},
		{"NaN pixel", func() *Figure { return Grid(FromFloats([]float32{1, 2, 3, float32(nan)}, 2, 2), GridOptions{}) }, "row 1, column 1, channel 0"},
		{"count", func() *Figure { return Grid(FromFloats(make([]float32, 5), 2, 2), GridOptions{}) }, "need 4"},
		{"rank", func() *Figure { return Grid(FromTensor(noise(1, 5)), GridOptions{}) }, "[B H W C]"},
		{"nil tensor", func() *Figure { return Filters(nil, FilterOptions{}) }, "nil"},
		{"weights rank", func() *Figure { return Filters(noise(1, 3, 3), FilterOptions{}) }, "[kh kw cin cout]"},
		{"weights NaN", func() *Figure {
			return Filters(tensors.FromFlatDataAndDimensions([]float32{float32(nan)}, 1, 1, 1, 1), FilterOptions{})
		}, "not finite"},
		{"a batch of maps", func() *Figure { return FeatureMaps(noise(1, 2, 3, 3, 4), FeatureMapOptions{}) }, "choose one image"},
		{"channel", func() *Figure { return FeatureMaps(noise(1, 3, 3, 4), FeatureMapOptions{Channels: []int{4}}) }, "channel 4 of 4"},
		{"colour heat", func() *Figure { return Overlay(one, one, OverlayOptions{}) }, "has 3 channels, want 1"},
		{"alpha", func() *Figure { return Overlay(one, bump(4, false), OverlayOptions{Alpha: 2}) }, "Alpha"},
		{"no saliency", func() *Figure { return Saliency(nil, OverlayOptions{}) }, "no rows"},
		{"mask", func() *Figure {
			return Segmentation([]SegmentationRow{{Image: one, Mask: make([]float32, 3)}}, SegmentationOptions{})
		}, "3 values, want 4×4"},
		{"no series", func() *Figure { return Curves(CurveOptions{}) }, "no series"},
		{"lengths", func() *Figure { return Curves(CurveOptions{}, Series{Name: "a", X: []float64{1}, Y: []float64{1, 2}}) }, "1 x and 2 y"},
		{"all NaN", func() *Figure { return Curves(CurveOptions{}, Series{Y: []float64{nan, inf}}) }, "no value that is finite"},
		{"log of zero", func() *Figure { return Curves(CurveOptions{LogY: true}, Series{Y: []float64{0, -1}}) }, "logarithmic"},
		{"seeds", func() *Figure { return Curves(CurveOptions{}, SeedSeries("a", nil, [][]float64{{1}, {1, 2}})) }, "run 1"},
		{"bars", func() *Figure { return Bars([]string{"a"}, []BarSeries{{Values: []float64{nan}}}, BarOptions{}) }, "NaN"},
		{"bar count", func() *Figure { return Bars([]string{"a"}, []BarSeries{{Values: []float64{1, 2}}}, BarOptions{}) }, "2 values"},
		{"confusion empty", func() *Figure { return ConfusionMatrix[int](nil, nil, ConfusionOptions{}) }, "empty"},
		{"confusion zero", func() *Figure { return ConfusionMatrix([][]int{{0}}, []string{"a"}, ConfusionOptions{}) }, "all counts are zero"},
		{"confusion ragged", func() *Figure { return ConfusionMatrix([][]int{{1, 2}, {1}}, []string{"a", "b"}, ConfusionOptions{}) }, "row 1"},
		{"table", func() *Figure { return Table([]string{"a"}, [][]string{{"1", "2"}}, TableOptions{}) }, "row 0 has 2 cells"},
		{"heat empty", func() *Figure { return HeatMap(nil, HeatMapOptions{}) }, "empty"},
		{"heat NaN", func() *Figure { return HeatMap([][]float64{{nan}}, HeatMapOptions{}) }, "all 1 values are NaN"},
		{"heat infinite", func() *Figure { return HeatMap([][]float64{{inf}}, HeatMapOptions{}) }, "+Inf"},
		{"one class", func() *Figure { return ROC(RankingOptions{}, Scores{"a", []float64{1}, []bool{true}}) }, "both are needed"},
		{"logits", func() *Figure { return Calibration(RankingOptions{}, Confidences{"a", []float64{3}, []bool{true}}) }, "softmax"},
		{"no points", func() *Figure { return Scatter(ScatterOptions{}) }, "no points"},
		{"point", func() *Figure { return Scatter(ScatterOptions{}, Cloud{X: []float64{nan}, Y: []float64{1}}) }, "point 0"},
		{"compare", func() *Figure { return Compare([]string{"a"}, []CompareRow{{}}, CompareOptions{}) }, "0 images"},
		{"crop", func() *Figure {
			return Compare([]string{"a"}, []CompareRow{{Images: []Image{one}}}, CompareOptions{Crop: &Box{X1: 9, Y1: 1}})
		}, "not inside"},
		{"film", func() *Figure { return FilmStrip(nil, FilmOptions{}) }, "no frames"},
		{"animation", func() *Figure { return Animation(nil, FilmOptions{}) }, "no frames"},
		{"rate", func() *Figure { return Animation([]Image{one}, FilmOptions{Rate: 99}) }, "at most 50"},
		{"volume", func() *Figure { return VolumeSlices(noise(1, 3, 3), FilmOptions{}) }, "[D H W]"},
		{"short sound", func() *Figure { return Spectrogram([]float64{1, 2}, 8000, SoundOptions{}) }, "choose another window"},
		{"silent", func() *Figure { return Waveform(nil, 8000, SoundOptions{}) }, "0 samples"},
		{"architecture", func() *Figure { return Architecture(nil, ArchitectureOptions{}) }, "no stages"},
		{"skip", func() *Figure { return Architecture([]Stage{{Name: "a", From: []int{0}}}, ArchitectureOptions{}) }, "must stand above"},
		{"no sample", func() *Figure { return Histogram(HistogramOptions{}) }, "no samples"},
		{"sample of NaN", func() *Figure { return Histogram(HistogramOptions{}, Sample{Name: "a", Values: []float64{nan}}) }, "no finite value"},
		{"bins", func() *Figure { return Histogram(HistogramOptions{Bins: -1}, Sample{Values: []float64{1}}) }, "-1 bins"},
		{"no angles", func() *Figure { return Polar(PolarOptions{}, Series{Y: []float64{1}}) }, "angle in degrees"},
		{"no polar", func() *Figure { return Polar(PolarOptions{}) }, "no series"},
		{"scatter log", func() *Figure { return Scatter(ScatterOptions{LogX: true}, Cloud{X: []float64{0}, Y: []float64{1}}) }, "point 0"},
		{"scatter values", func() *Figure {
			return Scatter(ScatterOptions{}, Cloud{X: []float64{0}, Y: []float64{1}, Values: []float64{1, 2}})
		}, "2 values for 1 points"},
		{"scatter NaN value", func() *Figure {
			return Scatter(ScatterOptions{}, Cloud{X: []float64{0}, Y: []float64{1}, Values: []float64{nan}})
		}, "value 0 of cloud 0"},
		{"embedding", func() *Figure { return Embedding([][]float64{{1, 2}}, nil, nil, nil, ScatterOptions{}) }, "1 points, 0 labels"},
		{"embedding in 3D", func() *Figure {
			return Embedding([][]float64{{1, 2, 3}}, []int32{0}, []string{"a"}, nil, ScatterOptions{})
		}, "project it first"},
		{"embedding's class", func() *Figure {
			return Embedding([][]float64{{1, 2}}, []int32{1}, []string{"a"}, nil, ScatterOptions{})
		}, "the label 1"},
		{"heat log", func() *Figure { return HeatMap([][]float64{{-1, 0}}, HeatMapOptions{Log: true}) }, "need positive"},
		{"heat log signed", func() *Figure { return HeatMap([][]float64{{1}}, HeatMapOptions{Log: true, Signed: true}) }, "no zero"},
		{"link", func() *Figure {
			return Segmentation([]SegmentationRow{{Image: one, Links: [][2]int{{0, 1}}}}, SegmentationOptions{})
		}, "there are 0 points"},
		{"panels", func() *Figure { return Panels(-1) }, "-1 columns"},
		{"stages", func() *Figure { return Architecture(Stages([][]string{{"layer"}, {"a"}}), ArchitectureOptions{}) }, `lack "kind"`},
		{"stage count", func() *Figure {
			return Architecture(Stages([][]string{{"layer", "kind", "output", "parameters"}, {"a", "b", "c", "many"}}), ArchitectureOptions{})
		}, `"many" parameters`},
		{"empty row", func() *Figure { return Row() }, "no figures"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Maybe(c.draw)
			if f != nil || err == nil || !strings.HasPrefix(err.Error(), "fig.") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestMaybePassesOtherPanics(t *testing.T) {
	defer func() {
		if r := recover(); r != "other" {
			t.Errorf("recovered %v, want the panic that is not ours", r)
		}
	}()
	_, _ = Maybe(func() *Figure { panic("other") })
}

// TestPixelsAreExact checks that enlarging keeps each pixel one block of its own colour: no blur, no shift.
func TestPixelsAreExact(t *testing.T) {
	m := shapes(1, 5)[0]
	const scale = 3
	picture := Grid([]Image{m}, GridOptions{Scale: scale}).Image()
	for y := range m.H {
		for x := range m.W {
			want := color.RGBA{uint8(m.Pix[(y*m.W+x)*3]), uint8(m.Pix[(y*m.W+x)*3+1]), uint8(m.Pix[(y*m.W+x)*3+2]), 255}
			for i := range scale * density * scale * density {
				at := image.Pt((cardPadding+x*scale)*density+i%(scale*density), (cardPadding+y*scale)*density+i/(scale*density))
				if got := picture.At(at.X, at.Y); got != want {
					t.Fatalf("pixel (%d, %d) is %v at %v, want %v", x, y, got, at, want)
				}
			}
		}
	}
}

// TestFiguresKeepTheirData changes the data after the figure is made and before it is drawn.
func TestFiguresKeepTheirData(t *testing.T) {
	y, pixels := []float64{1, 2, 3}, []uint8{0, 0, 0, 255}
	matrix, counts := [][]float64{{1, 2}}, [][]int{{3}}
	make4 := func() *Figure {
		return Column(Curves(CurveOptions{}, Series{Y: y}), Grid(FromBytes(pixels, 2, 2), GridOptions{}),
			HeatMap(matrix, HeatMapOptions{}), ConfusionMatrix(counts, []string{"a"}, ConfusionOptions{Counts: true}))
	}
	want := make4().PNG()
	f := make4()
	y[0], pixels[0], matrix[0][0], counts[0][0] = 9, 255, 9, 4
	if !bytes.Equal(f.PNG(), want) {
		t.Error("the figure changed with the data")
	}
	if bytes.Equal(make4().PNG(), want) {
		t.Error("other data gives the same figure: the test is blind")
	}
}
