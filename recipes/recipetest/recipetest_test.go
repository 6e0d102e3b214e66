package recipetest

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend"
	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/recipes"
	_ "fovea/recipes/all"
)

func TestMain(m *testing.M) {
	backendtest.CompileQuickly()
	os.Exit(m.Run())
}

func pureGo(t *testing.T) compute.Backend {
	t.Helper()
	b, err := backend.Open("go")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRecipes runs the suite on every registered recipe: -run 'Recipes/vgg' for one.
func TestRecipes(t *testing.T) {
	all := recipes.All()
	if len(all) < 2 {
		t.Fatalf("%d recipes are registered", len(all))
	}
	for _, e := range all {
		t.Run(e.Name, func(t *testing.T) {
			s, err := Load(e)
			if err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(recipes.Card(e.Name)) != strings.TrimSpace(s.Card) {
				t.Errorf("the card of %s in recipes/all is not that of its source: run go generate ./recipes", e.Name)
			}
			Suite(t, s, pureGo(t), backendtest.EachForTest)
		})
	}
}

// toy is a recipe that passes; the tests below break it in one place each.
type toyConfig struct {
	Filters int   `json:"filters"`
	Sizes   []int `json:"sizes"`

	secret int // lost in JSON
}

func toyNetwork(c toyConfig) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		x = layers.Tap(layers.ReLU(layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: c.Filters})), "conv")
		return layers.Dense(s.In("output"), layers.Flatten(x), 3)
	}
}

func toy() recipes.Recipe[toyConfig] {
	return recipes.Recipe[toyConfig]{
		Name: "toy", Family: "test",
		Paper:  recipes.Paper{Title: "Toys", Authors: "Maker", Year: 2020, URL: "https://example.org/toys"},
		Config: toyConfig{Filters: 4, Sizes: []int{1}},
		Model:  toyNetwork,
		Input:  func(toyConfig) []int { return []int{8, 8, 3} },
		Taps:   func(toyConfig) []string { return []string{"conv"} },
		Params: map[string]int{"": 3*3*3*4 + 4 + 8*8*4*3 + 3},
		Claims: []recipes.Claim[toyConfig]{{
			Name: "c", Statement: "s", Arms: []recipes.Arm[toyConfig]{{Name: "a", Config: toyConfig{Filters: 2}}},
			Measure: func(context.Context, *recipes.Trial, toyConfig) (recipes.Values, error) { return nil, nil },
			Tests:   []recipes.Test{{Name: "t", Value: func(map[string]recipes.Values) float64 { return 0 }}},
		}},
	}
}

const toyCard = `Package toy is a toy.

Paper:   Maker 2020, Toys, https://example.org/toys
Claim:   it plays.
Here:    it plays here.
Differs: not at all.`

func subject(t *testing.T, r recipes.Recipe[toyConfig]) Subject {
	t.Helper()
	e, err := recipes.NewEntry(r)
	if err != nil {
		t.Fatal(err)
	}
	return Subject{Entry: e, Card: toyCard, Folder: "toy", Package: "toy"}
}

// failures runs the suite without a *testing.T and returns what it found by check.
func failures(s Subject, b compute.Backend) map[string]string {
	found := map[string]string{}
	if err := checkExceptions(s); err != nil {
		found["exceptions"] = err.Error()
	}
	for _, c := range checks {
		if c.networks && s.Kind == recipes.StudyKind {
			continue
		}
		if err := verdict(s, c, c.run(s, b)); err != nil {
			found[c.name] = err.Error()
		}
	}
	return found
}

func TestSuitePassesAGoodRecipe(t *testing.T) {
	if found := failures(subject(t, toy()), pureGo(t)); len(found) > 0 {
		t.Errorf("a good recipe fails: %v", found)
	}
}

// Each entry breaks one thing and must fail in the check of that name, by the recipe's name, and say why.
func TestSuiteFindsWhatIsBroken(t *testing.T) {
	network := func(f func(s *model.Scope, x *graph.Node) *graph.Node) func(*recipes.Recipe[toyConfig], *Subject) {
		return func(r *recipes.Recipe[toyConfig], _ *Subject) {
			r.Model = func(toyConfig) recipes.Network { return f }
			r.Params, r.Taps = nil, nil
		}
	}
	for name, c := range map[string]struct {
		check, says string
		change      func(*recipes.Recipe[toyConfig], *Subject)
	}{
		"missing card line": {"card", "Differs", func(_ *recipes.Recipe[toyConfig], s *Subject) {
			s.Card = strings.Replace(s.Card, "Differs:", "Other:", 1)
		}},
		"another folder": {"card", "toys", func(_ *recipes.Recipe[toyConfig], s *Subject) { s.Folder = "toys" }},
		"another paper":  {"card", "2021", func(r *recipes.Recipe[toyConfig], _ *Subject) { r.Paper.Year = 2021 }},
		"wrong count":    {"parameters", "declared", func(r *recipes.Recipe[toyConfig], _ *Subject) { r.Params = map[string]int{"": 7} }},
		"unknown tap": {"taps", "conv2", func(r *recipes.Recipe[toyConfig], _ *Subject) {
			r.Taps = func(toyConfig) []string { return []string{"conv2"} }
		}},
		"lost in JSON": {"json", "after JSON", func(r *recipes.Recipe[toyConfig], _ *Subject) { r.Config.secret = 3 }},
		"broken arm":   {"claims", "arm a", func(r *recipes.Recipe[toyConfig], _ *Subject) { r.Claims[0].Arms[0].Config.Filters = 0 }},
		"dead variable": {"gradients", "/dead/weights", network(func(s *model.Scope, x *graph.Node) *graph.Node {
			dead := layers.Conv(s.In("dead"), x, layers.ConvOptions{Filters: 3})
			x = graph.Add(x, graph.MulScalar(dead, 0))
			return layers.Dense(s.In("output"), layers.Flatten(x), 3)
		})},
		"not a number": {"runs", "NaN", network(func(s *model.Scope, x *graph.Node) *graph.Node {
			return layers.Dense(s.In("output"), layers.Flatten(graph.Log(graph.Neg(graph.Abs(x)))), 3)
		})},
		"batch mates": {"batch", "two batches of 1", network(func(s *model.Scope, x *graph.Node) *graph.Node {
			x = graph.Sub(x, graph.ReduceAndKeep(x, graph.ReduceMean, 0))
			return layers.Dense(s.In("output"), layers.Flatten(x), 3)
		})},
		"doesn't learn": {"learns", "loss", network(func(s *model.Scope, x *graph.Node) *graph.Node {
			y := layers.Dense(s.In("output"), layers.Flatten(x), 3)
			return graph.MulScalar(y, 1e-9) // what any optimiser can do in a few steps doesn't show
		})},
		"state outside of the store": {"resumes", "differ", func(r *recipes.Recipe[toyConfig], _ *Subject) {
			built := 0 // what a resumed training cannot know
			r.Params = nil
			r.Model = func(c toyConfig) recipes.Network {
				built++
				k := float64(built)
				return func(s *model.Scope, x *graph.Node) *graph.Node { return graph.MulScalar(toyNetwork(c)(s, x), k) }
			}
		}},
		"arms of another shape": {"claims", "arm b", func(r *recipes.Recipe[toyConfig], _ *Subject) {
			r.Claims[0].Arms = append(r.Claims[0].Arms, recipes.Arm[toyConfig]{Name: "b", Config: toyConfig{Filters: -1}})
		}},
		"weights of one name": {"weights", "taken", func(r *recipes.Recipe[toyConfig], _ *Subject) {
			r.Weights = func(toyConfig) []recipes.WeightMap {
				return []recipes.WeightMap{{Source: "x", Modules: map[string]string{"conv": "a", "output": "a"}}}
			}
		}},
		"weights of nobody": {"weights", "whose names", func(r *recipes.Recipe[toyConfig], _ *Subject) {
			r.Weights = func(toyConfig) []recipes.WeightMap { return []recipes.WeightMap{{}} }
		}},
		"needless exception": {"taps", "remove the exception", func(r *recipes.Recipe[toyConfig], _ *Subject) {
			r.Exceptions = map[string]string{"taps": "for no reason"}
		}},
		"unknown exception": {"exceptions", "no check", func(r *recipes.Recipe[toyConfig], _ *Subject) {
			r.Exceptions = map[string]string{"tap": "misspelt"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := toy()
			var change Subject
			change.Card, change.Folder, change.Package = toyCard, "toy", "toy"
			c.change(&r, &change)
			s := subject(t, r)
			s.Card, s.Folder, s.Package = change.Card, change.Folder, change.Package
			found := failures(s, pureGo(t))
			message, ok := found[c.check]
			if !ok || !strings.Contains(message, "toy") || !strings.Contains(message, c.says) {
				t.Errorf("check %s found %q, want the recipe's name and %q; all: %v", c.check, message, c.says, found)
			}
		})
	}
}

// A result must be of the claims as they stand.
func TestSuiteFindsStaleResult(t *testing.T) {
	config := json.RawMessage(`{"filters":2,"sizes":null}`)
	result := func() *recipes.Result {
		return &recipes.Result{Recipe: "toy", Claims: []recipes.ClaimResult{{
			Name: "c", Statement: toy().Claims[0].Statement, Verdict: recipes.DoesNotHold, Seeds: []int64{1, 2, 3}, Arms: []recipes.ArmResult{{Name: "a", Config: config}},
			Tests: []recipes.TestResult{{Name: "t", Verdict: recipes.DoesNotHold}},
		}}}
	}
	b := pureGo(t)
	s := subject(t, toy())
	if s.Result = result(); checkResult(s, b) != nil {
		t.Errorf("a result of these claims is refused: %v", checkResult(s, b))
	}
	for says, change := range map[string]func(*recipes.ClaimResult){
		"threshold": func(r *recipes.ClaimResult) { r.Tests[0].Threshold = 1 },
		"test t":    func(r *recipes.ClaimResult) { r.Tests[0].Verdict = recipes.Reported },
		"arm a":     func(r *recipes.ClaimResult) { r.Arms[0].Config = json.RawMessage(`{"filters":3}`) },
		"1 seeds":   func(r *recipes.ClaimResult) { r.Seeds = r.Seeds[:1] },
		"remark":    func(r *recipes.ClaimResult) { r.Note = "bad luck" },
		"statement": func(r *recipes.ClaimResult) { r.Statement = "something else" },
	} {
		s.Result = result()
		change(&s.Result.Claims[0])
		if err := checkResult(s, b); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "fovea reproduce ") {
			t.Errorf("a change of the %s gives %v", says, err)
		}
	}
}

// An exception turns a failing check into a passing one.
func TestExceptionExcuses(t *testing.T) {
	r := toy()
	r.Params = map[string]int{"": 7}
	r.Exceptions = map[string]string{"parameters": "the paper counts otherwise"}
	if found := failures(subject(t, r), pureGo(t)); len(found) > 0 {
		t.Errorf("an excused recipe fails: %v", found)
	}
}

// A study is measured twice: its table must be full, finite and the same.
func TestSuiteFindsBrokenStudies(t *testing.T) {
	table := func(columns []string, rows ...recipes.Row) *recipes.Table {
		return &recipes.Table{Columns: columns, Rows: rows}
	}
	calls := 0
	for says, program := range map[string]func() *recipes.Table{
		"":          func() *recipes.Table { return table([]string{"a"}, recipes.Row{Name: "r", Values: []float64{1}}) },
		"empty":     func() *recipes.Table { return table([]string{"a"}) },
		"2 columns": func() *recipes.Table { return table([]string{"a", "b"}, recipes.Row{Name: "r", Values: []float64{1}}) },
		"is NaN": func() *recipes.Table {
			return table([]string{"a"}, recipes.Row{Name: "r", Values: []float64{math.NaN()}})
		},
		"another table": func() *recipes.Table {
			calls++
			return table([]string{"a"}, recipes.Row{Name: "r", Values: []float64{float64(calls)}})
		},
	} {
		r := toy()
		r.Model, r.Params, r.Taps = nil, nil, nil
		r.Study = func(toyConfig) recipes.Program {
			return func(context.Context, *recipes.Trial) (*recipes.Table, error) { return program(), nil }
		}
		found := failures(subject(t, r), pureGo(t))
		if says == "" {
			if len(found) > 0 {
				t.Errorf("a good study fails: %v", found)
			}
			continue
		}
		if len(found) != 1 || !strings.Contains(found["runs"], "recipe toy") || !strings.Contains(found["runs"], says) {
			t.Errorf("found %v, want the recipe's name and %q", found, says)
		}
	}
}

// A method is tried on the host: one that passes it through is fine, one that cuts its gradient off is not.
func TestSuiteTriesMethodsOnTheHost(t *testing.T) {
	for says, method := range map[string]func(y *graph.Node) *graph.Node{"": func(y *graph.Node) *graph.Node { return y }, "/conv1/weights": graph.StopGradient} {
		r := toy()
		r.Model, r.Params, r.Input = nil, nil, nil
		r.Taps = func(toyConfig) []string { return []string{"conv1", "conv2"} }
		r.Method = func(_ toyConfig, host recipes.Network) recipes.Network {
			return func(s *model.Scope, x *graph.Node) *graph.Node {
				y := method(host(s, x))
				return graph.Add(y, layers.Dense(s.In("extra"), layers.Flatten(x), 4))
			}
		}
		r.Claims[0].Arms[0].Config.Filters = 2
		found := failures(subject(t, r), pureGo(t))
		if says == "" && len(found) > 0 || says != "" && !strings.Contains(found["gradients"], says) {
			t.Errorf("found %v, want %q", found, says)
		}
	}
}
