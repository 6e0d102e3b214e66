package increasingcomplexity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"fovea/datasets"
)

// Clone is what a network is trained on: the images, or numbers drawn anew that share some of their moments, class by class.
type Clone string

const (
	Images         Clone = ""          // themselves
	GaussianClone  Clone = "gaussian"  // normal, of each class's mean and covariance ("gp" in the paper)
	IsotropicClone Clone = "isotropic" // normal, of each class's mean and its variance averaged over pixels ("gpiso")
)

func (c Clone) String() string {
	if c == Images {
		return "images"
	}
	return string(c)
}

// Gaussian is the normal distribution of a class's images. Values are those of pixels, 0 to 255.
type Gaussian struct {
	Mean      []float64     // [D], D = H·W·C
	Lower     *mat.TriDense // L with L·Lᵀ the covariance [D D]; nil: Deviation is that of each value
	Deviation float64
}

// ridge is added to the covariance, which has no full rank where a class has few images or pixels are constant.
const ridge = 1e-3

// FitGaussian takes the moments of the class's images. With isotropic the covariance is trace(Σ)/D times the identity.
func FitGaussian(im *datasets.Images, class int, isotropic bool) (*Gaussian, error) {
	d := im.H * im.W * im.C
	var rows []float64
	for i, label := range im.Labels {
		if int(label) == class {
			for _, p := range im.PixelsAt(i) {
				rows = append(rows, float64(p))
			}
		}
	}
	n := len(rows) / d
	if n < 2 {
		return nil, fmt.Errorf("class %s of %s has %d images: 2 or more have a covariance", im.Classes[class], im.Name, n)
	}
	x := mat.NewDense(n, d, rows)
	g := &Gaussian{Mean: make([]float64, d)}
	for j := range d {
		g.Mean[j] = stat.Mean(mat.Col(nil, j, x), nil)
	}
	var covariance mat.SymDense
	stat.CovarianceMatrix(&covariance, x, nil)
	if isotropic {
		g.Deviation = math.Sqrt(mat.Trace(&covariance) / float64(d))
		return g, nil
	}
	for j := range d {
		covariance.SetSym(j, j, covariance.At(j, j)+ridge)
	}
	var cholesky mat.Cholesky
	if !cholesky.Factorize(&covariance) {
		return nil, fmt.Errorf("the covariance of class %s of %s is not positive definite", im.Classes[class], im.Name)
	}
	g.Lower = new(mat.TriDense)
	cholesky.LTo(g.Lower)
	return g, nil
}

// Draw puts n draws into the rows of a matrix [n D].
func (g *Gaussian) Draw(r *rand.Rand, n int) *mat.Dense {
	d := len(g.Mean)
	z := mat.NewDense(n, d, nil)
	raw := z.RawMatrix().Data
	for i := range raw {
		raw[i] = r.NormFloat64()
	}
	x := z
	if g.Lower != nil {
		x = mat.NewDense(n, d, nil)
		x.Mul(z, g.Lower.T()) // rows L·z
	} else {
		x.Scale(g.Deviation, z)
	}
	for i := range n {
		row := x.RawRowView(i)
		for j := range row {
			row[j] += g.Mean[j]
		}
	}
	return x
}

// of makes the clone: as many images of each class as there are, in the same order of classes. As in the paper values are
// clipped to those that pixels can have, and rounded.
func (c Clone) of(im *datasets.Images, seed uint64) (*datasets.Images, error) {
	switch c {
	case Images:
		return im, nil
	case GaussianClone, IsotropicClone:
	default:
		return nil, fmt.Errorf("clone %q: want none, %q or %q", string(c), GaussianClone, IsotropicClone)
	}
	out := *im
	out.Name, out.Masks, out.Boxes = fmt.Sprintf("%s, %s clone", im.Name, c), nil, nil
	out.Pixels = make([]uint8, len(im.Pixels))
	r := rand.New(rand.NewPCG(seed, 0xc10e))
	for class := range im.Classes {
		var members []int
		for i, label := range im.Labels {
			if int(label) == class {
				members = append(members, i)
			}
		}
		g, err := FitGaussian(im, class, c == IsotropicClone)
		if err != nil {
			return nil, err
		}
		draws := g.Draw(r, len(members))
		for row, i := range members {
			pixels := out.PixelsAt(i)
			for j, v := range draws.RawRowView(row) {
				pixels[j] = uint8(math.Round(min(max(v, 0), 255)))
			}
		}
	}
	return &out, nil
}

// grey is the brightness of colour images (ITU-R BT.601), one channel.
func grey(im *datasets.Images) *datasets.Images {
	if im.C == 1 {
		return im
	}
	out := *im
	out.C, out.Pixels = 1, make([]uint8, im.N*im.H*im.W)
	for i := range out.Pixels {
		p := im.Pixels[3*i : 3*i+3]
		out.Pixels[i] = uint8(math.Round(0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2])))
	}
	mean := func(v []float32) []float32 { return []float32{(v[0] + v[1] + v[2]) / 3} }
	out.Norm.Mean, out.Norm.Std = mean(slices.Clone(im.Norm.Mean)), mean(slices.Clone(im.Norm.Std))
	return &out
}
