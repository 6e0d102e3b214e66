package synth

import (
	"bytes"
	"testing"
)

func TestSprites(t *testing.T) {
	if len(sprites) != len(SpriteNames) || len(SpriteNames) != 18 {
		t.Fatalf("%d outlines for %d names", len(sprites), len(SpriteNames))
	}
	for class, name := range SpriteNames {
		for _, size := range []int{16, 48, 64} {
			for number := range uint64(20) {
				s := Sprite(class, size, 180, 3, number)
				b := s.Bounds()
				if b.Min.X != 0 || b.Min.Y != 0 || b.Dx() < size*3/10 || b.Dy() < size*3/10 || b.Dx() > size || b.Dy() > size {
					t.Fatalf("%s of %d: bounds %v", name, size, b)
				}
				covered := 0
				for i := 3; i < len(s.Pix); i += 4 {
					covered += int(s.Pix[i])
				}
				if share := float64(covered) / 255 / float64(b.Dx()*b.Dy()); share < 0.15 || share > 1 {
					t.Errorf("%s of %d covers %.2f of its box", name, size, share)
				}
				if !bytes.Equal(s.Pix, Sprite(class, size, 180, 3, number).Pix) {
					t.Fatalf("%s number %d comes out in two ways", name, number)
				}
			}
		}
	}
	if bytes.Equal(Sprite(0, 32, 10, 1, 1).Pix, Sprite(0, 32, 10, 1, 2).Pix) {
		t.Error("two numbers have one sprite")
	}
}

func TestBackground(t *testing.T) {
	plain, busy := Background(64, 0, 1, 1), Background(64, 1, 1, 1)
	if plain.Bounds().Dx() != 64 || !bytes.Equal(busy.Pix, Background(64, 1, 1, 1).Pix) || bytes.Equal(busy.Pix, Background(64, 1, 1, 2).Pix) {
		t.Error("a background is not a function of its number")
	}
	// How much neighbours differ says how busy it is.
	rough := func(pix []uint8) (sum int) {
		for i := 4; i < len(pix); i++ {
			sum += max(int(pix[i])-int(pix[i-4]), int(pix[i-4])-int(pix[i]))
		}
		return sum
	}
	if rough(busy.Pix) < 2*rough(plain.Pix) {
		t.Errorf("a busy background has roughness %d, a plain one %d", rough(busy.Pix), rough(plain.Pix))
	}
}

func TestSpriteClass(t *testing.T) {
	for block := range 5 {
		seen := map[int]bool{}
		for i := range 7 {
			seen[SpriteClass(9, uint64(7*block+i), 7)] = true
		}
		if len(seen) != 7 {
			t.Errorf("block %d has classes %v", block, seen)
		}
	}
}
