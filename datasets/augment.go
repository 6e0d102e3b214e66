package datasets

import "math/rand/v2"

// Augment writes a changed copy of one image, src [h w c], to dst of the same length; the label stays as it is.
// Random numbers come from r alone, which is seeded by the batch's seed, its step and the image's place in it: so a
// resumed run sees what an uninterrupted one would have seen. It may be called from another goroutine, one at a time.
type Augment func(dst, src []uint8, h, w, c int, r *rand.Rand)

// CropFlip pads each side of an image with pad black pixels, crops a window of the image's own size at a random place,
// and mirrors it left to right half of the time: the augmentation of He et al. 2016, section 4.2, for CIFAR-10 with
// pad = 4. It panics if pad is negative.
func CropFlip(pad int) Augment {
	if pad < 0 {
		panic("datasets: CropFlip needs a padding of 0 or more")
	}
	return func(dst, src []uint8, h, w, c int, r *rand.Rand) {
		dy := int(r.Uint32N(uint32(2*pad+1))) - pad
		dx := int(r.Uint32N(uint32(2*pad+1))) - pad
		flip := r.Uint32N(2) == 1
		// Column x of the window shows column x+dx of the image, if there is one: those from lo to hi-1 do.
		lo, hi := min(max(0, -dx), w), max(min(w, w-dx), 0)
		for y := range h {
			line := dst[y*w*c : (y+1)*w*c]
			if y+dy < 0 || y+dy >= h || lo >= hi {
				clear(line)
				continue
			}
			from := src[(y+dy)*w*c : (y+dy+1)*w*c]
			clear(line[:lo*c])
			copy(line[lo*c:hi*c], from[(lo+dx)*c:(hi+dx)*c])
			clear(line[hi*c:])
			if flip {
				mirror(line, w, c)
			}
		}
	}
}

// mirror reverses the w pixels of a line in place.
func mirror(line []uint8, w, c int) {
	for a, b := 0, (w-1)*c; a < b; a, b = a+c, b-c {
		for k := range c {
			line[a+k], line[b+k] = line[b+k], line[a+k]
		}
	}
}
