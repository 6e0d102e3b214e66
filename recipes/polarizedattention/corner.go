package polarizedattention

import (
	"fmt"
	"math/rand/v2"

	"fovea/datasets"
	"fovea/recipes"
)

// A scene is 16×16 cells; an image has scale pixels a cell.
const cells = 16

// signs are of equal weight, so that no mean over pixels tells them apart: the first asks for the red marker, the second for
// the blue one.
var signs = [2][3]string{{".#.", "###", ".#."}, {"#.#", ".#.", "#.#"}}

// cornerImages draws n scenes with a red and a blue marker, and in one of the corners a green sign that says which of them is
// the keypoint. Labels are its cell. The markers are at least 10 cells, along one axis, from the corner of the sign: a net whose
// outputs see 5 cells to each side, and that sees a marker at all, cannot see the sign.
func cornerImages(n, scale int, seed uint64, part string) *datasets.Images {
	r := rand.New(rand.NewPCG(seed, 0x95a))
	size := cells * scale
	im := &datasets.Images{
		Name: "signs and markers/" + part, N: n, H: size, W: size, C: 3, Synthetic: true, Pixels: make([]uint8, n*size*size*3),
		Norm: datasets.Normalization{Mean: []float32{0.3, 0.3, 0.3}, Std: []float32{0.1, 0.1, 0.1}},
	}
	for i := range cells * cells {
		im.Classes = append(im.Classes, fmt.Sprintf("%d,%d", i/cells, i%cells))
	}
	for i := range n {
		light := [cells][cells][3]float64{}
		for y := range cells {
			for x := range cells {
				for k := range 3 {
					light[y][x][k] = 0.3 + 0.05*r.NormFloat64()
				}
			}
		}
		sign, bottom, right := r.IntN(2), r.IntN(2), r.IntN(2)
		for y, row := range signs[sign] {
			for x, dot := range row {
				if dot == '#' {
					light[y+bottom*(cells-3)][x+right*(cells-3)][1] += 0.5
				}
			}
		}
		var at [2][2]int
		for k := range at {
			for {
				at[k] = [2]int{1 + r.IntN(cells-2), 1 + r.IntN(cells-2)}
				if max(away(at[k][0], bottom), away(at[k][1], right)) >= 10 && (k == 0 || apart(at)) {
					break
				}
			}
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					light[at[k][0]+dy][at[k][1]+dx][2*k] += 0.5 / float64(1+dy*dy+dx*dx)
				}
			}
		}
		im.Labels = append(im.Labels, int32(at[sign][0]*cells+at[sign][1]))
		pixels := im.PixelsAt(i)
		for p := range size * size {
			for k := range 3 {
				pixels[3*p+k] = uint8(min(max(255*light[p/size/scale][p%size/scale][k], 0), 255))
			}
		}
	}
	return im
}

// away is how far a coordinate is from the border with the sign.
func away(at, far int) int {
	if far == 1 {
		return cells - 1 - at
	}
	return at
}

// apart wants markers that cannot be taken for each other.
func apart(at [2][2]int) bool {
	dy, dx := at[0][0]-at[1][0], at[0][1]-at[1][1]
	return dy*dy+dx*dx >= 16
}

func cornerData(scale int) func() (recipes.Data, error) {
	return func() (recipes.Data, error) {
		return recipes.Data{
			Train: cornerImages(2000, scale, 1, "train"), Valid: cornerImages(500, scale, 2, "valid"), Test: cornerImages(1000, scale, 3, "test"),
		}, nil
	}
}
