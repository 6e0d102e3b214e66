// Package recipes is the harness of the paper recipes: what a recipe is, how it is found, trained and put to the test.
//
// A recipe is one paper in one folder: its package comment is its card, its Config holds the paper's numbers, and one
// call of [Register] in a package variable makes it known. Recipes come in three kinds: a Model is a network, a Method
// acts on a network (it makes another network of it), and a Study is a measurement that ends in a table.
//
// The trainer works without any recipe: [NewTrainer] takes a function of a scope and a batch of images.
package recipes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// A Network builds the graph of a network: a batch of inputs in, one output. Images come as [B H W C]; classifiers
// return logits [B K]. It panics on shapes that don't fit, and only then.
type Network = func(s *model.Scope, x *graph.Node) *graph.Node

// Kind says which of the three a recipe is.
type Kind string

const (
	ModelKind  Kind = "model"
	MethodKind Kind = "method"
	StudyKind  Kind = "study"
)

// Paper says what is reproduced.
type Paper struct {
	Title, Authors string
	Year           int
	URL            string
}

// A Recipe is one paper. Name, Paper, Config and one of Model, Method and Study are required.
type Recipe[C any] struct {
	Name   string // the folder's and package's name
	Family string // what it is listed under: "backbone", "attribution", …
	Paper  Paper

	Config   C            // the paper's numbers
	Variants map[string]C // named configurations, as data
	Variant  string       // the name of the variant that Config is, if it is one

	// Tiny shrinks a configuration to about a million multiply-adds without touching the code that runs. Nil: none.
	Tiny func(C) C

	Model  func(C) Network
	Method func(c C, host Network) Network
	Study  func(C) Program

	Input  func(C) []int    // the shape of one example, usually height, width, channels; nil: 32×32×3
	Taps   func(C) []string // names of the feature maps that a network of this configuration exposes
	Params map[string]int   // trainable parameters by variant: facts of the paper, tested

	// Weights tells the names that published weights of a configuration have, a map for each library; nil: none are known.
	Weights func(C) []WeightMap

	Fit    Fit // how the paper trains it
	Claims []Claim[C]

	// Exceptions names checks of the suite that this recipe is excused from, each with its reason. The suite fails when
	// an excused check passes.
	Exceptions map[string]string
}

// A Program is what a Study runs.
type Program func(ctx context.Context, t *Trial) (*Table, error)

// Table is the outcome of a Study: rows of numbers with named columns.
type Table struct {
	Columns []string
	Rows    []Row
}

// Row is one line of a Table.
type Row struct {
	Name   string
	Values []float64
}

// Entry is a recipe whose configuration type has been forgotten: what the command, the suite and the tables work with.
// The configurations that it takes and gives are values of the recipe's own Config type.
type Entry struct {
	Name, Family string
	Paper        Paper
	Kind         Kind
	Config       any
	Default      string // the variant that Config is
	Params       map[string]int
	Fit          Fit
	Claims       []Experiment
	Exceptions   map[string]string

	variants map[string]any
	tiny     func(any) any
	network  func(c any, host Network) Network
	program  func(any) Program
	input    func(any) []int
	taps     func(any) []string
	weights  func(any) []WeightMap
	override func(any, []string) (any, error)
	decode   func([]byte) (any, error)
}

// NewEntry checks a recipe and forgets its configuration type.
func NewEntry[C any](r Recipe[C]) (*Entry, error) {
	e := &Entry{
		Name: r.Name, Family: r.Family, Paper: r.Paper, Config: r.Config, Default: r.Variant, Params: r.Params, Fit: r.Fit,
		Exceptions: r.Exceptions, variants: map[string]any{},
		override: func(c any, assignments []string) (any, error) { return Override(c.(C), assignments) },
		decode: func(data []byte) (any, error) {
			var c C
			err := strictJSON(data, &c)
			return c, err
		},
		input: func(any) []int { return []int{32, 32, 3} },
		taps:  func(any) []string { return nil },

		weights: func(any) []WeightMap { return nil },
	}
	kinds := 0
	if r.Model != nil {
		kinds++
		e.Kind = ModelKind
		e.network = func(c any, _ Network) Network { return r.Model(c.(C)) }
	}
	if r.Method != nil {
		kinds++
		e.Kind = MethodKind
		e.network = func(c any, host Network) Network { return r.Method(c.(C), host) }
	}
	if r.Study != nil {
		kinds++
		e.Kind = StudyKind
		e.program = func(c any) Program { return r.Study(c.(C)) }
	}
	switch {
	case r.Name == "":
		return nil, fmt.Errorf("a recipe has no name")
	case r.Paper.Title == "" || r.Paper.Authors == "" || r.Paper.Year == 0 || r.Paper.URL == "":
		return nil, fmt.Errorf("recipe %s: Paper lacks its title, authors, year or address", r.Name)
	case kinds != 1:
		return nil, fmt.Errorf("recipe %s: one of Model, Method and Study must be set, not %d", r.Name, kinds)
	}
	if r.Variant != "" {
		if _, ok := r.Variants[r.Variant]; !ok {
			return nil, fmt.Errorf("recipe %s: Variant %q is not among its Variants", r.Name, r.Variant)
		}
	}
	for name := range r.Params {
		if _, ok := r.Variants[name]; !ok && name != "" {
			return nil, fmt.Errorf("recipe %s: Params speaks of variant %q, which is not there", r.Name, name)
		}
	}
	for name, c := range r.Variants {
		e.variants[name] = c
	}
	if r.Tiny != nil {
		e.tiny = func(c any) any { return r.Tiny(c.(C)) }
	}
	if r.Input != nil {
		e.input = func(c any) []int { return r.Input(c.(C)) }
	}
	if r.Taps != nil {
		e.taps = func(c any) []string { return r.Taps(c.(C)) }
	}
	if r.Weights != nil {
		e.weights = func(c any) []WeightMap { return r.Weights(c.(C)) }
	}
	for _, claim := range r.Claims {
		x, err := claim.experiment(r.Name)
		if err != nil {
			return nil, err
		}
		e.Claims = append(e.Claims, x)
	}
	return e, nil
}

// Variants lists the names of the variants in order.
func (e *Entry) Variants() []string { return slices.Sorted(maps.Keys(e.variants)) }

// Variant returns the configuration of a variant; the empty name means the recipe's default.
func (e *Entry) Variant(name string) (any, error) {
	if name == "" {
		return e.Config, nil
	}
	if c, ok := e.variants[name]; ok {
		return c, nil
	}
	if len(e.variants) == 0 {
		return nil, fmt.Errorf("recipe %s has no variants", e.Name)
	}
	return nil, fmt.Errorf("recipe %s has no variant %q; it has %s", e.Name, name, strings.Join(e.Variants(), ", "))
}

// Tiny returns a small configuration made from the given one, and false if the recipe has none.
func (e *Entry) Tiny(config any) (any, bool) {
	if e.tiny == nil {
		return nil, false
	}
	return e.tiny(config), true
}

// Network builds the network of a Model, or a Method's network over the host. A Study has none.
func (e *Entry) Network(config any, host Network) (Network, error) {
	if e.network == nil {
		return nil, fmt.Errorf("recipe %s is a study: it has no network", e.Name)
	}
	if e.Kind == MethodKind && host == nil {
		return nil, fmt.Errorf("recipe %s is a method: it needs a host network", e.Name)
	}
	return e.network(config, host), nil
}

// Program returns what a Study runs, nil for the other kinds.
func (e *Entry) Program(config any) Program {
	if e.program == nil {
		return nil
	}
	return e.program(config)
}

// Input is the shape of one example for a configuration.
func (e *Entry) Input(config any) []int { return e.input(config) }

// Taps lists the names of the feature maps of a configuration.
func (e *Entry) Taps(config any) []string { return e.taps(config) }

// Weights lists the names that other libraries have for the variables of a configuration, a map for each library.
func (e *Entry) Weights(config any) []WeightMap { return e.weights(config) }

// Override applies assignments such as "classes=10" to a configuration and returns the changed copy.
func (e *Entry) Override(config any, assignments []string) (any, error) {
	c, err := e.override(config, assignments)
	if err != nil {
		return nil, fmt.Errorf("recipe %s: %w", e.Name, err)
	}
	return c, nil
}

// Decode reads a configuration from JSON. Unknown fields are errors, since they come from another version.
func (e *Entry) Decode(data []byte) (any, error) {
	c, err := e.decode(data)
	if err != nil {
		return nil, fmt.Errorf("recipe %s: the saved configuration doesn't fit this version: %w", e.Name, err)
	}
	return c, nil
}

// Encode writes a configuration as JSON.
func (e *Entry) Encode(config any) ([]byte, error) { return json.MarshalIndent(config, "", "  ") }
