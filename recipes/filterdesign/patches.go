package filterdesign

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"fovea/datasets"
)

// contrast is added to a patch's variance before it is divided by it, so that even patches do not become noise. Coates and Ng add
// 10 to that of pixels from 0 to 255.
const contrast = 10. / (255 * 255)

// Patches cuts n patches out of images at random and normalises their contrast: [n patch·patch·C], pixels from 0 to 1.
func Patches(im *datasets.Images, patch, n int, r *rand.Rand) *mat.Dense {
	x := mat.NewDense(n, patch*patch*im.C, nil)
	for i := range n {
		pixels := im.PixelsAt(r.IntN(im.N))
		top, left := r.IntN(im.H-patch+1), r.IntN(im.W-patch+1)
		row := x.RawRowView(i)
		for v := range patch {
			for k := range patch * im.C {
				row[v*patch*im.C+k] = float64(pixels[((top+v)*im.W+left)*im.C+k]) / 255
			}
		}
		normalize(row)
	}
	return x
}

func normalize(row []float64) {
	var mean, variance float64
	for _, v := range row {
		mean += v / float64(len(row))
	}
	for _, v := range row {
		variance += (v - mean) * (v - mean) / float64(len(row))
	}
	for i := range row {
		row[i] = (row[i] - mean) / math.Sqrt(variance+contrast)
	}
}

// A Basis is what principal component analysis finds in patches.
type Basis struct {
	Mean       []float64
	Components *mat.Dense // [d d], the components as columns, the strongest first
	Variances  []float64
}

// PCA finds the principal components of patches [n d].
func PCA(x *mat.Dense) (*Basis, error) {
	n, d := x.Dims()
	b := &Basis{Mean: make([]float64, d), Components: mat.NewDense(d, d, nil), Variances: make([]float64, d)}
	for i := range n {
		for j, v := range x.RawRowView(i) {
			b.Mean[j] += v / float64(n)
		}
	}
	centred := mat.NewDense(n, d, nil)
	centred.Apply(func(_, j int, v float64) float64 { return v - b.Mean[j] }, x)
	var covariance mat.SymDense
	covariance.SymOuterK(1/float64(n), centred.T())
	var eigen mat.EigenSym
	if !eigen.Factorize(&covariance, true) {
		return nil, errors.New("the patches' covariance has no eigenvalues: are they finite?")
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	for j, v := range eigen.Values(nil) { // the weakest first
		b.Variances[d-1-j] = v
		for i := range d {
			b.Components.Set(i, d-1-j, vectors.At(i, j))
		}
	}
	return b, nil
}

// Whitening is the ZCA transform V(D + ε)^−½Vᵀ [d d]: it makes the variance of all components 1, but for ε = 0.1, and turns nothing.
func (b *Basis) Whitening() *mat.Dense {
	const epsilon = 0.1
	d := len(b.Mean)
	scaled := mat.NewDense(d, d, nil)
	scaled.Apply(func(_, j int, v float64) float64 { return v / math.Sqrt(math.Max(b.Variances[j], 0)+epsilon) }, b.Components)
	var w mat.Dense
	w.Mul(scaled, b.Components.T())
	return &w
}

// An Encoder turns images into features by their distances from filters (Coates, Ng, Lee 2011, section 3.2.2).
type Encoder struct {
	Patch   int
	Stride  int // between the patches that are encoded; 0: 1
	Mean    []float64
	Whiten  *mat.Dense // [d d]; nil: patches are taken as they are
	Filters *mat.Dense // [K d]
}

// Apply takes the mean away and whitens: what filters are learnt from, [n d] → [n d].
func (e *Encoder) Apply(x *mat.Dense) *mat.Dense {
	n, d := x.Dims()
	y := mat.NewDense(n, d, nil)
	y.Apply(func(_, j int, v float64) float64 { return v - e.Mean[j] }, x)
	if e.Whiten == nil {
		return y
	}
	var z mat.Dense
	z.Mul(y, e.Whiten)
	return &z
}

// Features builds the graph: images [B H W C], pixels from 0 to 1 → [B 4K]. A filter's response is max(0, μ − z): how much nearer
// than on average it is to the patch (the triangle encoding); responses are averaged over the quarters of the image.
func (e *Encoder) Features(x *graph.Node) *graph.Node {
	g, dtype := x.Graph(), x.DType()
	constant := func(m mat.Matrix) *graph.Node {
		rows, columns := m.Dims()
		flat := make([]float64, 0, rows*columns)
		for i := range rows {
			flat = append(flat, mat.Row(nil, i, m)...)
		}
		return graph.ConvertDType(graph.Reshape(graph.Const(g, flat), rows, columns), dtype)
	}
	h, w, stride := x.Shape().Dimensions[1]-e.Patch+1, x.Shape().Dimensions[2]-e.Patch+1, max(e.Stride, 1)
	var shifted []*graph.Node
	for v := range e.Patch {
		for u := range e.Patch {
			shifted = append(shifted, graph.Slice(x, graph.AxisRange(), graph.AxisRange(v, v+h).Stride(stride), graph.AxisRange(u, u+w).Stride(stride)))
		}
	}
	p := graph.Concatenate(shifted, -1) // [B h w d]
	p = graph.Sub(p, graph.ReduceAndKeep(p, graph.ReduceMean, -1))
	variance := graph.ReduceAndKeep(graph.Square(p), graph.ReduceMean, -1)
	p = graph.Div(p, graph.Sqrt(graph.AddScalar(variance, contrast)))
	p = graph.Sub(p, graph.Reshape(constant(mat.NewDense(1, len(e.Mean), e.Mean)), 1, 1, 1, -1))
	if e.Whiten != nil {
		p = graph.Einsum("bhwd,de->bhwe", p, constant(e.Whiten))
	}
	k, _ := e.Filters.Dims()
	lengths := make([]float64, k)
	for i := range lengths {
		row := e.Filters.RawRowView(i)
		for _, v := range row {
			lengths[i] += v * v
		}
	}
	// ‖p − c‖² = ‖p‖² − 2p·c + ‖c‖²
	distances := graph.MulScalar(graph.Einsum("bhwd,kd->bhwk", p, constant(e.Filters)), -2)
	distances = graph.Add(distances, graph.ReduceAndKeep(graph.Square(p), graph.ReduceSum, -1))
	distances = graph.Add(distances, graph.Reshape(constant(mat.NewDense(1, k, lengths)), 1, 1, 1, k))
	z := graph.Sqrt(graph.MaxScalar(distances, 1e-12)) // [B h w K]
	mean := graph.ReduceAndKeep(z, graph.ReduceMean, -1)
	return quarters(graph.MaxScalar(graph.Sub(mean, z), 0)) // [B 4K]
}
