package kernelheterogeneity

import (
	"fmt"
	"image"
	_ "image/jpeg" // photographs are JPEG or PNG
	_ "image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"fovea/datasets"
	"fovea/recipes"
)

// open gives grey patches of c.Size: of the photographs of the Berkeley segmentation set where $FOVEA_DATA has them, in folders
// sr/bsds-train and sr/bsds-test, else of dead leaves. The trial's seed says where they are cut.
func open(t *recipes.Trial, c Config) (recipes.Data, error) {
	root := os.Getenv("FOVEA_DATA")
	if root != "" {
		if _, err := os.Stat(filepath.Join(root, "sr", "bsds-test")); err == nil {
			return t.Generated("patches of photographs", uint64(t.Seed), func() (recipes.Data, error) { return photographs(root, c, uint64(t.Seed)) })
		}
	}
	return t.Generated("dead leaves", uint64(t.Seed), func() (recipes.Data, error) {
		r := rand.New(rand.NewPCG(uint64(t.Seed), 0xdead))
		patches := func(name string) *datasets.Images {
			im := empty("dead leaves/"+name, c.Size)
			im.Synthetic = true
			for range c.Images {
				im.Pixels = append(im.Pixels, deadLeaves(r, c.Size)...)
			}
			return labelled(im)
		}
		return recipes.Data{Train: patches("train"), Valid: patches("valid"), Test: patches("test")}, nil
	})
}

func empty(name string, size int) *datasets.Images {
	return &datasets.Images{
		Name: name, H: size, W: size, C: 1, Classes: []string{"patch"}, Norm: datasets.Normalization{Mean: []float32{0.5}, Std: []float32{0.25}},
	}
}

func labelled(im *datasets.Images) *datasets.Images {
	im.N = len(im.Pixels) / (im.H * im.W)
	im.Labels = make([]int32, im.N)
	return im
}

// photographs cuts patches, an equal number of each picture or one more, from those for training, for validation (other places of the
// same ones) and for the test.
func photographs(root string, c Config, seed uint64) (data recipes.Data, err error) {
	r := rand.New(rand.NewPCG(seed, 0xb5d5))
	cut := func(folder, name string) (*datasets.Images, error) {
		var files []string
		for _, ending := range []string{"*.jpg", "*.png"} {
			found, err := filepath.Glob(filepath.Join(root, "sr", folder, ending))
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("there is no picture in %s", filepath.Join(root, "sr", folder))
		}
		slices.Sort(files)
		im := empty("photographs/"+name, c.Size)
		for i := range c.Images {
			picture, err := readGrey(files[i%len(files)])
			if err != nil {
				return nil, err
			}
			b := picture.Bounds()
			if b.Dx() < c.Size || b.Dy() < c.Size {
				return nil, fmt.Errorf("%s has %d×%d pixels, less than a patch of %d", files[i%len(files)], b.Dx(), b.Dy(), c.Size)
			}
			x0, y0 := r.IntN(b.Dx()-c.Size+1), r.IntN(b.Dy()-c.Size+1)
			for y := range c.Size {
				at := (y0+y)*picture.Stride + x0
				im.Pixels = append(im.Pixels, picture.Pix[at:at+c.Size]...)
			}
		}
		return labelled(im), nil
	}
	if data.Train, err = cut("bsds-train", "train"); err != nil {
		return data, err
	}
	if data.Valid, err = cut("bsds-train", "valid"); err != nil {
		return data, err
	}
	data.Test, err = cut("bsds-test", "test")
	return data, err
}

func readGrey(path string) (*image.Gray, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	m, _, err := image.Decode(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b := m.Bounds()
	grey := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	for y := range b.Dy() {
		for x := range b.Dx() {
			grey.Set(x, y, m.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	return grey, nil
}

// deadLeaves is a picture of opaque discs, the nearest drawn last, whose radii have the density r⁻³: a model of natural images with their
// edges and their spectrum (Lee, Mumford, Huang 2001).
func deadLeaves(r *rand.Rand, size int) []uint8 {
	pixels := make([]uint8, size*size)
	const least = 2.0
	most := float64(size) / 2
	for range 40 * size {
		u := r.Float64()
		radius := 1 / math.Sqrt((1-u)/(least*least)+u/(most*most))
		cy, cx, shade := r.Float64()*float64(size), r.Float64()*float64(size), uint8(r.IntN(256))
		for y := max(0, int(cy-radius)); y < min(size, int(cy+radius)+1); y++ {
			for x := max(0, int(cx-radius)); x < min(size, int(cx+radius)+1); x++ {
				if math.Hypot(float64(y)-cy, float64(x)-cx) < radius {
					pixels[y*size+x] = shade
				}
			}
		}
	}
	return pixels
}

// normalized are the pictures with their local mean taken away and their local contrast made even, [N H W]: what is coded.
func normalized(im *datasets.Images) []float32 {
	out := make([]float32, 0, im.N*im.H*im.W)
	x := make([]float64, im.H*im.W)
	for i := range im.N {
		for p, v := range im.PixelsAt(i) {
			x[p] = float64(v) / 255
		}
		mean := blurred(x, im.H, im.W)
		square := make([]float64, len(x))
		for p := range x {
			x[p] -= mean[p]
			square[p] = x[p] * x[p]
		}
		contrast := blurred(square, im.H, im.W)
		for p := range x {
			// Where an image is flat, noise is not made large.
			out = append(out, float32(x[p]/math.Max(math.Sqrt(contrast[p]), 0.05)))
		}
	}
	return out
}

// blurred is x [h w] under a Gaussian of deviation 3, edges reflected.
func blurred(x []float64, h, w int) []float64 {
	const radius, deviation = 8, 3.0
	var weights [2*radius + 1]float64
	var sum float64
	for i := range weights {
		d := float64(i-radius) / deviation
		weights[i] = math.Exp(-d * d / 2)
		sum += weights[i]
	}
	reflect := func(i, n int) int {
		for i < 0 || i >= n {
			if i < 0 {
				i = -1 - i
			} else {
				i = 2*n - 1 - i
			}
		}
		return i
	}
	along := func(x []float64, at func(line, place int) int, lines, n int) []float64 {
		out := make([]float64, len(x))
		for line := range lines {
			for place := range n {
				var v float64
				for i, weight := range weights {
					v += weight * x[at(line, reflect(place+i-radius, n))]
				}
				out[at(line, place)] = v / sum
			}
		}
		return out
	}
	x = along(x, func(y, x int) int { return y*w + x }, h, w)
	return along(x, func(x, y int) int { return y*w + x }, w, h)
}
