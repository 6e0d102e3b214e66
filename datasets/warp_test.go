package datasets

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func ramp(h, w, c int) []uint8 {
	p := make([]uint8, h*w*c)
	for i := range p {
		p[i] = uint8(1 + i%250)
	}
	return p
}

func apply(a Augment, src []uint8, h, w, c int, seed uint64) []uint8 {
	dst := slices.Repeat([]uint8{77}, len(src)) // nothing of it may stay
	a(dst, src, h, w, c, rand.New(rand.NewPCG(seed, 0)))
	return dst
}

func TestAffineWithoutRangesIsTheIdentity(t *testing.T) {
	src := ramp(5, 7, 3)
	if got := apply(Affine(AffineOptions{}), src, 5, 7, 3, 1); !slices.Equal(got, src) {
		t.Errorf("got %v", got)
	}
}

// fixed makes every draw the largest there is, nearly: so the map is known.
type fixed uint64

func (f fixed) Uint64() uint64 { return uint64(f) }

func TestAffineMovesTheWayItSays(t *testing.T) {
	largest := rand.New(fixed(1<<64 - 1))
	// A quarter turn moves the top left pixel of a square to the top right.
	src := make([]uint8, 25)
	src[0], src[12] = 200, 100
	dst := make([]uint8, 25)
	Affine(AffineOptions{Rotate: 90})(dst, src, 5, 5, 1, largest)
	if dst[4] < 198 || dst[12] < 98 || dst[0] > 2 {
		t.Errorf("after a quarter turn\n%v", dst)
	}
	// A fifth of the width to the right and down.
	Affine(AffineOptions{Shift: 0.2})(dst, src, 5, 5, 1, largest)
	if dst[6] < 198 || dst[18] < 98 || dst[0] != 0 {
		t.Errorf("after a shift\n%v", dst)
	}
	// Half as large again: what was one pixel from the centre is one and a half.
	src = make([]uint8, 49)
	src[24], src[26] = 100, 200
	dst = make([]uint8, 49)
	Affine(AffineOptions{Scale: 0.5})(dst, src, 7, 7, 1, largest)
	if dst[24] < 98 || dst[27] < 198 || dst[25] > 70 {
		t.Errorf("after scaling\n%v", dst)
	}
	// A shear of 45 degrees moves a row by its distance from the centre.
	src = make([]uint8, 25)
	src[1*5+2], src[12] = 200, 100
	dst = make([]uint8, 25)
	Affine(AffineOptions{Shear: 45})(dst, src, 5, 5, 1, largest)
	if dst[1*5+1] < 198 || dst[12] < 98 {
		t.Errorf("after a shear\n%v", dst)
	}
}

func TestCutout(t *testing.T) {
	src := ramp(8, 9, 3)
	sizes := map[int]bool{}
	for seed := range uint64(50) {
		got, black := apply(Cutout(4), src, 8, 9, 3, seed), 0
		for i := range got {
			switch {
			case got[i] == 0:
				black++
			case got[i] != src[i]:
				t.Fatalf("value %d became %d", i, got[i])
			}
		}
		if black == 0 || black > 4*4*3 || black%3 != 0 {
			t.Fatalf("%d values are black", black)
		}
		sizes[black] = true
	}
	if !sizes[48] || len(sizes) < 2 {
		t.Errorf("sizes %v: want whole squares and some that the border cuts", sizes)
	}
}

func TestThenAndFlip(t *testing.T) {
	src := ramp(4, 4, 1)
	twice := Then(Affine(AffineOptions{}), Affine(AffineOptions{}))
	if got := apply(twice, src, 4, 4, 1, 1); !slices.Equal(got, src) {
		t.Errorf("nothing done twice is %v", got)
	}
	if got := apply(Then(), src, 4, 4, 1, 1); !slices.Equal(got, src) {
		t.Errorf("no step is %v", got)
	}
	flipped := 0
	for seed := range uint64(100) {
		got := apply(Flip(), src, 4, 4, 1, seed)
		if !slices.Equal(got, src) {
			flipped++
			if got[0] != src[3] || got[15] != src[12] {
				t.Fatalf("mirrored it is %v", got)
			}
		}
	}
	if flipped < 30 || flipped > 70 {
		t.Errorf("%d of 100 were mirrored", flipped)
	}
	for name, build := range map[string]func(){
		"cutout": func() { Cutout(0) }, "scale": func() { Affine(AffineOptions{Scale: 1}) }, "rotate": func() { Affine(AffineOptions{Rotate: -1}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was taken", name)
				}
			}()
			build()
		}()
	}
}

func TestResizedCrop(t *testing.T) {
	src := ramp(6, 8, 3)
	if got := apply(ResizedCrop(1), src, 6, 8, 3, 3); !slices.Equal(got, src) {
		t.Errorf("all of the image is %v", got)
	}
	// Of a slope the crop is a gentler one, within the image's range.
	slope := make([]uint8, 20*20)
	for i := range slope {
		slope[i] = uint8(10 * (i % 20))
	}
	spans := map[uint8]bool{}
	for seed := range uint64(40) {
		got := apply(ResizedCrop(0.1), slope, 20, 20, 1, seed)
		for y := range 20 {
			for x := range 19 {
				if got[y*20+x] > got[y*20+x+1] || got[y*20+x] != got[x] {
					t.Fatalf("the slope turned at row %d, column %d", y, x)
				}
			}
		}
		spans[got[19]-got[0]] = true
	}
	if len(spans) < 10 {
		t.Errorf("only %d sizes of rectangles", len(spans))
	}
	defer func() {
		if recover() == nil {
			t.Error("an area of 0 was taken")
		}
	}()
	ResizedCrop(0)
}
