package highperfnn

import (
	"fmt"
	"image"
	"math/rand/v2"
	"strconv"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gobolditalic"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/gomonobolditalic"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"fovea/datasets"
	"fovea/recipes"
)

const digitSize = 29

// templates draws the ten digits of six of Go's fonts, white on black in the middle of 29×29 pixels: [font·10 + digit].
func templates() ([][]uint8, error) {
	var all [][]uint8
	for _, ttf := range [][]byte{goregular.TTF, gobold.TTF, goitalic.TTF, gobolditalic.TTF, gomono.TTF, gomonobolditalic.TTF} {
		parsed, err := opentype.Parse(ttf)
		if err != nil {
			return nil, err
		}
		face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: 26, DPI: 72})
		if err != nil {
			return nil, err
		}
		for digit := range 10 {
			canvas := image.NewGray(image.Rect(0, 0, digitSize, digitSize))
			text := strconv.Itoa(digit)
			bounds, _ := font.BoundString(face, text)
			middle := bounds.Min.Add(bounds.Max).Div(fixed.I(2))
			d := font.Drawer{Dst: canvas, Src: image.White, Face: face, Dot: fixed.P(digitSize/2, digitSize/2).Sub(middle)}
			d.DrawString(text)
			pixels := make([]uint8, 0, digitSize*digitSize)
			for y := range digitSize {
				pixels = append(pixels, canvas.Pix[y*canvas.Stride:y*canvas.Stride+digitSize]...)
			}
			all = append(all, pixels)
		}
		if err := face.Close(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// A style says how far drawn digits are from their font's: an elastic field of that alpha after the affine map, and the deviation
// of the noise.
type style struct {
	name           string
	affine         datasets.AffineOptions
	elastic, noise float64
}

// Mild digits are bent about as Distort does, which either of two depths masters; hard ones about twice as much, so that neither does.
var (
	mild = style{"font digits", datasets.AffineOptions{Rotate: 15, Shift: 0.05, Scale: 0.15, Shear: 10}, 36, 30}
	hard = style{"hard font digits", datasets.AffineOptions{Rotate: 25, Shift: 0.1, Scale: 0.25, Shear: 20}, 60, 40}
)

// digits draws n digits, each a font's by chance, turned, sheared, moved, scaled and bent in the style, under noise.
func digits(n int, seed uint64, part string, how style) (*datasets.Images, error) {
	glyphs, err := templates()
	if err != nil {
		return nil, fmt.Errorf("draw digits: %w", err)
	}
	r := rand.New(rand.NewPCG(seed, 0x0d))
	jitter := datasets.Then(datasets.Affine(how.affine), Elastic(6, how.elastic))
	im := &datasets.Images{
		Name: how.name + "/" + part, N: n, H: digitSize, W: digitSize, C: 1, Synthetic: true, Pixels: make([]uint8, n*digitSize*digitSize),
		Norm: datasets.Normalization{Mean: []float32{0.5}, Std: []float32{0.5}}, // values from −1 to 1
	}
	for digit := range 10 {
		im.Classes = append(im.Classes, strconv.Itoa(digit))
	}
	for i := range n {
		glyph := r.IntN(len(glyphs))
		im.Labels = append(im.Labels, int32(glyph%10))
		pixels := im.PixelsAt(i)
		jitter(pixels, glyphs[glyph], digitSize, digitSize, 1, r)
		for p := range pixels {
			pixels[p] = uint8(min(max(float64(pixels[p])+how.noise*r.NormFloat64(), 0), 255))
		}
	}
	return im, nil
}

// mildDigits is few digits to learn from and many to test with, from other seeds.
func mildDigits() (recipes.Data, error) { return digitData(320, 1000, 3000, mild) }

// hardDigits is enough digits to learn from without distorting them anew.
func hardDigits() (recipes.Data, error) { return digitData(4000, 2000, 3000, hard) }

// digitData draws three parts, each from its number for a seed.
func digitData(train, valid, test int, how style) (d recipes.Data, err error) {
	for _, part := range []struct {
		to   **datasets.Images
		n    int
		name string
	}{{&d.Train, train, "train"}, {&d.Valid, valid, "valid"}, {&d.Test, test, "test"}} {
		if *part.to, err = digits(part.n, uint64(part.n), part.name, how); err != nil {
			return d, err
		}
	}
	return d, nil
}
