package recipetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/recipes"
)

// checkWeights writes the tiny network's weights under each library's names and reads them into a fresh network: the names
// must tell all variables apart, and the outputs must be the same.
func checkWeights(s Subject, b compute.Backend) error {
	config, ok := s.Tiny(s.Config)
	if !ok {
		config = s.Config
	}
	maps := s.Weights(config)
	if len(maps) == 0 {
		return nil
	}
	_, _, input, err := tiny(s)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "recipetest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, m := range maps {
		if m.Source == "" {
			return errors.New("a map of weights doesn't say whose names it has")
		}
		file := filepath.Join(dir, m.Source+".safetensors")
		output := func(seed int64, prepare func(t *recipes.Trainer) error) ([]float32, error) {
			trainer, images, err := newTrainer(s, b, recipes.Fit{Seed: seed})
			if err != nil {
				return nil, err
			}
			defer trainer.Close()
			if err := prepare(trainer); err != nil {
				return nil, err
			}
			y, err := trainer.Output(context.Background(), images.Slice(0, 4))
			if err != nil {
				return nil, err
			}
			if seed == 1 {
				if err := trainer.SaveWeights(file, m); err != nil {
					return nil, err
				}
			}
			return tensors.MustCopyFlatData[float32](y), nil
		}
		want, err := output(1, func(*recipes.Trainer) error { return nil })
		if err != nil {
			return fmt.Errorf("%s's names: %w", m.Source, err)
		}
		got, err := output(2, func(t *recipes.Trainer) error {
			_, err := t.LoadWeights(file, []recipes.WeightMap{m}, input, recipes.WeightOptions{})
			return err
		})
		if err != nil {
			return fmt.Errorf("%s's names: %w", m.Source, err)
		}
		if d := distance(want, got); d != 0 {
			return fmt.Errorf("weights written and read under %s's names give outputs that differ by %g", m.Source, d)
		}
	}
	return nil
}
