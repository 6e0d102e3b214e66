package fig

import (
	"fmt"
	"image"
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/dsp/window"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// SoundOptions describes Waveform and Spectrogram. The zero value is useful.
type SoundOptions struct {
	Title, Caption string
	// Window and Hop of the short-time Fourier transform in seconds; 0 means 0.025 and 0.010.
	Window, Hop float64
	// Floor is the level in dB below the loudest at which colours end; 0 means 80.
	Floor float64
	// MaxFrequency in Hz cuts the picture; 0 shows all up to half the sampling rate.
	MaxFrequency float64
	// Colormap; Magma when left out.
	Colormap Colormap
	// Width of the plot in CSS pixels; 0 means 620.
	Width int
}

func (o SoundOptions) check(function string, samples []float64, rate float64) SoundOptions {
	if len(samples) == 0 || !(rate > 0) || math.IsInf(rate, 0) {
		fail(function, "%d samples at a rate of %v Hz: both must be positive", len(samples), rate)
	}
	for i, v := range samples {
		if !finite(v) {
			fail(function, "sample %d is %v", i, v)
		}
	}
	if o.Window < 0 || o.Hop < 0 || o.Floor < 0 || o.MaxFrequency < 0 {
		fail(function, "Window, Hop, Floor and MaxFrequency may not be negative")
	}
	if o.Window == 0 {
		o.Window = 0.025
	}
	if o.Hop == 0 {
		o.Hop = 0.010
	}
	if o.Floor == 0 {
		o.Floor = 80
	}
	o.Width = orDefault(o.Width, 620)
	return o
}

// Waveform draws samples over time in seconds; rate is the number of samples a second.
func Waveform(samples []float64, rate float64, o SoundOptions) *Figure {
	o = o.check("Waveform", samples, rate)
	p := waveform(samples, rate)
	p.X.Label.Text = "time in s"
	width, height := float64(o.Width), 130.0
	body := block{width, height, func(c *canvas) { c.plot(p, 0, 0, width, height) }}
	low, high := finiteLimits(samples)
	return newFigure(o.Title, o.Caption, body, soundText(samples, rate)+fmt.Sprintf("amplitude %s … %s", number(low), number(high)))
}

func waveform(samples []float64, rate float64) *plot.Plot {
	x := make([]float64, len(samples))
	for i := range x {
		x[i] = float64(i) / rate
	}
	p, _, _ := curvePlot("Waveform", CurveOptions{YLabel: "amplitude", Height: 130, XRange: [2]float64{0, float64(len(samples)) / rate}},
		[]Series{{X: x, Y: samples}})
	p.X.Tick.Marker = ticks{8}
	return p
}

func soundText(samples []float64, rate float64) string {
	return fmt.Sprintf("%d samples at %s Hz, %s s\n", len(samples), number(rate), number(float64(len(samples))/rate))
}

// Spectrogram draws the level of each frequency over time, in dB below the loudest: Hann windows, squared magnitude.
// It panics when there are fewer samples than one window takes.
func Spectrogram(samples []float64, rate float64, o SoundOptions) *Figure {
	return spectrogram("Spectrogram", samples, rate, o, false)
}

// Sound draws the waveform above the spectrogram; it panics as Spectrogram does.
func Sound(samples []float64, rate float64, o SoundOptions) *Figure {
	return spectrogram("Sound", samples, rate, o, true)
}

func spectrogram(function string, samples []float64, rate float64, o SoundOptions, withWave bool) *Figure {
	o = o.check(function, samples, rate)
	n, hop := int(math.Round(o.Window*rate)), max(int(math.Round(o.Hop*rate)), 1)
	if n < 4 || len(samples) < n {
		fail(function, "%d samples, and a window of %v s at %v Hz takes %d: choose another window", len(samples), o.Window, rate, n)
	}
	levels, loudest := stft(samples, n, hop)
	top := rate / 2
	rows := len(levels[0])
	if o.MaxFrequency > 0 && o.MaxFrequency < top {
		rows = min(max(int(o.MaxFrequency/top*float64(rows-1))+1, 2), rows)
		top *= float64(rows-1) / float64(len(levels[0])-1)
	}
	colormap := o.Colormap.or(Magma)
	picture := image.NewRGBA(image.Rect(0, 0, len(levels), rows))
	for x, column := range levels {
		for y := range rows {
			db := column[y] - loudest
			picture.SetRGBA(x, rows-1-y, colormap.At(1+db/o.Floor)) // low frequencies below
		}
	}

	width, height := float64(o.Width), 230.0
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = "time in s", "frequency in kHz"
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, float64(len(samples))/rate, 0, top/1000
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks{8}, ticks{4}
	bar := colorBar(colormap, -o.Floor, 0, height-40)

	var wave *plot.Plot
	waveHeight, left, waveLeft := 0.0, 0.0, 0.0
	if withWave {
		wave, waveHeight = waveform(samples, rate), 100
		// Both time axes begin below each other, whatever their labels need.
		waveLeft, left = dataLeft(p, width, height), dataLeft(wave, width, waveHeight)
		waveLeft, left = max(waveLeft-left, 0), max(left-waveLeft, 0)
	}
	body := block{width + 12 + bar.width, height + waveHeight, func(c *canvas) {
		if wave != nil {
			c.plot(wave, waveLeft, 0, width-waveLeft, waveHeight)
		}
		c = c.at(0, waveHeight)
		c.plot(p, left, 0, width-left, height)
		area := c.draw(left, 0, width-left, height)
		data := p.DataCanvas(area)
		x0, x1 := left+float64(data.Min.X-area.Min.X)/0.75, left+float64(data.Max.X-area.Min.X)/0.75
		y0, y1 := height-float64(data.Max.Y-area.Min.Y)/0.75, height-float64(data.Min.Y-area.Min.Y)/0.75
		// One frame stands for a hop around its middle.
		perSecond := (x1 - x0) / p.X.Max
		begin := x0 + max(float64(n-hop)/2/rate, 0)*perSecond
		end := min(begin+float64(len(levels)*hop)/rate*perSecond, x1)
		c.image(picture, max(begin, x0+1), y0, end-max(begin, x0+1), y1-y0-1)
		bar.paint(c.at(width+12, 0))
		c.text("dB", tickStyle, width+12, height-28, 0)
	}}
	text := soundText(samples, rate) + fmt.Sprintf("%d frames of %d samples every %d, %d frequencies to %s Hz, %s dB", len(levels), n, hop, rows, number(top), number(o.Floor))
	return newFigure(o.Title, o.Caption, body, text)
}

// dataLeft returns how far the data of p begin from the left edge of its place.
func dataLeft(p *plot.Plot, width, height float64) float64 {
	area := draw.Canvas{Rectangle: vg.Rectangle{Max: vg.Point{X: px(width), Y: px(height)}}}
	return float64(p.DataCanvas(area).Min.X) / 0.75
}

// stft returns the level in dB of each frame and frequency, and the greatest.
func stft(samples []float64, n, hop int) (levels [][]float64, loudest float64) {
	transform := fourier.NewFFT(n)
	loudest = math.Inf(-1)
	for start := 0; start+n <= len(samples); start += hop {
		frame := window.Hann(append([]float64(nil), samples[start:start+n]...))
		var column []float64
		for _, v := range transform.Coefficients(nil, frame) {
			db := 10 * math.Log10(real(v)*real(v)+imag(v)*imag(v)+1e-20)
			column, loudest = append(column, db), max(loudest, db)
		}
		levels = append(levels, column)
	}
	return levels, loudest
}
