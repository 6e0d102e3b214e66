package selfexpanding

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/layers/loss"
)

// Score is the natural expansion score gᵀF⁻¹g of the gradients of single images, [n][parameters]: g is their mean, and F, the diagonal of
// the empirical Fisher information, their mean square. To first order it is how fast the loss falls along the natural gradient.
// Parameters without any gradient don't count.
//
// The mean of n random gradients isn't zero: of each parameter 1/n remains at least in the mean, so scores compare only for equal
// images.
func Score(gradients [][]float32) (score float64) {
	if len(gradients) == 0 {
		return 0
	}
	n := float64(len(gradients))
	for i := range gradients[0] {
		var sum, squares float64
		for _, g := range gradients {
			v := float64(g[i])
			sum += v
			squares += v * v
		}
		if squares > 0 {
			score += (sum / n) * (sum / n) / (squares / n)
		}
	}
	return score
}

// A Scorer scores networks on a backend. To compile a network's gradients takes far longer than to compute them, and different trainings
// often come by the same networks: so it keeps the programs until Close.
type Scorer struct {
	backend  compute.Backend
	programs map[string]gradientProgram // by blocks
}

type gradientProgram struct {
	store *model.Store
	exec  *model.Exec
}

// mostGradients bounds the memory of long growth.
const mostGradients = 64

// NewScorer returns a Scorer without programs.
func NewScorer(b compute.Backend) *Scorer {
	return &Scorer{backend: b, programs: map[string]gradientProgram{}}
}

// Close frees the programs.
func (s *Scorer) Close() {
	for _, p := range s.programs {
		p.exec.Finalize()
		p.store.Finalize()
	}
	clear(s.programs)
}

// program is the compiled one of a network, with these weights.
func (s *Scorer) program(c Config, w Weights) (*model.Exec, error) {
	c.Growth = Growth{} // it has no part in the network
	key := fmt.Sprintf("%+v", c)
	p, ok := s.programs[key]
	if ok {
		return p.exec, w.Load(p.store)
	}
	if len(s.programs) >= mostGradients {
		s.Close()
	}
	store := model.NewStore()
	if err := w.Load(store); err != nil {
		return nil, err
	}
	exec, err := model.NewExec(s.backend, store, func(s *model.Scope, x, label *graph.Node) *graph.Node {
		logits := Model(c)(s, x)
		l := loss.SoftmaxCrossEntropy(0)([]*graph.Node{label}, []*graph.Node{logits})
		var parameters []*graph.Node
		for v := range store.IterVariables() {
			if v.Trainable {
				parameters = append(parameters, v.NodeValue(x.Graph()))
			}
		}
		gradients := graph.Gradient(l, parameters...)
		for i, g := range gradients {
			gradients[i] = graph.Reshape(g, -1)
		}
		return graph.Concatenate(gradients, 0) // [parameters]
	})
	if err != nil {
		return nil, err
	}
	s.programs[key] = gradientProgram{store, exec}
	return exec, nil
}

// Gradients returns the gradient of the loss for each image with respect to all parameters, [N][parameters], of the network in evaluation,
// since a normalisation by the batch would tie the images together.
func (s *Scorer) Gradients(ctx context.Context, c Config, w Weights, im *datasets.Images) ([][]float32, error) {
	exec, err := s.program(c, w)
	if err != nil {
		return nil, err
	}
	all := make([][]float32, im.N)
	for i := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		y, err := exec.Call(im.Tensor(i, i+1), im.LabelTensor(i, i+1))
		if err != nil {
			return nil, err
		}
		if all[i], err = tensors.CopyFlatData[float32](y[0]); err != nil {
			return nil, err
		}
		_ = y[0].FinalizeAll()
	}
	return all, nil
}

// A Choice is what scoring the candidates found: the best of them, and its score over the present one.
type Choice struct {
	Expansion Expansion
	Ratio     float64
}

// Choose scores the network and each of its candidates on the images and returns the best, by η·exp(−λ·Δp²) with Δp the new
// parameters. Whether the ratio suffices is for the caller to say: the paper expands above τ.
func (s *Scorer) Choose(ctx context.Context, c Config, w Weights, im *datasets.Images, r *rand.Rand) (Choice, error) {
	score := func(c Config, w Weights) (float64, error) {
		g, err := s.Gradients(ctx, c, w, im)
		return Score(g), err
	}
	present, err := score(c, w)
	if err != nil {
		return Choice{}, err
	}
	var choices []Choice
	for _, e := range c.Candidates() {
		grown, next := Grow(c, w, e, r)
		eta, err := score(grown, next)
		if err != nil {
			return Choice{}, err
		}
		added := float64(grown.Parameters()-c.Parameters()) / float64(max(c.Growth.Budget, 1))
		choices = append(choices, Choice{e, eta * math.Exp(-added*added) / present})
	}
	return slices.MaxFunc(choices, func(a, b Choice) int {
		switch {
		case a.Ratio < b.Ratio:
			return -1
		case a.Ratio > b.Ratio:
			return 1
		}
		return 0
	}), nil
}
