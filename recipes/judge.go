package recipes

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"fovea/internal/atomicfile"
)

// SameExperiment says in what a result is one of another experiment than the claim as it stands: other arms,
// configurations, thresholds, or fewer seeds. Nil: in nothing. Words may differ.
func (e *Entry) SameExperiment(claim Experiment, r ClaimResult) error {
	if r.Name != claim.Name || len(r.Seeds) < claim.Seeds || len(r.Arms) != len(claim.Arms) || len(r.Tests) != len(claim.Tests) {
		return fmt.Errorf("there it is %q with %d seeds, %d arms and %d tests", r.Name, len(r.Seeds), len(r.Arms), len(r.Tests))
	}
	for i, arm := range claim.Arms {
		config, err := e.Decode(r.Arms[i].Config)
		if err != nil {
			return err
		}
		if r.Arms[i].Name != arm.Name || !reflect.DeepEqual(config, arm.Config) {
			return fmt.Errorf("arm %s is %+v, there %s is %+v", arm.Name, arm.Config, r.Arms[i].Name, config)
		}
	}
	for i, test := range claim.Tests {
		was := r.Tests[i]
		if was.Name != test.Name || was.Threshold != test.Threshold || was.AtMost != test.AtMost || (was.Verdict == Reported) != test.Reported {
			return fmt.Errorf("test %s with threshold %g is there %s with %g", test.Name, test.Threshold, was.Name, was.Threshold)
		}
	}
	return nil
}

// Rejudge brings a result that was written to the folder out up to date with the words and figures of its claims, from the values
// that it holds: nothing is measured. It refuses a result of another experiment, so no threshold can follow a measurement.
func (e *Entry) Rejudge(out string) (*Result, error) {
	path := filepath.Join(out, "result.json")
	result, err := ReadResult(path)
	if err != nil {
		return nil, err
	}
	if result.Recipe != e.Name || len(result.Claims) != len(e.Claims) {
		return nil, fmt.Errorf("%s is of recipe %q with %d claims, not of the %d of %s: reproduce it", path, result.Recipe, len(result.Claims), len(e.Claims), e.Name)
	}
	var verdicts []Verdict
	for i, x := range e.Claims {
		was := result.Claims[i]
		if err := e.SameExperiment(x, was); err != nil {
			return nil, fmt.Errorf("%s, claim %s is another experiment than the recorded one: %w: reproduce it", e.Name, x.Name, err)
		}
		r, err := x.summarise(was.records(), time.Duration(was.Budget*float64(time.Second)))
		if err != nil {
			return nil, err
		}
		r.Data, r.Seconds = was.Data, was.Seconds
		drawn := map[string]bool{}
		if x.figures != nil {
			figures, err := x.figures(*r)
			if err != nil {
				return nil, err
			}
			for _, name := range slices.Sorted(maps.Keys(figures)) {
				if err := figures[name].Save(filepath.Join(out, name+".png")); err != nil {
					return nil, fmt.Errorf("figure %s: %w", name, err)
				}
				drawn[name+".png"] = true
			}
		}
		for _, name := range was.Figures { // those of trials stay; what is drawn no more goes
			if !drawn[name] {
				r.Figures = append(r.Figures, name)
			}
		}
		r.Figures = append(r.Figures, slices.Sorted(maps.Keys(drawn))...)
		result.Claims[i] = *r
		verdicts = append(verdicts, r.Verdict)
	}
	if v := Combine(verdicts); v != result.Verdict {
		return nil, errors.New("the verdict would change, though the experiment is the same: reproduce it")
	}
	data, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := atomicfile.WriteBytes(path, append(data, '\n')); err != nil {
		return nil, err
	}
	return result, e.WriteReport(result, out)
}

// records are the values of a result as its trials recorded them.
func (r ClaimResult) records() map[string][]trialRecord {
	records := map[string][]trialRecord{}
	for _, arm := range r.Arms {
		list := make([]trialRecord, len(r.Seeds))
		for i := range list {
			list[i].Values = Values{}
			for name, stat := range arm.Values {
				list[i].Values[name] = stat.Seeds[i]
			}
		}
		records[arm.Name] = list
	}
	return records
}
