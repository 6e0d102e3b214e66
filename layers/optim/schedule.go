package optim

import (
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// A Schedule gives the learning rate of each update. It is part of the compiled training step and is evaluated on the
// device from the global step, so it costs no transfer and survives checkpoints: a resumed run goes on where it was.
type Schedule interface {
	// Rate is the learning rate, a scalar of step's type, of the update that comes after step others. step is a
	// floating point scalar, 0 for the first update.
	Rate(step *Node) *Node
}

// Constant is one rate for all steps.
type Constant float64

// Rate implements Schedule.
func (c Constant) Rate(step *Node) *Node { return ConstAs(step, float64(c)) }

// Step multiplies the rate by Gamma when each of the Milestones is reached (PyTorch's MultiStepLR).
type Step struct {
	Initial    float64
	Milestones []int   // in updates
	Gamma      float64 // 0: 0.1
}

// Rate implements Schedule.
func (s Step) Rate(step *Node) *Node {
	gamma := s.Gamma
	if gamma == 0 {
		gamma = 0.1
	}
	rate, next := ConstAs(step, s.Initial), s.Initial
	milestones := slices.Clone(s.Milestones)
	slices.Sort(milestones)
	for _, m := range milestones {
		next *= gamma
		rate = Where(GreaterOrEqual(step, ConstAs(step, float64(m))), ConstAs(step, next), rate)
	}
	return rate
}

// Cosine falls from Initial to Final over Steps updates along half a cosine, and stays there (Loshchilov, Hutter
// 2017, eq. 5, without restarts).
type Cosine struct {
	Initial, Final float64
	Steps          int
}

// Rate implements Schedule.
func (c Cosine) Rate(step *Node) *Node { return cosine(step, c.Initial, c.Final, 0, float64(c.Steps)) }

// Poly falls from Initial to Final over Steps updates as (1 − step/Steps)^Power (Liu et al. 2015; Chen et al. 2017).
type Poly struct {
	Initial, Final float64
	Steps          int
	Power          float64 // 0: 0.9; 1 is a straight line
}

// Rate implements Schedule.
func (p Poly) Rate(step *Node) *Node {
	power := p.Power
	if power == 0 {
		power = 0.9
	}
	rest := OneMinus(progress(step, 0, float64(p.Steps)))
	return AddScalar(MulScalar(Pow(rest, ConstAs(rest, power)), p.Initial-p.Final), p.Final)
}

// OneCycle rises from Peak/StartDivisor to Peak and falls to Peak/StartDivisor/FinalDivisor, each along half a cosine
// (Smith, Topin 2018; the numbers and the exact turning points are those of PyTorch's OneCycleLR).
type OneCycle struct {
	Peak         float64
	Steps        int
	Rise         float64 // share of Steps before the peak; 0: 0.3
	StartDivisor float64 // 0: 25
	FinalDivisor float64 // 0: 10000
}

// Rate implements Schedule.
func (o OneCycle) Rate(step *Node) *Node {
	fallback := func(v, d float64) float64 {
		if v == 0 {
			return d
		}
		return v
	}
	start := o.Peak / fallback(o.StartDivisor, 25)
	final := start / fallback(o.FinalDivisor, 1e4)
	top := fallback(o.Rise, 0.3)*float64(o.Steps) - 1
	return Where(LessOrEqual(step, ConstAs(step, top)),
		cosine(step, start, o.Peak, 0, top),
		cosine(step, o.Peak, final, top, float64(o.Steps-1)))
}

// Warmup multiplies another schedule by (step+1)/Steps while that is less than one (Goyal et al. 2017, section 2.2).
// It does not shift the other's clock: a milestone at 1000 stays at 1000.
type Warmup struct {
	Steps int
	Then  Schedule
}

// Rate implements Schedule.
func (w Warmup) Rate(step *Node) *Node {
	if w.Then == nil {
		Panicf("optim.Warmup: set Then, the schedule that is warmed up")
	}
	rate := w.Then.Rate(step)
	if w.Steps < 1 {
		return rate
	}
	return Mul(rate, MinScalar(MulScalar(OnePlus(step), 1/float64(w.Steps)), 1))
}

// Curve gives the rates of the updates 0 … steps−1, for a picture or a table. It evaluates the schedule itself, on
// the backend that would train with it.
func Curve(backend compute.Backend, s Schedule, steps int) ([]float64, error) {
	exec, err := NewExec(backend, s.Rate)
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	rates := make([]float64, steps)
	for i := range rates {
		outputs, err := exec.Call(float32(i))
		if err != nil {
			return nil, err
		}
		rates[i] = float64(tensors.ToScalar[float32](outputs[0]))
	}
	return rates, nil
}

// progress is how far step is between the steps from and to: 0 before, 1 after.
func progress(step *Node, from, to float64) *Node {
	span := math.Max(to-from, 1e-6) // a cycle of no length is over at once
	return MinScalar(MaxScalar(DivScalar(AddScalar(step, -from), span), 0), 1)
}

// cosine goes from a to b along half a cosine while step goes from one step to another.
func cosine(step *Node, a, b, from, to float64) *Node {
	half := MulScalar(OnePlus(Cos(MulScalar(progress(step, from, to), math.Pi))), 0.5) // 1 → 0
	return AddScalar(MulScalar(half, a-b), b)
}

// rateDType is what schedules are computed in: float32 counts steps exactly up to 16 million.
const rateDType = dtypes.Float32
