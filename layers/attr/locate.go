package attr

import (
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"
)

// PointingGame tells for each of maps [N H W] whether its largest value lies on the object or at most tolerance pixels
// beside it, along both axes (Zhang et al. 2016, with 15 pixels in photographs). masks [N·H·W] are not 0 on the object.
func PointingGame(maps *tensors.Tensor, masks []uint8, tolerance int) ([]bool, error) {
	values, h, w, err := masked(maps, masks)
	if err != nil {
		return nil, fmt.Errorf("pointing game: %w", err)
	}
	hits := make([]bool, len(values))
	for n, v := range values {
		top := 0
		for i, value := range v {
			if value > v[top] {
				top = i
			}
		}
		mask := masks[n*h*w : (n+1)*h*w]
		for y := max(0, top/w-tolerance); y <= min(h-1, top/w+tolerance); y++ {
			for x := max(0, top%w-tolerance); x <= min(w-1, top%w+tolerance); x++ {
				hits[n] = hits[n] || mask[y*w+x] != 0
			}
		}
	}
	return hits, nil
}

// EnergyInMask is, for each of maps [N H W], the share of its positive values' sum that lies on the object (Wang et al. 2020:
// the energy-based pointing game). masks [N·H·W] are not 0 on the object. The share of an object in the area is what a map
// without meaning gets.
func EnergyInMask(maps *tensors.Tensor, masks []uint8) ([]float64, error) {
	values, h, w, err := masked(maps, masks)
	if err != nil {
		return nil, fmt.Errorf("energy in the mask: %w", err)
	}
	shares := make([]float64, len(values))
	for n, v := range values {
		inside, all := 0.0, 0.0
		for i, value := range v {
			if value <= 0 {
				continue
			}
			all += value
			if masks[n*h*w+i] != 0 {
				inside += value
			}
		}
		if all > 0 {
			shares[n] = inside / all
		}
	}
	return shares, nil
}

// BoxMasks makes masks [N·H·W] of boxes x0, y0, x1, y1, whose right and lower ends are outside.
func BoxMasks(boxes [][4]int, h, w int) []uint8 {
	masks := make([]uint8, len(boxes)*h*w)
	for n, b := range boxes {
		for y := max(0, b[1]); y < min(h, b[3]); y++ {
			for x := max(0, b[0]); x < min(w, b[2]); x++ {
				masks[(n*h+y)*w+x] = 1
			}
		}
	}
	return masks
}

// masked are maps [N H W], or the sums over channels of [N H W C], that go with masks.
func masked(maps *tensors.Tensor, masks []uint8) (values [][]float64, h, w int, err error) {
	shape := maps.Shape()
	if r := shape.Rank(); r != 3 && r != 4 {
		return nil, 0, 0, fmt.Errorf("maps of shape %s, want [N H W]", shape)
	}
	n, h, w := shape.Dimensions[0], shape.Dimensions[1], shape.Dimensions[2]
	if len(masks) != n*h*w {
		return nil, 0, 0, fmt.Errorf("%d values of masks for maps of shape %s", len(masks), shape)
	}
	values, err = perPixel(maps, shape.Dimensions)
	return values, h, w, err
}
