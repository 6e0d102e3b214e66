package recipes

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/tensorfile"
)

// WeightOptions says how weights are loaded.
type WeightOptions struct {
	// NewHead leaves the layers out whose outputs are the classes: they start afresh, for other classes than the file's.
	NewHead bool
}

// WeightReport says what became of a file of weights.
type WeightReport struct {
	File   string
	Source string   // whose names the file has
	Loaded []string // variables that have their values from the file
	Fresh  []string // variables that kept those of their initialiser: the head, and what the file lacks and may lack
	Unused []string // tensors of the file without a place here that are not missed
}

func (r WeightReport) String() string {
	text := fmt.Sprintf("%s has %s's names: %d variables", r.File, r.Source, len(r.Loaded))
	if len(r.Fresh) > 0 {
		text += fmt.Sprintf("; fresh: %s", some(r.Fresh))
	}
	if len(r.Unused) > 0 {
		text += fmt.Sprintf("; not used: %s", some(r.Unused))
	}
	return text
}

// some names the first few of a list.
func some(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// ownNames are what SaveWeights writes when nothing else is asked for.
var ownNames = WeightMap{Source: "fovea"}

// LoadWeights gives the network the weights of a file, safetensors or npz. The maps are tried in turn, and last this
// project's own names. Input is the shape of one example. On an error the network is as it was.
func (t *Trainer) LoadWeights(file string, maps []WeightMap, input []int, o WeightOptions) (WeightReport, error) {
	shape := shapes.Make(dtypes.Float32, append([]int{2}, input...)...)
	if t.own == nil {
		if err := t.prepare([]shapes.Shape{shape}, nil); err != nil {
			return WeightReport{}, err
		}
	}
	if t.labels == nil {
		if err := t.traceTraining(shape); err != nil {
			return WeightReport{}, err
		}
	}
	var variables []*model.Variable
	for v := range t.store.IterVariables() {
		if t.own[v.Path()] { // the others are the optimiser's
			variables = append(variables, v)
		}
	}
	f, err := tensorfile.Open(file)
	if err != nil {
		return WeightReport{}, err
	}
	defer f.Close()
	plan, err := planWeights(f, variables, maps, o)
	if err != nil {
		return WeightReport{}, err
	}
	loaded := make([]*tensors.Tensor, len(plan.places))
	for i, p := range plan.places {
		values, err := p.tensor.Values()
		if err != nil {
			return WeightReport{}, err
		}
		dims := p.variable.Shape().Dimensions
		if values, err = fromFile(values, p.tensor.Shape, dims, p.flattened); err != nil {
			return WeightReport{}, fmt.Errorf("%s: %s: %w", file, p.tensor.Name, err)
		}
		loaded[i] = tensors.FromFlatDataAndDimensions(values, dims...)
	}
	// Everything has been read and fits: from here nothing fails. Velocities and averages were those of the old weights.
	if err := t.forgetTraining(); err != nil {
		return WeightReport{}, err
	}
	for i, p := range plan.places {
		if err := p.variable.SetValue(loaded[i]); err != nil {
			return WeightReport{}, err
		}
	}
	return plan.report, nil
}

// traceTraining makes the variables that the network has only in training, such as those of an auxiliary head.
func (t *Trainer) traceTraining(input shapes.Shape) error {
	if err := t.trace(t.store, []shapes.Shape{input}, []shapes.Shape{shapes.Make(dtypes.Int32, input.Dimensions[0], 1)}, nil); err != nil {
		return err
	}
	for v := range t.store.IterVariables() {
		t.own[v.Path()] = true
	}
	return Initialize(t.store)
}

// CheckWeights says how a file fits a network, without any weights being made or read.
func CheckWeights(backend compute.Backend, net Network, file string, maps []WeightMap, input []int, o WeightOptions) (WeightReport, error) {
	t, err := NewTrainer(backend, net, Fit{})
	if err != nil {
		return WeightReport{}, err
	}
	defer t.Close()
	shape := shapes.Make(dtypes.Float32, append([]int{2}, input...)...)
	label := shapes.Make(dtypes.Int32, 2, 1)
	for _, labels := range [][]shapes.Shape{nil, {label}} {
		if err := t.trace(t.store, []shapes.Shape{shape}, labels, nil); err != nil {
			return WeightReport{}, err
		}
	}
	f, err := tensorfile.Open(file)
	if err != nil {
		return WeightReport{}, err
	}
	defer f.Close()
	plan, err := planWeights(f, slices.Collect(t.store.IterVariables()), maps, o)
	return plan.report, err
}

// place says which tensor a variable gets.
type place struct {
	variable  *model.Variable
	tensor    *tensorfile.Tensor
	flattened [3]int
}

type weightPlan struct {
	places   []place
	report   WeightReport
	problems int
	err      error
}

// planWeights finds the map under which the file fits, or the error of the one under which it comes nearest.
func planWeights(f *tensorfile.File, variables []*model.Variable, maps []WeightMap, o WeightOptions) (weightPlan, error) {
	var best *weightPlan
	for _, m := range append(slices.Clone(maps), ownNames) {
		if m.Source == ownNames.Source && len(maps) > 0 {
			m.Head, m.Flattened = maps[0].Head, maps[0].Flattened
		}
		p := planFor(f, variables, m, o)
		if p.err == nil {
			return p, nil
		}
		if best == nil || p.problems < best.problems {
			best = &p
		}
	}
	return weightPlan{}, best.err
}

func planFor(f *tensorfile.File, variables []*model.Variable, m WeightMap, o WeightOptions) weightPlan {
	p := weightPlan{report: WeightReport{File: filepath.Base(f.Path), Source: m.Source}}
	var missing, wrong []string
	used, classes := map[string]bool{}, ""
	for _, v := range variables {
		if v.Path() == rngPath {
			continue
		}
		variable := strings.TrimPrefix(v.Path(), "/")
		name := m.tensorName(variable)
		scope, _, _ := cutLast(variable)
		head := inScopes(variable, m.Head)
		tensor := f.Tensor(name)
		used[name] = true
		switch {
		case head && o.NewHead, tensor == nil && inScopes(variable, m.Optional):
			p.report.Fresh = append(p.report.Fresh, variable)
			continue
		case tensor == nil:
			missing = append(missing, fmt.Sprintf("%s (%s)", name, variable))
			continue
		}
		dims := v.Shape().Dimensions
		if _, err := checkLayout(tensor.Shape, dims, m.Flattened[scope]); err != nil {
			if there, here := outputs(tensor.Shape, dims); head && there != here {
				classes = fmt.Sprintf("%s has a head for %d classes, the network has %d: make the network for %d classes (--set classes=%d), or keep all other weights and start the head afresh (NewHead, --new-head)",
					f.Path, there, here, there, there)
			}
			wrong = append(wrong, fmt.Sprintf("%s is %v, %s wants it to be %s", name, tensor.Shape, variable, strings.TrimPrefix(err.Error(), "want ")))
			continue
		}
		p.places = append(p.places, place{v, tensor, m.Flattened[scope]})
		p.report.Loaded = append(p.report.Loaded, variable)
	}
	var unknown []string
	for _, tensor := range f.Tensors {
		switch {
		case used[tensor.Name]:
		case strings.HasSuffix(tensor.Name, "num_batches_tracked"):
		case slices.ContainsFunc(m.Skip, func(prefix string) bool { return strings.HasPrefix(tensor.Name, prefix) }):
			p.report.Unused = append(p.report.Unused, tensor.Name)
		default:
			unknown = append(unknown, tensor.Name)
		}
	}
	p.problems = len(missing) + len(wrong) + len(unknown)
	p.err = p.complaint(f.Path, m, missing, wrong, unknown, classes)
	return p
}

func (p weightPlan) complaint(file string, m WeightMap, missing, wrong, unknown []string, classes string) error {
	switch {
	case p.problems == 0:
		return nil
	case classes != "" && len(missing)+len(unknown) == 0:
		return fmt.Errorf("%s", classes)
	case len(missing) > 0 && len(p.places) == 0:
		return fmt.Errorf("%s has none of the network's weights under %s's names: it lacks %s; it has %s", file, m.Source, some(missing), some(unknown))
	}
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, "it lacks "+some(missing))
	}
	if len(wrong) > 0 {
		parts = append(parts, some(wrong))
	}
	if len(unknown) > 0 {
		parts = append(parts, "the network has no place for "+some(unknown))
	}
	return fmt.Errorf("%s is of another network than this one (%s's names): %s: is it another variant?", file, m.Source, strings.Join(parts, "; "))
}

// outputs is the number of outputs of a tensor and of a variable.
func outputs(shape, variable []int) (there, here int) {
	if len(shape) == 0 || len(variable) == 0 {
		return 0, 0
	}
	return shape[0], variable[len(variable)-1]
}

func inScopes(variable string, scopes []string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return strings.HasPrefix(variable, strings.Trim(s, "/")+"/") })
}

// cutLast cuts a path at its last "/".
func cutLast(p string) (before, after string, found bool) {
	if i := strings.LastIndex(p, "/"); i >= 0 {
		return p[:i], p[i+1:], true
	}
	return "", p, false
}

// SaveWeights writes the network's weights to a file, npz if it is called so and safetensors else, under the names and in
// the order that the map says. The zero map writes this project's own names.
func (t *Trainer) SaveWeights(file string, m WeightMap) error {
	variables := t.Variables()
	if len(variables) == 0 {
		return fmt.Errorf("there are no weights yet to write to %s", file)
	}
	back, err := t.showAverages()
	if err != nil {
		return err
	}
	defer back()
	var all []tensorfile.Named
	for _, v := range variables {
		value, err := v.Value()
		if err != nil {
			return err
		}
		if value.DType() != dtypes.Float32 {
			return fmt.Errorf("%s is %s: only float32 is written", v.Path(), value.DType())
		}
		values, err := tensors.CopyFlatData[float32](value)
		if err != nil {
			return err
		}
		path := strings.TrimPrefix(v.Path(), "/")
		scope, _, _ := cutLast(path)
		values, shape := toFile(values, v.Shape().Dimensions, m.Flattened[scope])
		all = append(all, tensorfile.Named{Name: m.tensorName(path), Shape: shape, Values: values})
	}
	if strings.EqualFold(filepath.Ext(file), ".npz") {
		return tensorfile.WriteNpz(file, all)
	}
	return tensorfile.WriteSafetensors(file, all, map[string]string{"format": "pt"})
}
