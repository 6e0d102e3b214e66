package scattering

import (
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// An Extractor computes features of many signals at once, in double precision: what it measures are small differences.
type Extractor struct {
	Config Config
	exec   *graph.Exec
}

// extractorBatch is how many signals go through at once.
const extractorBatch = 8

// NewExtractor prepares the extractor of a configuration; it compiles at the first use.
func NewExtractor(b compute.Backend, c Config) (*Extractor, error) {
	exec, err := graph.NewExec(b, func(x *graph.Node) []*graph.Node {
		return Features(graph.Reshape(x, x.Shape().Dimensions[0], 1, c.Height, c.Width), c)
	})
	return &Extractor{c, exec}, err
}

// Extract returns the features of each signal, one list of values for each layer: [signal][layer][paths·h·w].
func (e *Extractor) Extract(signals [][]float64) ([][][]float64, error) {
	n := e.Config.Height * e.Config.Width
	var all [][][]float64
	for i := 0; i < len(signals); i += extractorBatch {
		batch := make([]float64, extractorBatch*n) // the last one is filled with zeros: one shape, one program
		part := signals[i:min(i+extractorBatch, len(signals))]
		for k, s := range part {
			copy(batch[k*n:], s)
		}
		x := tensors.FromFlatDataAndDimensions(batch, extractorBatch, n)
		outputs, err := e.exec.Call(x)
		_ = x.FinalizeAll()
		if err != nil {
			return nil, err
		}
		features := make([][][]float64, len(part))
		for _, o := range outputs {
			flat := tensors.MustCopyFlatData[float64](o)
			_ = o.FinalizeAll()
			size := len(flat) / extractorBatch
			for k := range part {
				features[k] = append(features[k], flat[k*size:(k+1)*size])
			}
		}
		all = append(all, features...)
	}
	return all, nil
}

// Close frees the compiled program.
func (e *Extractor) Close() { e.exec.Finalize() }

// between is |||Φ(f) − Φ(h)||| over all layers.
func between(a, b [][]float64) float64 {
	var sum float64
	for n := range a {
		d := difference(a[n], b[n])
		sum += d * d
	}
	return math.Sqrt(sum)
}

// whiteNoise is a signal without any structure.
func whiteNoise(n int, r *rand.Rand) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = r.NormFloat64()
	}
	return values
}

// Stretch is |||Φ(f) − Φ(h)||| / ‖f − h‖ of random pairs of signals, half of them near to each other.
func (e *Extractor) Stretch(pairs int, r *rand.Rand) ([]float64, error) {
	n := e.Config.Height * e.Config.Width
	var signals [][]float64
	for i := range pairs {
		f := Sample(NewSignal(Classes[i%3], e.Config.Height, e.Config.Width, r), nil, e.Config.Height, e.Config.Width)
		h := whiteNoise(n, r)
		if i%2 == 0 {
			for k := range h {
				h[k] = f[k] + 1e-3*h[k]
			}
		}
		signals = append(signals, f, h)
	}
	features, err := e.Extract(signals)
	if err != nil {
		return nil, err
	}
	var stretches []float64
	for i := 0; i < len(signals); i += 2 {
		stretches = append(stretches, between(features[i], features[i+1])/difference(signals[i], signals[i+1]))
	}
	return stretches, nil
}

// Shifts are what translations by 1, 2, 4, … do to the features of each layer.
type Shifts struct {
	T        []float64
	Error    [][]float64 // [layer][t] |||Φⁿ(T_t f) − Φⁿ(f)||| / ‖f‖, root mean square over the signals
	Bound    [][]float64 // [layer][t] 2π|t|K / (S₁···Sₙ)
	Relative [][]float64 // [layer][t] the same error divided by |||Φⁿ(f)|||
	OfBound  []float64   // Error / Bound of each signal, layer and t
}

// Gain is by what factor each layer's relative error is below that of the layer before, from a layer on: the geometric mean at
// the smallest translation.
func (s *Shifts) Gain(from int) float64 {
	last := len(s.Relative) - 1
	return math.Pow(s.Relative[from][0]/s.Relative[last][0], 1/float64(last-from))
}

// Translations measures theorem 1 on signals without structure.
func (e *Extractor) Translations(signals int, shifts []int, r *rand.Rand) (*Shifts, error) {
	c := e.Config
	s := &Shifts{}
	layers := len(c.Modules) + 1
	s.Error, s.Bound, s.Relative = make([][]float64, layers), make([][]float64, layers), make([][]float64, layers)
	var all [][]float64
	for range signals {
		f := whiteNoise(c.Height*c.Width, r)
		all = append(all, f)
		for _, t := range shifts {
			all = append(all, Translate(f, c.Width, t))
		}
	}
	features, err := e.Extract(all)
	if err != nil {
		return nil, err
	}
	for _, t := range shifts {
		s.T = append(s.T, float64(t))
	}
	stride, product := len(shifts)+1, 1
	for n, grid := range c.Grids() {
		m := c.Output
		if n < len(c.Modules) {
			m = c.Modules[n]
		}
		k := NewFrame(m, grid[0], grid[1]).Decay()
		for j, t := range s.T {
			bound := 2 * math.Pi * t * k / float64(product)
			var squares, relative float64
			for i := range signals {
				f := all[i*stride]
				d := difference(features[i*stride+1+j][n], features[i*stride][n])
				s.OfBound = append(s.OfBound, d/norm(f)/bound)
				squares += d * d / (norm(f) * norm(f)) / float64(signals)
				own := norm(features[i*stride][n])
				relative += d * d / (own * own) / float64(signals)
			}
			s.Error[n] = append(s.Error[n], math.Sqrt(squares))
			s.Relative[n] = append(s.Relative[n], math.Sqrt(relative))
			s.Bound[n] = append(s.Bound[n], bound)
		}
		product *= m.Factor
	}
	return s, nil
}

// Bends are what deformations do to a class of signals and to their features, divided by the signal's norm.
type Bends struct {
	Size      []float64 // ‖τ‖∞ in samples
	Signal    []float64 // ‖F_τ f − f‖ / ‖f‖, root mean square over the signals
	Error     []float64 // |||Φ(F_τ f) − Φ(f)||| / ‖f‖, likewise
	Stretches []float64 // |||Φ(F_τ f) − Φ(f)||| / ‖F_τ f − f‖ of each signal and size
}

// Exponent is the slope of the features' error against ‖τ‖ in logarithms.
func (b *Bends) Exponent() float64 { return slope(b.Size, b.Error) }

// Deformations measures theorem 2 and its companions for other classes on signals of a class.
func (e *Extractor) Deformations(class Class, signals int, sizes []float64, r *rand.Rand) (*Bends, error) {
	c := e.Config
	b := &Bends{Size: sizes, Signal: make([]float64, len(sizes)), Error: make([]float64, len(sizes))}
	var all [][]float64
	for range signals {
		f := NewSignal(class, c.Height, c.Width, r)
		all = append(all, Sample(f, nil, c.Height, c.Width))
		seed := [2]uint64{r.Uint64(), r.Uint64()}
		for _, size := range sizes { // the same field, stronger each time
			all = append(all, Sample(f, Bend(size, c.Height, c.Width, rand.New(rand.NewPCG(seed[0], seed[1]))), c.Height, c.Width))
		}
	}
	features, err := e.Extract(all)
	if err != nil {
		return nil, err
	}
	for j := range sizes {
		for i := range signals {
			at := i * (len(sizes) + 1)
			own, d, phi := norm(all[at]), difference(all[at+1+j], all[at]), between(features[at+1+j], features[at])
			b.Signal[j] += d * d / (own * own) / float64(signals)
			b.Error[j] += phi * phi / (own * own) / float64(signals)
			b.Stretches = append(b.Stretches, phi/d)
		}
		b.Signal[j], b.Error[j] = math.Sqrt(b.Signal[j]), math.Sqrt(b.Error[j])
	}
	return b, nil
}
