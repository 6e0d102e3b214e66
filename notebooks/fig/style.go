package fig

import (
	"image/color"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	_ "gonum.org/v1/plot/font/liberation" // embeds the font that text is set in
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Lengths are CSS pixels (1/96 inch) in this package, and vg.Length (points, 1/72 inch) only where gonum/plot is called.
const (
	pageWidth   = 760 // what fits a notebook's output column without being scaled down
	cardPadding = 14
	cardRadius  = 8
	gap         = 8 // between cells of a grid, and between a heading and what it heads
)

// Four sizes of text, no more: what is larger is more important.
const (
	titleSize = 16
	labelSize = 13
	tickSize  = 12
	smallSize = 11
)

var (
	ink    = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	muted  = color.RGBA{0x59, 0x63, 0x6e, 0xff} // 6:1 on white: secondary, still readable
	rule   = color.RGBA{0xd8, 0xdd, 0xe3, 0xff}
	faint  = color.RGBA{0xec, 0xef, 0xf2, 0xff}
	paper  = color.RGBA{0xff, 0xff, 0xff, 0xff}
	noData = color.RGBA{0xe4, 0xe6, 0xe9, 0xff} // cells without a value
)

// Palette holds eight colours that people with any common colour blindness can tell apart, in the order in which series
// take them. Source: Okabe, Ito 2008, "Color Universal Design", https://jfly.uni-koeln.de/color/. Yellow, too light for
// lines on white, comes last but for black.
var Palette = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0xd5, 0x5e, 0x00, 0xff}, // vermilion
	{0x00, 0x9e, 0x73, 0xff}, // bluish green
	{0xcc, 0x79, 0xa7, 0xff}, // reddish purple
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0x56, 0xb4, 0xe9, 0xff}, // sky blue
	{0xf0, 0xe4, 0x42, 0xff}, // yellow
	{0x00, 0x00, 0x00, 0xff}, // black
}

// paletteColor is the palette, and after its eight colours the same ones darkened (black lightened).
func paletteColor(i int) color.RGBA {
	c := Palette[i%len(Palette)]
	if i/len(Palette)%2 == 0 {
		return c
	}
	mix := func(v uint8) uint8 { return uint8((2*int(v) + 60) / 4) }
	if c.R == 0 && c.G == 0 && c.B == 0 {
		return color.RGBA{0x99, 0x99, 0x99, 0xff}
	}
	return color.RGBA{mix(c.R), mix(c.G), mix(c.B), 255}
}

// withAlpha returns c at the given opacity.
func withAlpha(c color.RGBA, alpha float64) color.NRGBA {
	return color.NRGBA{c.R, c.G, c.B, uint8(alpha*255 + 0.5)}
}

// readableOn returns the text colour with the better contrast on c.
func readableOn(c color.RGBA) color.RGBA {
	if relativeLuminance(c) > 0.30 {
		return ink
	}
	return paper
}

func px(x float64) vg.Length { return vg.Length(x * 0.75) } // 96 pixels and 72 points an inch

type textStyle struct {
	size  float64
	bold  bool
	mono  bool
	color color.Color
}

var (
	titleStyle   = textStyle{size: titleSize, bold: true, color: ink}
	headStyle    = textStyle{size: labelSize, bold: true, color: ink}
	labelStyle   = textStyle{size: labelSize, color: ink}
	captionStyle = textStyle{size: tickSize, color: muted}
	tickStyle    = textStyle{size: tickSize, color: muted}
	smallStyle   = textStyle{size: smallSize, color: muted}
)

var plainText = text.Plain{Fonts: font.DefaultCache}

func (s textStyle) font() font.Font {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: px(s.size)}
	if s.mono {
		f.Variant = "Mono"
	}
	if s.bold {
		f.Weight = xfont.WeightBold
	}
	return f
}

// style returns s for gonum/plot; x and y say which point of the text is placed: 0 left or bottom, ½ middle, 1 right or top.
func (s textStyle) style(x, y float64) draw.TextStyle {
	return draw.TextStyle{
		Color: s.color, Font: s.font(), Handler: plainText,
		XAlign: text.XAlignment(-x), YAlign: text.YAlignment(-y),
	}
}

func (s textStyle) width(t string) float64 {
	w, _, _ := plainText.Box(t, s.font())
	return float64(w) / 0.75
}

// lineHeight is the distance of two baselines.
func (s textStyle) lineHeight() float64 { return s.size * 1.35 }

// fit shortens t with an ellipsis until it is at most width wide.
func (s textStyle) fit(t string, width float64) string {
	if s.width(t) <= width {
		return t
	}
	runes := []rune(t)
	for n := len(runes) - 1; n > 0; n-- {
		if short := strings.TrimRight(string(runes[:n]), " ") + "…"; s.width(short) <= width {
			return short
		}
	}
	return "…"
}

// wrap breaks t at spaces into lines of at most width; a longer word stands alone and is cut. Line breaks in t stay.
func (s textStyle) wrap(t string, width float64) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(t), "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			if longer := strings.TrimSpace(line + " " + word); line == "" || s.width(longer) <= width {
				line = longer
				continue
			}
			lines = append(lines, s.fit(line, width))
			line = word
		}
		lines = append(lines, s.fit(line, width))
	}
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines
}

// newPlot returns a gonum plot in this package's style: no frame, a light grid added by the caller, our fonts.
func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.LineStyle = draw.LineStyle{Color: muted, Width: px(1)}
		axis.Padding = 0
		axis.Tick.LineStyle = draw.LineStyle{Color: muted, Width: px(1)}
		axis.Tick.Length = px(4)
		axis.Tick.Label.Color, axis.Tick.Label.Font, axis.Tick.Label.Handler = tickStyle.color, tickStyle.font(), plainText
		axis.Label.TextStyle.Color, axis.Label.TextStyle.Font = muted, captionStyle.font()
		axis.Label.TextStyle.Handler = plainText
		axis.Label.Padding = px(4)
	}
	return p
}
