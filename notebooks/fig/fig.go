// Package fig draws what people look at while they study networks: image grids, filters and feature maps, heat maps over
// images, learning curves, bars, confusion matrices, tables.
//
// Every function returns a *Figure, which shows itself in a notebook (a PNG at twice the resolution, so that it is sharp
// on any screen) and in a terminal (text), and saves itself as PNG, SVG or text:
//
//	fig.Grid(fig.FromBytes(pixels, 16, 32, 32, 3), fig.GridOptions{Titles: names})
//	fig.Curves(fig.CurveOptions{Title: "Loss"}, fig.Series{Name: "train", Y: loss}).Save("loss.svg")
//
// # Kinds
//
//	pictures      Grid           images of one size with titles; signed maps with Normalize: Signed
//	              Filters        kernels of a convolution, in colour or by channel
//	              FeatureMaps    channels of an activation
//	              Compare        examples in rows under headings, before and after, with metrics and an enlarged part
//	              Segmentation   masks, boxes, seeds, key points and poses on images
//	              FilmStrip      frames of a clip with their times
//	              Animation      a clip that moves
//	              VolumeSlices   slices of a volume
//	attribution   Overlay        a heat map over an image, with a colour bar
//	              Saliency       image, map and overlay of several images
//	              Attributions   one image under several methods
//	curves        Curves         lines with bands, error bars and thresholds, on plain or logarithmic axes
//	              Training       loss and accuracy of a run that may still go on
//	              Polar          values over angles, such as a rotation curve
//	              Histogram      distributions
//	              Waveform       samples of a sound
//	              Spectrogram    its frequencies over time
//	              Sound          both
//	comparisons   Bars           bars with errors and values
//	              HeatMap        a matrix with a colour bar; signed, or over orders of magnitude
//	              Scatter        points, coloured by cloud or by value, or images in their place
//	              Embedding      a scatter of classes without axes
//	              Table          rows and columns; HTML in a notebook
//	classifiers   ConfusionMatrix  shares of each class, with recall and precision
//	              ROC, PrecisionRecall, Calibration  curves with AUC, average precision and ECE
//	networks      Architecture   a drawing of stages, which Stages reads off a table of layers
//	layout        Row, Column, Panels  figures on one card
//
// # Data
//
// Pictures enter as Image values, made by FromImage, FromTensor, FromFloats, FromBytes and FromMatrix; layouts are
// [H W], [H W C] and [B H W C]. Everything is copied when the figure is made: a figure doesn't change when the data does.
//
// # Errors
//
// The drawing functions have one result, so that they can be the last line of a cell and be nested. Input that cannot be
// drawn (no images, sizes that don't fit, values that are not finite) is a mistake in the calling code, and they panic
// with an Error that says what is wrong and what to do. Maybe turns such a panic into an error, for programs that must go on.
//
// # Looks
//
// A figure is a white card with its own padding and round corners: on a light page it melts into the paper, on a dark page
// its colours stay what they are, which a transparent background cannot promise for heat maps and photographs.
package fig

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"path/filepath"
	"strings"
	"sync"

	"fovea/internal/atomicfile"
)

// An Error is the value of this package's panics: the function's name, what is wrong with its input, and what to do.
type Error string

func (e Error) Error() string { return string(e) }

func fail(function, format string, args ...any) {
	panic(Error("fig." + function + ": " + fmt.Sprintf(format, args...)))
}

// Maybe calls draw and returns its figure, or the Error that it panicked with. Other panics go on.
func Maybe(draw func() *Figure) (f *Figure, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(Error)
			if !ok {
				panic(r)
			}
			f, err = nil, e
		}
	}()
	return draw(), nil
}

// A Figure is one finished drawing. Its methods may be called from any goroutine, and give the same bytes every time.
type Figure struct {
	body block
	text string
	html string // of tables, which front ends lay out better than any picture, and animations
	gif  []byte // of animations

	once   sync.Once // the picture is drawn when it is first asked for
	raster *image.RGBA
	png    []byte
}

// Size returns the width and height of f in CSS pixels, padding included. PNG has twice as many pixels in each direction.
func (f *Figure) Size() (width, height int) {
	w, h := cardSize(f.body)
	return w, h
}

func (f *Figure) render() {
	f.once.Do(func() {
		f.raster = paintRaster(f.body)
		var out bytes.Buffer
		encoder := png.Encoder{CompressionLevel: png.BestSpeed}
		if err := encoder.Encode(&out, f.raster); err != nil {
			panic(fmt.Sprintf("fig: encode a picture of %v: %v", f.raster.Bounds().Size(), err)) // not reached: memory doesn't fail
		}
		f.png = out.Bytes()
	})
}

// Image returns the picture at twice the resolution of Size. The caller must not draw on it.
func (f *Figure) Image() image.Image { f.render(); return f.raster }

// PNG returns the picture at twice the resolution of Size, as a PNG file. The caller must not change the bytes.
func (f *Figure) PNG() []byte { f.render(); return f.png }

// SVG returns the figure as an SVG document. Text stays text, in Liberation Sans or a font of the same widths
// (Arial, Helvetica); pictures are embedded at their own resolution.
func (f *Figure) SVG() []byte { return paintVector(f.body) }

// Text returns what the figure shows, in words and numbers.
func (f *Figure) Text() string { return f.text }

// String is Text, so that printing a figure is useful.
func (f *Figure) String() string { return f.text }

// MIMEBundle returns the figure's forms by MIME type: image/png ([]byte), text/plain, and for tables and
// animations text/html.
func (f *Figure) MIMEBundle() map[string]any {
	bundle := map[string]any{"image/png": f.PNG(), "text/plain": f.text}
	if f.html != "" {
		bundle["text/html"] = f.html
	}
	return bundle
}

// MIMEMetadata tells front ends the size of the picture on the page, which is half of its size in pixels.
func (f *Figure) MIMEMetadata() map[string]any {
	w, h := f.Size()
	return map[string]any{"image/png": map[string]any{"width": w, "height": h}}
}

// Save writes the figure to path in the form that the extension names: .png, .svg, .txt, for tables .html, and
// for animations .html and .gif.
// The file is whole or, on an error, not changed at all; the folder is made when it is missing.
func (f *Figure) Save(path string) error {
	var content []byte
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".png":
		content = f.PNG()
	case ".svg":
		content = f.SVG()
	case ".txt":
		content = []byte(strings.TrimRight(f.text, "\n") + "\n")
	case ".html":
		if f.html == "" {
			return fmt.Errorf("save %s: only tables and animations are saved as HTML; use .png, .svg or .txt", path)
		}
		content = []byte(f.html + "\n")
	case ".gif":
		if f.gif == nil {
			return fmt.Errorf("save %s: only animations are saved as GIF; use .png, .svg or .txt", path)
		}
		content = f.gif
	default:
		return fmt.Errorf("save %s: unknown extension %q; use .png, .svg, .txt, or .html for a table", path, ext)
	}
	return atomicfile.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
