package synth

import "testing"

// Every glyph fills its square to the edges and differs from each other one in a good part of its dots.
func TestGlyphs(t *testing.T) {
	bits := func(g Glyph) (set [GlyphSize * GlyphSize]bool) {
		g.Dot(func(x, y int) { set[y*GlyphSize+x] = true })
		return set
	}
	for i, a := range Glyphs {
		left, right := GlyphSize, 0
		a.Dot(func(x, y int) { left, right = min(left, x), max(right, x) })
		if left != 0 || right != GlyphSize-1 {
			t.Errorf("%s spans columns %d to %d", a.Name, left, right)
		}
		for _, b := range Glyphs[:i] {
			differ := 0
			p, q := bits(a), bits(b)
			for k := range p {
				if p[k] != q[k] {
					differ++
				}
			}
			if differ < 8 {
				t.Errorf("%s and %s differ in %d dots only", a.Name, b.Name, differ)
			}
		}
	}
}
