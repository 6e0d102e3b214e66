// Package recipetest is the suite that every recipe passes. Its checks have names; a recipe that must be excused from
// one lists it in its Exceptions with a reason, and the suite fails when the excuse is not needed.
package recipetest

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/home"
	"fovea/layers"
	"fovea/recipes"
)

// A Subject is a recipe with what the suite must know of its source.
type Subject struct {
	*recipes.Entry
	Card    string          // the package comment
	Folder  string          // the folder's name
	Package string          // the package's name
	Result  *recipes.Result // what result.json beside it says; nil: there is none
}

// Load reads a recipe's source below the project's root.
func Load(e *recipes.Entry) (Subject, error) {
	root, err := home.Root()
	if err != nil {
		return Subject{}, err
	}
	path := filepath.Join(root, "recipes", e.Name, e.Name+".go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		return Subject{}, fmt.Errorf("the recipe %s must be in a folder and a file of that name: %w", e.Name, err)
	}
	result, err := recipes.ReadResult(filepath.Join(root, "recipes", e.Name, "result.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Subject{}, err
	}
	return Subject{Entry: e, Card: file.Doc.Text(), Folder: e.Name, Package: file.Name.Name, Result: result}, nil
}

// check is one check of the suite. Those that compute run on each backend, or, where every network would have to be compiled for
// several programs, on the pure-Go one alone.
type check struct {
	name     string
	on       where
	run      func(s Subject, b compute.Backend) error
	networks bool // doesn't apply to studies
}

type where int

const (
	once where = iota // needs no backend of its own: it only builds graphs
	onGo
	onEach
)

// checks in the order of the suite. Names are what Exceptions speak of.
var checks = []check{
	{name: "card", run: checkCard},
	{name: "json", run: checkJSON},
	{name: "parameters", run: checkParameters, networks: true},
	{name: "taps", run: checkTaps, networks: true},
	{name: "claims", run: checkClaims},
	{name: "result", run: checkResult},
	{name: "runs", run: checkRuns, on: onEach},
	{name: "batch", run: checkBatch, on: onEach, networks: true},
	{name: "gradients", run: checkGradients, on: onEach, networks: true},
	{name: "learns", run: checkLearns, on: onGo, networks: true},
	{name: "resumes", run: checkResumes, on: onGo, networks: true},
	{name: "weights", run: checkWeights, on: onGo, networks: true},
}

// Suite runs all checks on a recipe. Each gets the backends that it needs from each; onlyGo is the pure-Go backend.
func Suite(t *testing.T, s Subject, onlyGo compute.Backend, each func(t *testing.T, f func(t *testing.T, b compute.Backend))) {
	t.Helper()
	if err := checkExceptions(s); err != nil {
		t.Error(err)
	}
	for _, c := range checks {
		if c.networks && s.Kind == recipes.StudyKind {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if c.on == onEach {
				each(t, func(t *testing.T, b compute.Backend) { judge(t, s, c, b) })
			} else {
				judge(t, s, c, onlyGo)
			}
		})
	}
}

func judge(t *testing.T, s Subject, c check, b compute.Backend) {
	t.Helper()
	if err := verdict(s, c, c.run(s, b)); err != nil {
		t.Error(err)
	}
}

// verdict turns around the outcome of a check from which the recipe is excused.
func verdict(s Subject, c check, err error) error {
	reason, excused := s.Exceptions[c.name]
	switch {
	case !excused && err != nil:
		return fmt.Errorf("recipe %s, check %s: %w", s.Name, c.name, err)
	case excused && err == nil:
		return fmt.Errorf("recipe %s is excused from the check %s (%s), but passes it: remove the exception", s.Name, c.name, reason)
	}
	return nil
}

func checkExceptions(s Subject) error {
	for _, name := range slices.Sorted(maps.Keys(s.Exceptions)) {
		if !slices.ContainsFunc(checks, func(c check) bool { return c.name == name }) {
			return fmt.Errorf("recipe %s is excused from %q, which is no check", s.Name, name)
		}
		if strings.TrimSpace(s.Exceptions[name]) == "" {
			return fmt.Errorf("recipe %s is excused from %s without a reason", s.Name, name)
		}
	}
	return nil
}

// checkCard wants the four lines of the card, and folder, package and name to agree.
func checkCard(s Subject, _ compute.Backend) error {
	if s.Folder != s.Name || s.Package != s.Name {
		return fmt.Errorf("the folder is %q and the package %q; both must be the name", s.Folder, s.Package)
	}
	if s.Family == "" {
		return errors.New("it has no Family")
	}
	for _, key := range recipes.CardKeys {
		if recipes.CardLine(s.Card, key) == "" {
			return fmt.Errorf("the package comment lacks its line %q", key+":")
		}
	}
	paper := recipes.CardLine(s.Card, "Paper")
	for _, part := range []string{strconv.Itoa(s.Paper.Year), s.Paper.URL} {
		if !strings.Contains(paper, part) {
			return fmt.Errorf("the card's Paper line doesn't name %s, as Paper does", part)
		}
	}
	return nil
}

// Host is the network that methods are tried on: two convolutions, a pooling and a linear layer for images of 16×16×3 and
// four classes, with taps "conv1" and "conv2".
func Host(s *model.Scope, x *graph.Node) *graph.Node {
	x = layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 8})
	x = layers.Tap(layers.ReLU(x), "conv1")     // [B 16 16 8]
	x = layers.MaxPool(x, layers.PoolOptions{}) // [B 8 8 8]
	x = layers.Conv(s.In("conv2"), x, layers.ConvOptions{Filters: 8})
	x = layers.Tap(layers.ReLU(x), "conv2")                     // [B 8 8 8]
	x = layers.Flatten(layers.MaxPool(x, layers.PoolOptions{})) // [B 128]
	return layers.Dense(s.In("output"), x, 4)                   // [B 4]
}

var hostInput = []int{16, 16, 3}

// tiny returns the recipe's small configuration, its network and the shape of one example.
func tiny(s Subject) (config any, network recipes.Network, input []int, err error) {
	config, ok := s.Tiny(s.Config)
	if !ok {
		config = s.Config
	}
	network, err = s.Network(config, Host)
	input = s.Input(config)
	if s.Kind == recipes.MethodKind {
		input = hostInput
	}
	return config, network, input, err
}
