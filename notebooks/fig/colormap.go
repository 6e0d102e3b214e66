package fig

import (
	"image/color"
	"math"
	"strconv"
	"strings"
)

// A Colormap turns a value in [0, 1] into a colour by linear interpolation, in sRGB, between equally spaced anchors.
// Values outside are clamped. The zero Colormap is Gray.
type Colormap struct {
	Name    string
	anchors []color.RGBA
}

// The anchors of Viridis, Magma and Turbo are every fifth of the 256 published colours; what lies between is off by at
// most one step of 255 in any channel.
var (
	// Viridis is perceptually uniform, from dark blue to yellow. By Nathaniel Smith, Stéfan van der Walt and Eric
	// Firing, 2015, CC0, https://bids.github.io/colormap/.
	Viridis = Colormap{"viridis", hex(`
		440154 46085c 471063 481769 481d6f 482475 472a7a 46307e 453781 433d84 414287 3f4889 3d4e8a 3a538b 38598c 355e8d 33638d 31688e
		2e6d8e 2c718e 2a768e 297b8e 27808e 25848e 23898e 218e8d 20928c 1f978b 1e9c89 1fa188 21a585 24aa83 28ae80 2eb37c 35b779 3dbc74
		46c06f 50c46a 5ac864 65cb5e 70cf57 7cd250 89d548 95d840 a2da37 b0dd2f bddf26 cae11f d8e219 e5e419 f1e51d fde725`)}

	// Magma is perceptually uniform, from black through purple to a light yellow. Authors, licence and source as Viridis.
	Magma = Colormap{"magma", hex(`
		000004 02020b 050416 090720 0e0b2b 140e36 1a1042 21114e 29115a 311165 390f6e 420f75 4a1079 52137c 5a167e 621980 6a1c81 721f81
		792282 812581 892881 912b81 992d80 a1307e aa337d b2357b ba3878 c23b75 ca3e72 d2426f d9466b e04c67 e75263 ec5860 f1605d f4695c
		f7725c f97b5d fb8560 fc8e64 fd9869 fea16e feaa74 feb47b febd82 fec68a fecf92 fed89a fde2a3 fdebac fcf4b6 fcfdbf`)}

	// Turbo is a rainbow without the rainbow's false edges; it is not monotone in lightness, so use it where values are
	// read by colour, not compared. By Anton Mikhailov, Google 2019, Apache-2.0,
	// https://research.google/blog/turbo-an-improved-rainbow-colormap-for-visualization/.
	Turbo = Colormap{"turbo", hex(`
		30123b 36215f 3b2f80 3f3e9c 424bb5 4559cb 4666dd 4773eb 4680f6 458cfd 4099ff 38a5fb 2fb2f4 27bee9 1fc9dd 1ad4d0 18ddc2 1ae4b6
		22ebaa 2ff19b 3ff68a 52fa7a 65fd69 79fe59 8bff4b 9cfe40 a9fb39 b7f735 c3f134 d0ea34 dbe236 e5d938 eecf3a f5c53a faba39 fdae35
		fea130 fe932a fc8423 f9751d f46617 ef5811 e84b0c e14109 d83706 ce2d04 c32503 b71d02 a91601 9b0f01 8b0902 7a0403`)}

	// Gray runs from black to white.
	Gray = Colormap{"gray", hex(`000000 ffffff`)}

	// BWR is diverging: blue, white, red. White is the middle of the range; signed maps put zero there.
	BWR = Colormap{"bwr", hex(`0000ff ffffff ff0000`)}
)

func hex(s string) []color.RGBA {
	var all []color.RGBA
	for _, f := range strings.Fields(s) {
		v, err := strconv.ParseUint(f, 16, 24)
		if err != nil {
			panic(err) // a typing error in the tables above
		}
		all = append(all, color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255})
	}
	return all
}

// At returns the colour of v; NaN gives a light gray that no map contains.
func (m Colormap) At(v float64) color.RGBA {
	if math.IsNaN(v) {
		return noData
	}
	anchors := m.anchors
	if anchors == nil {
		anchors = Gray.anchors
	}
	v = min(max(v, 0), 1) * float64(len(anchors)-1)
	i := min(int(v), len(anchors)-2)
	a, b, t := anchors[i], anchors[i+1], v-float64(i)
	mix := func(p, q uint8) uint8 { return uint8(float64(p)*(1-t) + float64(q)*t + 0.5) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// Reversed returns m from its end to its beginning.
func (m Colormap) Reversed() Colormap {
	r := Colormap{Name: m.Name + " reversed"}
	anchors := m.anchors
	if anchors == nil {
		anchors = Gray.anchors
	}
	for i := len(anchors) - 1; i >= 0; i-- {
		r.anchors = append(r.anchors, anchors[i])
	}
	return r
}

func (m Colormap) isZero() bool { return m.anchors == nil }

// or returns m, or other where m was left out.
func (m Colormap) or(other Colormap) Colormap {
	if m.isZero() {
		return other
	}
	return m
}

// relativeLuminance is the CIE luminance Y of c, from 0 to 1 (IEC 61966-2-1).
func relativeLuminance(c color.RGBA) float64 {
	linear := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}
