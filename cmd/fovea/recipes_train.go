package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fovea/internal/backend"
	"fovea/recipes"
)

func init() { commands = append(commands, trainCommand) }

// trainOptions are the flags of `fovea train`.
type trainOptions struct {
	data, variant, run   string
	set                  []string
	epochs, steps, batch int
	rate                 float64
	seed                 int64
	images, size         int
	resume               bool
	weights, save        string // files of weights to begin with, and to write at the end
	newHead              bool
	mixup, cutmix        float64
	average              float64
	bfloat16, plain      bool
	best                 int
}

func trainCommand() *cobra.Command {
	var o trainOptions
	cmd := &cobra.Command{
		Use:   "train RECIPE",
		Short: "Train a recipe's network on a set of images",
		Long: `Train builds a recipe's network for a set of images and trains it as the paper does, or as the flags say.

The run folder gets config.json (the resolved configuration), metrics.jsonl (a line for each measurement), the same for
TensorBoard, and checkpoints. Ctrl-C stops between two steps and saves one; --resume goes on from it as if nothing had happened.
The fields classes, size and channels of the configuration follow the images unless they are set.`,
		Example: `  fovea train vgg --data cifar10 --variant A --epochs 5
  fovea train vgg --data shapes --set hidden=256,256 --set dropout=0.3 --epochs 5 --run runs/small
  fovea train vgg --data shapes --set hidden=256,256 --set dropout=0.3 --epochs 5 --run runs/small --resume
  fovea train vgg --weights vgg16.safetensors --new-head --set size=224 --data shapes --epochs 1`,
		Args: oneRecipe, ValidArgsFunction: recipeNames,
		RunE: func(cmd *cobra.Command, args []string) error { return train(cmd, args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.data, "data", "", "set of images ('fovea data' lists them); without it cifar10 where it is, else shapes")
	flags.StringVar(&o.variant, "variant", "", "one of the recipe's variants")
	setFlag(cmd, &o.set)
	flags.IntVar(&o.epochs, "epochs", 0, "passes through the training images (0: as the paper)")
	flags.IntVar(&o.steps, "steps", 0, "training steps, in place of epochs")
	flags.IntVar(&o.batch, "batch", 0, "images in a step (0: as the paper)")
	flags.Float64Var(&o.rate, "lr", 0, "peak learning rate of SGD with a cosine schedule, in place of the paper's optimiser")
	flags.Int64Var(&o.seed, "seed", 1, "of weights, order, augmentation and dropout")
	flags.IntVar(&o.images, "images", 0, "use so many of the training images only (0: all)")
	flags.IntVar(&o.size, "size", 0, "shrink the images to this height and width (0: as they are)")
	flags.StringVar(&o.run, "run", "", "run folder (default runs/RECIPE-DATE)")
	weightFlags(cmd, &o.weights, &o.newHead)
	flags.StringVar(&o.save, "save-weights", "", "write the trained weights to this `file` (.safetensors or .npz), under the first library's names that the recipe knows")
	flags.Float64Var(&o.mixup, "mixup", 0, "alpha of mixing the images of a batch (0: not; 0.2 is usual)")
	flags.Float64Var(&o.cutmix, "cutmix", 0, "alpha of putting parts of images into others (0: not; 1 is usual)")
	flags.Float64Var(&o.average, "average", 0, "decay of a moving average of the weights, which is then what is evaluated (0: none; 0.999)")
	flags.BoolVar(&o.bfloat16, "bfloat16", false, "compute in half precision, with weights in float32")
	flags.BoolVar(&o.plain, "plain-forms", false, "compute layers as the engine has them, without this project's faster forms: to compare")
	flags.IntVar(&o.best, "best", 0, "checkpoints of the best evaluations that are kept beside the newest; the test is then of the best")
	flags.BoolVar(&o.resume, "resume", false, "go on from the newest checkpoint in the run folder")
	return cmd
}

func train(cmd *cobra.Command, name string, o trainOptions) error {
	ctx, out, log := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	e, err := recipes.Lookup(name)
	if err != nil {
		return err
	}
	if e.Kind != recipes.ModelKind {
		return fmt.Errorf("recipe %s is a %s: there is no network of its own to train; 'fovea reproduce %s' runs its experiment", name, e.Kind, name)
	}
	config, err := configure(e, o.variant, o.set)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	data, err := recipes.OpenImages(ctx, o.data, recipes.ImageOptions{Train: o.images, Size: o.size, Seed: 1})
	if err != nil {
		return err
	}
	config, changed, err := fitToData(e, config, o.set, len(data.Train.Classes), data.Train.H, data.Train.C)
	if err != nil {
		return err
	}
	if o.resume {
		if err := sameRun(e, config, o.run); err != nil {
			return err
		}
	}
	network, err := e.Network(config, nil)
	if err != nil {
		return err
	}
	b, choice, err := backend.New(ctx, backend.Options{Progress: log})
	if err != nil {
		return err
	}
	if choice.Warning != "" {
		fmt.Fprintln(log, choice.Warning)
	}

	if o.run == "" {
		o.run = filepath.Join("runs", name+"-"+time.Now().Format("20060102-150405"))
	}
	fit := e.Fit
	override(&fit, o)
	fit.Dir, fit.Resume, fit.Log, fit.Progress = o.run, o.resume, log, recipes.TerminalProgress(log)
	variant := o.variant
	if variant == "" {
		variant = e.Default
	}
	fit.Describe = map[string]any{
		"recipe": name, "variant": variant, "config": config, "data": data.Train.Name, "images": data.Train.N, "seed": o.seed,
		"epochs": fit.Epochs, "steps": fit.Steps, "batch": fit.Batch, "rate": fit.LearningRate, "backend": choice.Name,
		"mixup": fit.Mixup, "cutmix": fit.CutMix, "average": fit.Average, "bfloat16": fit.BFloat16, "plainForms": fit.PlainForms, "weights": o.weights,
	}
	fmt.Fprintf(out, "%s on %s\n", name, data.Train)
	if len(changed) > 0 {
		fmt.Fprintf(out, "made to fit the images: %s\n", strings.Join(changed, ", "))
	}
	trainer, err := recipes.NewTrainer(b, network, fit)
	if err != nil {
		return err
	}
	if o.weights != "" {
		report, err := trainer.LoadWeights(o.weights, e.Weights(config), []int{data.Train.H, data.Train.W, data.Train.C}, recipes.WeightOptions{NewHead: o.newHead})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "weights: %s\n", report)
	}
	if err := trainer.Run(ctx, data.Train, data.Valid); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w; the same command with --run %s --resume goes on from there", err, o.run)
		}
		return err
	}
	if o.best > 0 {
		step, err := trainer.LoadBest()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "best on the validation images: step %d\n", step)
	}
	// The test images are looked at once, when everything has been chosen.
	evaluation, err := trainer.Evaluate(ctx, data.Test)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "test: %s\nrun folder: %s\n", evaluation, o.run)
	if o.save == "" {
		return nil
	}
	var names recipes.WeightMap // this project's own, where the recipe knows no others
	if maps := e.Weights(config); len(maps) > 0 {
		names = maps[0]
	}
	if err := trainer.SaveWeights(o.save, names); err != nil {
		return err
	}
	fmt.Fprintf(out, "weights written to %s\n", o.save)
	return nil
}

// weightFlags adds the flags of a command that reads a file of weights.
func weightFlags(cmd *cobra.Command, file *string, newHead *bool) {
	cmd.Flags().StringVar(file, "weights", "", "begin with the weights in this `file`, safetensors or npz, as torchvision or timm name them, or as --save-weights wrote them")
	cmd.Flags().BoolVar(newHead, "new-head", false, "leave the last layer out of --weights: it starts afresh, for other classes")
}

func (o trainOptions) check() error {
	switch {
	case o.epochs < 0 || o.steps < 0 || o.batch < 0 || o.rate < 0:
		return fmt.Errorf("train: %d epochs, %d steps, batches of %d and a rate of %g: none may be negative", o.epochs, o.steps, o.batch, o.rate)
	case o.epochs > 0 && o.steps > 0:
		return errors.New("train: --epochs and --steps are two ways to say the same: give one")
	case o.resume && o.weights != "":
		return errors.New("train: --resume goes on with the run's own weights: leave --weights out, or begin another run")
	case o.newHead && o.weights == "":
		return errors.New("train: --new-head says which of the --weights are left out: give them too")
	case o.resume && o.run == "":
		return errors.New("train: --resume needs --run, the folder of the run to go on with")
	}
	if o.resume {
		// A misspelt folder must not begin a new training.
		if _, err := os.Stat(filepath.Join(o.run, "checkpoints")); err != nil {
			return fmt.Errorf("train: there is no checkpoint in %s to resume from: check the folder, or leave --resume out to begin", o.run)
		}
	}
	return nil
}

// sameRun wants the run folder to be of this recipe and configuration, so that a run of another version or with other
// fields is refused in those words, before its weights are found not to fit.
func sameRun(e *recipes.Entry, config any, dir string) error {
	path := filepath.Join(dir, "config.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the checkpoints themselves will tell
	}
	if err != nil {
		return err
	}
	var saved struct {
		Recipe string
		Config json.RawMessage
	}
	if err := json.Unmarshal(data, &saved); err != nil {
		return fmt.Errorf("train: %s is damaged: %w", path, err)
	}
	if saved.Recipe != e.Name {
		return fmt.Errorf("train: %s is a run of %q, not of %s", dir, saved.Recipe, e.Name)
	}
	was, err := e.Decode(saved.Config)
	if err != nil {
		return fmt.Errorf("train: %s: %w; go on with the version that began it, or begin anew in another folder", path, err)
	}
	if !reflect.DeepEqual(was, config) {
		return fmt.Errorf("train: %s was trained with another configuration, %s: give the same --variant and --set, or another folder", dir, saved.Config)
	}
	return nil
}

// override puts the flags in place of the paper's numbers.
func override(fit *recipes.Fit, o trainOptions) {
	fit.Seed, fit.Best, fit.BFloat16, fit.PlainForms = o.seed, o.best, fit.BFloat16 || o.bfloat16, o.plain
	for _, f := range []struct {
		field *float64
		value float64
	}{{&fit.Mixup, o.mixup}, {&fit.CutMix, o.cutmix}, {&fit.Average, o.average}} {
		if f.value != 0 {
			*f.field = f.value
		}
	}
	if o.epochs > 0 {
		fit.Epochs, fit.Steps = o.epochs, 0
	}
	if o.steps > 0 {
		fit.Steps = o.steps
	}
	if o.batch > 0 {
		fit.Batch = o.batch
	}
	if o.rate > 0 {
		fit.LearningRate, fit.Optimizer = o.rate, nil
	}
}
