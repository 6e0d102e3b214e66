package recipes

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A study goes all the way of a claim: run, judged, written, and decoded again.
func TestStudyIsReproduced(t *testing.T) {
	study := func(c sampleConfig) Program {
		return func(_ context.Context, tr *Trial) (*Table, error) {
			return &Table{Columns: []string{"classes"}, Rows: []Row{{Name: "all", Values: []float64{float64(c.Classes) + 0.1*float64(tr.Seed)}}}}, nil
		}
	}
	e, err := NewEntry(Recipe[sampleConfig]{
		Name: "survey", Paper: Paper{Title: "T", Authors: "A", Year: 2000, URL: "u"}, Study: study,
		Claims: []Claim[sampleConfig]{{
			Name: "count", Statement: "three are more than one", Arms: []Arm[sampleConfig]{{"one", sampleConfig{Classes: 1}}, {"three", sampleConfig{Classes: 3}}},
			Measure: func(ctx context.Context, tr *Trial, c sampleConfig) (Values, error) {
				table, err := study(c)(ctx, tr)
				if err != nil {
					return nil, err
				}
				return Values{"classes": table.Rows[0].Values[0]}, nil
			},
			Tests: []Test{{Name: "more", Statement: "by one and a half", Threshold: 1.5,
				Value: func(v map[string]Values) float64 { return v["three"]["classes"] - v["one"]["classes"] }}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if e.Kind != StudyKind || e.Program(e.Config) == nil {
		t.Errorf("kind %s", e.Kind)
	}
	if _, err := e.Network(e.Config, nil); err == nil || !strings.Contains(err.Error(), "study") {
		t.Errorf("a network of a study: %v", err)
	}
	o := ReproduceOptions{Backend: testBackend(t), Work: t.TempDir(), Out: t.TempDir()}
	r, err := e.Reproduce(context.Background(), o)
	if err != nil || r.Verdict != Holds {
		t.Fatalf("%+v, %v", r, err)
	}
	saved, err := ReadResult(filepath.Join(o.Out, "result.json"))
	if err != nil || len(saved.Claims) != 1 || saved.Claims[0].Tests[0].Mean < 1.99 {
		t.Fatalf("%+v, %v", saved, err)
	}
	config, err := e.Decode(saved.Claims[0].Arms[1].Config)
	if err != nil || config.(sampleConfig).Classes != 3 {
		t.Errorf("%+v, %v", config, err)
	}
	if _, err := os.Stat(filepath.Join(o.Out, "report.html")); err != nil {
		t.Error(err)
	}
}

// What another version wrote is refused by name, not read in part.
func TestConfigurationOfAnotherVersion(t *testing.T) {
	e, err := NewEntry(Recipe[sampleConfig]{Name: "x", Paper: Paper{Title: "T", Authors: "A", Year: 2000, URL: "u"}, Model: func(sampleConfig) Network { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	data, err := e.Encode(sampleConfig{Classes: 7})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := e.Decode(data); err != nil || c.(sampleConfig).Classes != 7 {
		t.Errorf("its own: %+v, %v", c, err)
	}
	newer := strings.Replace(string(data), "{", `{"layers_of_tomorrow": 3,`, 1)
	if _, err := e.Decode([]byte(newer)); err == nil || !strings.Contains(err.Error(), "recipe x") || !strings.Contains(err.Error(), "this version") || !strings.Contains(err.Error(), "layers_of_tomorrow") {
		t.Errorf("another version's: %v", err)
	}
	if _, err := e.Decode(data[:len(data)/2]); err == nil {
		t.Error("half a configuration was read")
	}
}
