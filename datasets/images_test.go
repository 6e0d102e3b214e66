package datasets

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
)

// numbered returns images whose first two bytes are their number, so that a test can tell which is which.
func numbered(n, h, w, c, classes int) *Images {
	im := &Images{Name: "numbered/train", N: n, H: h, W: w, C: c, Pixels: make([]uint8, n*h*w*c), Labels: make([]int32, n)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range im.Pixels {
		im.Pixels[i] = uint8(r.Uint32())
	}
	for i := range n {
		im.PixelsAt(i)[0], im.PixelsAt(i)[1] = uint8(i), uint8(i>>8)
		im.Labels[i] = int32(i % classes)
		im.Boxes = append(im.Boxes, [4]int{0, 0, 1 + i%w, h})
	}
	im.Masks = make([]uint8, n*h*w)
	for i := range im.Masks {
		im.Masks[i] = uint8(r.Uint32N(2))
	}
	for k := range classes {
		im.Classes = append(im.Classes, fmt.Sprint("class ", k))
	}
	return im
}

func number(pixels []uint8) int { return int(pixels[0]) | int(pixels[1])<<8 }

func numbers(im *Images) (all []int) {
	for i := range im.N {
		all = append(all, number(im.PixelsAt(i)))
	}
	return all
}

// sameRows checks that labels, masks and boxes went along with the pixels.
func sameRows(t *testing.T, whole, part *Images) {
	t.Helper()
	if err := part.Validate(); err != nil {
		t.Fatal(err)
	}
	for i := range part.N {
		from := number(part.PixelsAt(i))
		if !bytes.Equal(part.PixelsAt(i), whole.PixelsAt(from)) || part.Labels[i] != whole.Labels[from] ||
			!bytes.Equal(part.MaskAt(i), whole.MaskAt(from)) || part.Boxes[i] != whole.Boxes[from] {
			t.Fatalf("row %d isn't row %d of the whole", i, from)
		}
	}
}

func TestSliceSubsetSplitSample(t *testing.T) {
	im := numbered(300, 4, 6, 3, 3)
	slice := im.Slice(10, 20)
	sameRows(t, im, slice)
	if &slice.Pixels[0] != &im.PixelsAt(10)[0] {
		t.Error("Slice copies")
	}
	subset := im.Subset([]int{5, 299, 5})
	sameRows(t, im, subset)
	if got := numbers(subset); !slices.Equal(got, []int{5, 299, 5}) {
		t.Errorf("Subset is %v", got)
	}
	for name, split := range map[string]func(float64, uint64) (*Images, *Images){"Split": im.Split, "SplitStratified": im.SplitStratified} {
		a, b := split(0.8, 1)
		sameRows(t, im, a)
		sameRows(t, im, b)
		if a.N != 240 || b.N != 60 {
			t.Errorf("%s(0.8) gives %d and %d", name, a.N, b.N)
		}
		both := append(numbers(a), numbers(b)...)
		slices.Sort(both)
		if both[0] != 0 || len(slices.Compact(both)) != 300 {
			t.Errorf("%s loses or repeats images", name)
		}
		again, _ := split(0.8, 1)
		other, _ := split(0.8, 2)
		if !slices.Equal(numbers(again), numbers(a)) || slices.Equal(numbers(other), numbers(a)) {
			t.Errorf("%s doesn't depend on the seed as it should", name)
		}
		if name == "SplitStratified" && !slices.Equal(b.Counts(), []int{20, 20, 20}) {
			t.Errorf("stratified counts are %v", b.Counts())
		}
	}
	sample := im.Sample(31, 1)
	sameRows(t, im, sample)
	if c := sample.Counts(); slices.Max(c)-slices.Min(c) > 1 || sample.N != 31 {
		t.Errorf("Sample(31) has counts %v", c)
	}
	if im.Sample(0, 1) != im || im.Sample(300, 1) != im {
		t.Error("a sample of all isn't the set itself")
	}
}

func TestMeanStdAndTensor(t *testing.T) {
	im := numbered(50, 5, 7, 3, 2)
	mean, std := im.MeanStd()
	im.Norm = Normalization{Mean: mean, Std: std}
	x := tensors.MustCopyFlatData[float32](im.Tensor(0, 50))
	for c := range 3 {
		var sum, squares float64
		for p := c; p < len(x); p += 3 {
			sum, squares = sum+float64(x[p]), squares+float64(x[p])*float64(x[p])
		}
		n := float64(len(x) / 3)
		if math.Abs(sum/n) > 1e-5 || math.Abs(squares/n-1) > 1e-4 {
			t.Errorf("channel %d: normalised pixels have mean %g and variance %g", c, sum/n, squares/n)
		}
	}
	if got := im.Norm.Pixels(x, 3); !bytes.Equal(got, im.Pixels) {
		t.Error("Norm.Pixels doesn't undo Tensor")
	}
	if got := fmt.Sprint(im.Tensor(3, 5).Shape().Dimensions, im.LabelTensor(3, 5)); !strings.HasPrefix(got, "[2 5 7 3]") {
		t.Errorf("Tensor(3, 5) has shape %s", got)
	}
	if got := tensors.MustCopyFlatData[int32](im.LabelTensor(3, 6)); !slices.Equal(got, []int32{1, 0, 1}) {
		t.Errorf("LabelTensor(3, 6) is %v", got)
	}
	for _, channels := range []int{1, 2, 3} { // each has its own loop
		src := []uint8{0, 255, 51, 102, 0, 255}
		dst := make([]float32, 6)
		n := Normalization{}
		for c := range channels {
			n.Mean, n.Std = append(n.Mean, float32(c)), append(n.Std, 0.5)
		}
		n.table(channels).apply(dst, src)
		for i, p := range src {
			if want := (float64(p)/255 - float64(i%channels)) / 0.5; math.Abs(float64(dst[i])-want) > 1e-6 {
				t.Errorf("%d channels: value %d is %g, want %g", channels, i, dst[i], want)
			}
		}
	}
}

func TestShrink(t *testing.T) {
	im := &Images{Name: "x", N: 1, H: 2, W: 4, C: 1, Pixels: []uint8{0, 1, 10, 20, 2, 3, 30, 41}, Labels: []int32{0}, Classes: []string{"a"},
		Masks: []uint8{0, 1, 1, 0, 0, 0, 0, 1}, Boxes: [][4]int{{1, 0, 3, 1}}}
	small := im.Shrink(2)
	if !slices.Equal(small.Pixels, []uint8{2, 25}) || !slices.Equal(small.Masks, []uint8{0, 1}) || small.Boxes[0] != [4]int{0, 0, 2, 1} || small.H != 1 || small.W != 2 {
		t.Errorf("got pixels %v, masks %v, boxes %v, %d×%d", small.Pixels, small.Masks, small.Boxes, small.H, small.W)
	}
	two := numbered(2, 4, 4, 3, 2)
	if first, second := two.Shrink(2), two.Slice(1, 2).Shrink(2); !bytes.Equal(first.PixelsAt(1), second.Pixels) {
		t.Error("image 1 shrinks differently on its own")
	}
}

func TestImage(t *testing.T) {
	im := numbered(2, 3, 5, 3, 2)
	r, g, b, a := im.Image(1).At(4, 2).RGBA()
	last := im.PixelsAt(1)[len(im.PixelsAt(1))-3:]
	if r>>8 != uint32(last[0]) || g>>8 != uint32(last[1]) || b>>8 != uint32(last[2]) || a != 0xffff {
		t.Errorf("the last pixel is %d %d %d %d, want %v", r>>8, g>>8, b>>8, a, last)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		want  string
		spoil func(*Images)
	}{
		{"bytes of pixels", func(im *Images) { im.Pixels = im.Pixels[1:] }},
		{"labels for", func(im *Images) { im.Labels = im.Labels[1:] }},
		{"image 3 has label 9", func(im *Images) { im.Labels[3] = 9 }},
		{"bytes of masks", func(im *Images) { im.Masks = im.Masks[1:] }},
		{"boxes for", func(im *Images) { im.Boxes = im.Boxes[1:] }},
		{"image 2 has box", func(im *Images) { im.Boxes[2] = [4]int{0, 0, 99, 1} }},
		{"isn't positive", func(im *Images) { im.C = 0 }},
		{"means", func(im *Images) { im.Norm.Mean = []float32{1} }},
		{"deviation 0", func(im *Images) { im.Norm = Normalization{Mean: make([]float32, 3), Std: make([]float32, 3)} }},
	} {
		im := numbered(5, 4, 4, 3, 2)
		if err := im.Validate(); err != nil {
			t.Fatal(err)
		}
		c.spoil(im)
		if err := im.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error with %q", err, c.want)
		}
	}
}
