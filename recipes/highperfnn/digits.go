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

// digits draws n digits, each a font's by chance, turned, sheared, moved, scaled and bent about as Distort does, under noise.
func digits(n int, seed uint64, part string) (*datasets.Images, error) {
	glyphs, err := templates()
	if err != nil {
		return nil, fmt.Errorf("draw digits: %w", err)
	}
	r := rand.New(rand.NewPCG(seed, 0x0d))
	jitter := datasets.Then(datasets.Affine(datasets.AffineOptions{Rotate: 15, Shift: 0.05, Scale: 0.15, Shear: 10}), Elastic(6, 36))
	im := &datasets.Images{
		Name: "font digits/" + part, N: n, H: digitSize, W: digitSize, C: 1, Synthetic: true, Pixels: make([]uint8, n*digitSize*digitSize),
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
			pixels[p] = uint8(min(max(float64(pixels[p])+30*r.NormFloat64(), 0), 255))
		}
	}
	return im, nil
}

// digitData is few digits to learn from and many to test with, from other seeds.
func digitData() (d recipes.Data, err error) {
	for _, part := range []struct {
		to   **datasets.Images
		n    int
		name string
	}{{&d.Train, 320, "train"}, {&d.Valid, 1000, "valid"}, {&d.Test, 3000, "test"}} {
		if *part.to, err = digits(part.n, uint64(part.n), part.name); err != nil {
			return d, err
		}
	}
	return d, nil
}
