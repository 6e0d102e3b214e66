package recipes

import (
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend"
)

// drawing is the backend that draws initial values.
var drawing = sync.OnceValues(func() (compute.Backend, error) { return backend.Open("go") })

// Initialize gives the variables of a store that have no value yet their initial ones, in host memory. The pure-Go backend draws
// them, whatever the training will run on: a seed then means the same weights on every machine, and XLA, which takes seconds to
// compile a program for values that are drawn once, compiles none.
func Initialize(store *model.Store) error {
	b, err := drawing()
	if err != nil {
		return err
	}
	var fresh []*model.Variable
	for v := range store.IterVariables() {
		if !v.HasValue() {
			fresh = append(fresh, v)
		}
	}
	if err := toHost(store.GetVariable("/" + model.RNGStateVariableName)); err != nil {
		return err
	}
	if err := store.InitializeVariables(b, nil); err != nil {
		return err
	}
	for _, v := range append(fresh, store.GetVariable("/"+model.RNGStateVariableName)) {
		if err := toHost(v); err != nil {
			return err
		}
	}
	return nil
}

// toHost moves the value of a variable, if it has one, from the backend that computed it to host memory, from where any can take it.
func toHost(v *model.Variable) error {
	if v == nil || !v.HasValue() {
		return nil
	}
	value, err := v.Value()
	if err != nil {
		return err
	}
	return value.ToLocal()
}
