package recipes

import (
	"errors"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers/optim"
)

// showAverages puts the averages of the weights in the weights' places until back is called. Without averages nothing
// happens.
func (t *Trainer) showAverages() (back func(), err error) {
	if t.fit.Average == 0 {
		return func() {}, nil
	}
	pairs := optim.Averages(t.store)
	if err := exchange(pairs); err != nil {
		return nil, err
	}
	return func() { _ = exchange(pairs) }, nil // what could be read and set can be so again
}

// exchange changes the values of pairs of variables for each other's, or none.
func exchange(pairs map[*model.Variable]*model.Variable) error {
	values := map[*model.Variable]*tensors.Tensor{}
	for a, b := range pairs {
		for _, v := range []*model.Variable{a, b} {
			value, err := v.Value()
			if err != nil {
				return err
			}
			values[v] = value
		}
	}
	for a, b := range pairs {
		if err := errors.Join(a.SetValuePreservingOld(values[b]), b.SetValuePreservingOld(values[a])); err != nil {
			return err
		}
	}
	return nil
}
