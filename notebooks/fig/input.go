package fig

import (
	"image"
	"image/color"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
)

// An Image is a picture or a map as numbers: H rows of W pixels of C channels, in that order.
// One channel is a map, drawn through a colour map; three are red, green and blue; four add alpha.
// Make one with FromImage, FromTensor, FromFloats, FromBytes or FromMatrix.
type Image struct {
	H, W, C int
	Pix     []float32 // [H W C], finite
	bytes   bool      // the values are 0 … 255
}

// FromImage returns m as an Image of three channels, or of one when m is a gray picture.
// Transparent pixels are set on white.
func FromImage(m image.Image) Image {
	if m == nil || m.Bounds().Empty() {
		fail("FromImage", "the image is nil or empty")
	}
	b := m.Bounds()
	out := Image{H: b.Dy(), W: b.Dx(), C: 3, bytes: true}
	switch m.ColorModel() {
	case color.GrayModel, color.Gray16Model:
		out.C = 1
	}
	out.Pix = make([]float32, 0, out.H*out.W*out.C)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, bl, a := m.At(x, y).RGBA() // premultiplied: adding what is missing in white sets it on white
			white := 0xffff - a
			if out.C == 1 {
				out.Pix = append(out.Pix, float32((r+white)>>8))
				continue
			}
			out.Pix = append(out.Pix, float32((r+white)>>8), float32((g+white)>>8), float32((bl+white)>>8))
		}
	}
	return out
}

// FromTensor returns the images in t: one for [H W] and [H W C], B for [B H W C].
// It takes float32, float64, uint8 (0 … 255), bool, int32 and int64, and panics on other shapes and types and on values
// that are not finite.
func FromTensor(t *tensors.Tensor) []Image {
	if t == nil {
		fail("FromTensor", "the tensor is nil")
	}
	dims := t.Shape().Dimensions
	switch t.DType() {
	case dtypes.Uint8:
		return fromFlat("FromTensor", tensors.MustCopyFlatData[uint8](t), dims, true)
	case dtypes.Float32:
		return fromFlat("FromTensor", tensors.MustCopyFlatData[float32](t), dims, false)
	case dtypes.Float64:
		return fromFlat("FromTensor", tensors.MustCopyFlatData[float64](t), dims, false)
	case dtypes.Int32:
		return fromFlat("FromTensor", tensors.MustCopyFlatData[int32](t), dims, false)
	case dtypes.Int64:
		return fromFlat("FromTensor", tensors.MustCopyFlatData[int64](t), dims, false)
	case dtypes.Bool:
		flags := tensors.MustCopyFlatData[bool](t)
		values := make([]float32, len(flags))
		for i, on := range flags {
			if on {
				values[i] = 1
			}
		}
		return fromFlat("FromTensor", values, dims, false)
	}
	fail("FromTensor", "can't draw a tensor of %s: convert it to float32 first", t.DType())
	return nil
}

// FromFloats returns the images in data: one for dims H, W and H, W, C, and B for B, H, W, C.
func FromFloats(data []float32, dims ...int) []Image {
	return fromFlat("FromFloats", data, dims, false)
}

// FromBytes is FromFloats for pixels of 0 … 255.
func FromBytes(data []uint8, dims ...int) []Image { return fromFlat("FromBytes", data, dims, true) }

// FromMatrix returns m, whose rows have equal lengths, as an image of one channel.
func FromMatrix(m [][]float64) Image {
	if len(m) == 0 || len(m[0]) == 0 {
		fail("FromMatrix", "the matrix is empty")
	}
	var flat []float64
	for i, r := range m {
		if len(r) != len(m[0]) {
			fail("FromMatrix", "row %d has %d values and row 0 has %d: all rows must be equally long", i, len(r), len(m[0]))
		}
		flat = append(flat, r...)
	}
	return fromFlat("FromMatrix", flat, []int{len(m), len(m[0])}, false)[0]
}

func fromFlat[T uint8 | int32 | int64 | float32 | float64](function string, data []T, dims []int, bytes bool) []Image {
	b, h, w, c := 1, 0, 0, 1
	switch len(dims) {
	case 2:
		h, w = dims[0], dims[1]
	case 3:
		h, w, c = dims[0], dims[1], dims[2]
	case 4:
		b, h, w, c = dims[0], dims[1], dims[2], dims[3]
	default:
		fail(function, "dimensions are %v, want [H W], [H W C] or [B H W C]", dims)
	}
	if b <= 0 || h <= 0 || w <= 0 || c <= 0 {
		fail(function, "dimensions are %v: all must be positive", dims)
	}
	if len(data) != b*h*w*c {
		fail(function, "%d values for dimensions %v, which need %d", len(data), dims, b*h*w*c)
	}
	bad, first := 0, 0
	values := make([]float32, len(data))
	for i, v := range data {
		values[i] = float32(v)
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			if bad == 0 {
				first = i
			}
			bad++
		}
	}
	if bad > 0 {
		at := first % (h * w * c)
		fail(function, "%d of %d values are not finite, the first (%v) in image %d at row %d, column %d, channel %d",
			bad, len(data), data[first], first/(h*w*c), at/(w*c), at/c%w, at%c)
	}
	images := make([]Image, b)
	n := h * w * c
	for i := range images {
		images[i] = Image{H: h, W: w, C: c, Pix: values[i*n : (i+1)*n : (i+1)*n], bytes: bytes}
	}
	return images
}

// check panics unless m can be drawn as one picture.
func (m Image) check(function, what string) {
	switch {
	case m.H <= 0 || m.W <= 0 || len(m.Pix) != m.H*m.W*m.C:
		fail(function, "%s is empty, or its H, W, C (%d, %d, %d) don't fit its %d values", what, m.H, m.W, m.C, len(m.Pix))
	case m.C != 1 && m.C != 3 && m.C != 4:
		fail(function, "%s has %d channels, want 1, 3 or 4; FeatureMaps draws many channels one by one", what, m.C)
	}
}

// Channel returns channel i of m as a map.
func (m Image) Channel(i int) Image {
	if i < 0 || i >= m.C {
		fail("Image.Channel", "channel %d of an image with %d", i, m.C)
	}
	out := Image{H: m.H, W: m.W, C: 1, Pix: make([]float32, m.H*m.W), bytes: m.bytes}
	for j := range out.Pix {
		out.Pix[j] = m.Pix[j*m.C+i]
	}
	return out
}

// limits returns the least and greatest value of the images.
func limits(images ...Image) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, m := range images {
		for _, v := range m.Pix {
			low, high = min(low, float64(v)), max(high, float64(v))
		}
	}
	return low, high
}

// naturalLimits returns 0 … 255 for bytes, 0 … 1 for floats in that range, and else what the values span.
func naturalLimits(images ...Image) (low, high float64) {
	bytes := true
	for _, m := range images {
		bytes = bytes && m.bytes
	}
	if bytes {
		return 0, 255
	}
	if low, high = limits(images...); low >= 0 && high <= 1 {
		return 0, 1
	}
	return low, high
}

// picture turns the values from low … high into colours; a map goes through colormap.
func (m Image) picture(low, high float64, colormap Colormap) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	scale := 0.0
	if high > low {
		scale = 1 / (high - low)
	}
	unit := func(v float32) float64 {
		if scale == 0 { // a constant image: mid-gray, rather than a black that looks like a value
			return 0.5
		}
		return min(max((float64(v)-low)*scale, 0), 1)
	}
	for i := range m.H * m.W {
		var c color.RGBA
		switch p := m.Pix[i*m.C : (i+1)*m.C]; m.C {
		case 1:
			c = colormap.At(unit(p[0]))
		default:
			channel := func(v float32) uint8 { return uint8(unit(v)*255 + 0.5) }
			c = color.RGBA{channel(p[0]), channel(p[1]), channel(p[2]), 255}
			if m.C == 4 {
				c = color.RGBAModel.Convert(color.NRGBA{c.R, c.G, c.B, channel(p[3])}).(color.RGBA)
			}
		}
		copy(out.Pix[4*i:], []uint8{c.R, c.G, c.B, c.A})
	}
	return out
}

// natural draws m as one sees it: bytes and floats of 0 … 1 as they are, others from their least to greatest value.
func (m Image) natural() *image.RGBA {
	low, high := naturalLimits(m)
	return m.picture(low, high, Gray)
}

// heatPicture is picture for a map in which NaN means no value.
func heatPicture(m Image, low, high float64, colormap Colormap) *image.RGBA {
	out := m.picture(low, high, colormap)
	for i, v := range m.Pix {
		if math.IsNaN(float64(v)) {
			out.SetRGBA(i%m.W, i/m.W, noData)
		}
	}
	return out
}
