package recipes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/compute"

	"fovea/internal/atomicfile"
)

// ReproduceOptions says how claims are run.
type ReproduceOptions struct {
	Backend compute.Backend
	Scale   Scale    // empty: small
	Seeds   int      // 0: as many as the claim says
	Dataset string   // replaces the claim's own choice of data
	Claims  []string // names; nil: all
	Work    string   // folder of the finished trials, which are not run again
	Out     string   // folder of result.json, the figures and report.html
	Fresh   bool     // run finished trials again
	// Validate measures without the test images and with other seeds: images held out of the training set stand in for them.
	// So an experiment can be designed before it is run. Nothing is written to Out.
	Validate bool
	Budget   time.Duration // of each claim; 0: the claim's own at small scale, none at paper scale

	Progress Progress  // nil: none
	Log      io.Writer // nil: none
}

// ErrUnfinished is wrapped by the error of Reproduce when the time budget ended before the last trial did. Finished
// trials are kept: the next call goes on from there.
var ErrUnfinished = errors.New("not all trials are done")

// Reproduce runs the claims of a recipe, arms × seeds, and writes result.json, the figures and report.html to o.Out once every
// trial is done. An interrupted or unfinished call leaves an earlier result as it is.
func (e *Entry) Reproduce(ctx context.Context, o ReproduceOptions) (*Result, error) {
	if o.Scale == "" {
		o.Scale = SmallScale
	}
	if o.Progress == nil {
		o.Progress = NoProgress
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Scale != SmallScale && o.Scale != PaperScale {
		return nil, fmt.Errorf("scale %q is neither %s nor %s", o.Scale, SmallScale, PaperScale)
	}
	if o.Seeds < 0 {
		return nil, fmt.Errorf("%d seeds", o.Seeds)
	}
	if o.Validate {
		o.Out = ""
	}
	claims, err := e.chosen(o.Claims)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	result := &Result{
		Recipe: e.Name, Scale: o.Scale, Backend: withoutFolders(o.Backend.Description()), Versions: versions(), Date: start.UTC().Truncate(time.Second),
	}
	var verdicts []Verdict
	for _, x := range claims {
		r, err := x.run(ctx, e, o)
		if err != nil {
			return nil, fmt.Errorf("%s, claim %s: %w", e.Name, x.Name, err)
		}
		result.Claims = append(result.Claims, *r)
		verdicts = append(verdicts, r.Verdict)
		result.Seconds += r.Seconds
	}
	result.Verdict = Combine(verdicts)
	if o.Out == "" {
		return result, nil
	}
	data, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := atomicfile.WriteBytes(filepath.Join(o.Out, "result.json"), append(data, '\n')); err != nil {
		return result, err
	}
	return result, e.WriteReport(result, o.Out)
}

func (e *Entry) chosen(names []string) ([]Experiment, error) {
	if len(e.Claims) == 0 {
		return nil, fmt.Errorf("recipe %s has no claim to reproduce", e.Name)
	}
	if names == nil {
		return e.Claims, nil
	}
	var chosen []Experiment
	for _, name := range names {
		i := slices.IndexFunc(e.Claims, func(x Experiment) bool { return x.Name == name })
		if i < 0 {
			var known []string
			for _, x := range e.Claims {
				known = append(known, x.Name)
			}
			return nil, fmt.Errorf("recipe %s has no claim %q; it has %s", e.Name, name, strings.Join(known, ", "))
		}
		chosen = append(chosen, e.Claims[i])
	}
	return chosen, nil
}

// run measures all arms with all seeds, and an inconclusive claim with as many again, once, where these may decide it. The rule
// is the same for all claims, and all seeds are judged together. Whoever names the number of seeds gets that number.
func (x Experiment) run(ctx context.Context, e *Entry, o ReproduceOptions) (*ClaimResult, error) {
	seeds, most := x.Seeds, 2*x.Seeds
	if o.Seeds > 0 {
		seeds, most = o.Seeds, o.Seeds
	}
	budget := o.Budget
	if budget == 0 && o.Scale == SmallScale {
		budget = x.Budget
	}
	deadline, stop := ctx, func() {}
	if budget > 0 {
		deadline, stop = context.WithTimeout(ctx, budget)
	}
	defer stop()

	common := newShared()
	defer common.enter("")
	records := map[string][]trialRecord{}
	for {
		if err := x.measureAll(ctx, deadline, e, o, seeds, common, records); err != nil {
			if errors.Is(err, ErrUnfinished) {
				err = fmt.Errorf("%w within the budget of %v; the same command goes on from there, and --budget gives it more time", err, budget)
			}
			return nil, err
		}
		r, err := x.summarise(records, budget)
		if err != nil {
			return nil, err
		}
		if r.Verdict != Inconclusive || seeds == most {
			return r, x.draw(r, records, o)
		}
		if !mayBeDecided(r.Tests) {
			fmt.Fprintf(o.Log, "%s, claim %s: inconclusive with %d seeds and too near its threshold for twice as many; --seeds asks for more\n", e.Name, x.Name, seeds)
			return r, x.draw(r, records, o)
		}
		fmt.Fprintf(o.Log, "%s, claim %s: inconclusive with %d seeds, so %d more are measured\n", e.Name, x.Name, seeds, most-seeds)
		seeds = most
	}
}

// measureAll adds the trials that records lacks. The order is seed by seed within an arm, so that an arm compiles once.
func (x Experiment) measureAll(ctx, deadline context.Context, e *Entry, o ReproduceOptions, seeds int, common *shared, records map[string][]trialRecord) error {
	done, total := 0, len(x.Arms)*seeds
	for _, list := range records {
		done += len(list)
	}
	for _, arm := range x.Arms {
		for seed := int64(len(records[arm.Name]) + 1); seed <= int64(seeds); seed++ {
			note := fmt.Sprintf("%s/%s: %s, seed %d", e.Name, x.Name, arm.Name, seed)
			o.Progress(done, total, note)
			record, err := x.trial(deadline, e, o, arm, seed, common, func(part, of int, more string) {
				if more != "" {
					more = ": " + more
				}
				o.Progress(done, total, note+more)
			})
			if err != nil && ctx.Err() == nil && deadline.Err() != nil {
				return fmt.Errorf("%w: %d of %d", ErrUnfinished, done, total)
			}
			if err != nil {
				return fmt.Errorf("arm %s, seed %d: %w", arm.Name, seed, err)
			}
			records[arm.Name] = append(records[arm.Name], *record)
			done++
		}
	}
	o.Progress(done, total, "")
	return nil
}

// summarise turns the records of all arms, in the order of the seeds, into means, errors and verdicts.
func (x Experiment) summarise(records map[string][]trialRecord, budget time.Duration) (*ClaimResult, error) {
	r := &ClaimResult{Name: x.Name, Statement: x.Statement, Budget: budget.Seconds()}
	seeds := len(records[x.Arms[0].Name])
	for seed := range seeds {
		r.Seeds = append(r.Seeds, int64(seed+1))
	}
	for _, arm := range x.Arms {
		config, err := json.Marshal(arm.Config)
		if err != nil {
			return nil, err
		}
		a := ArmResult{Name: arm.Name, Config: config, Values: map[string]Stat{}}
		for _, name := range slices.Sorted(maps.Keys(records[arm.Name][0].Values)) {
			var values []float64
			for _, record := range records[arm.Name] {
				values = append(values, record.Values[name])
			}
			a.Values[name] = NewStat(values)
		}
		for _, record := range records[arm.Name] {
			r.Seconds += record.Seconds
			for _, d := range record.Data {
				if !slices.Contains(r.Data, d) {
					r.Data = append(r.Data, d)
				}
			}
		}
		r.Arms = append(r.Arms, a)
	}
	var verdicts []Verdict
	for _, test := range x.Tests {
		var values []float64
		for seed := range seeds {
			byArm := map[string]Values{}
			for arm, list := range records {
				byArm[arm] = list[seed].Values
			}
			v := test.Value(byArm)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("test %s is %v for seed %d", test.Name, v, seed+1)
			}
			values = append(values, v)
		}
		t := TestResult{
			Name: test.Name, Statement: test.Statement, Unit: test.Unit, Threshold: test.Threshold, AtMost: test.AtMost,
			Stat: NewStat(values), Verdict: Reported,
		}
		if !test.Reported {
			t.Verdict = Judge(t.Mean, t.margin(), t.Threshold, t.AtMost)
		}
		r.Tests = append(r.Tests, t)
		verdicts = append(verdicts, t.Verdict)
	}
	r.Verdict = Combine(verdicts)
	if r.Verdict != Holds {
		r.Note = x.Remark
	}
	return r, nil
}

// draw puts the figures of the first seeds and the summary beside the result.
func (x Experiment) draw(r *ClaimResult, records map[string][]trialRecord, o ReproduceOptions) error {
	if o.Out == "" {
		return nil
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return atomicfile.Explain(err, o.Out)
	}
	for _, arm := range x.Arms {
		for _, name := range records[arm.Name][0].Figures {
			data, err := os.ReadFile(filepath.Join(o.Work, x.Name, url.PathEscape(arm.Name), name))
			if err != nil {
				return fmt.Errorf("a figure of a finished trial is gone; run with --fresh: %w", err)
			}
			if err := atomicfile.WriteBytes(filepath.Join(o.Out, name), data); err != nil {
				return err
			}
			r.Figures = append(r.Figures, name)
		}
	}
	if x.figures == nil {
		return nil
	}
	figures, err := x.figures(*r)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		if err := figures[name].Save(filepath.Join(o.Out, name+".png")); err != nil {
			return fmt.Errorf("figure %s: %w", name, err)
		}
		r.Figures = append(r.Figures, name+".png")
	}
	return nil
}

// folders matches what leads to a file: a result names its backend, not where on a machine that was.
var folders = regexp.MustCompile(`(?:/[^/\s()"]+)*/([^/\s()"]+)`)

func withoutFolders(description string) string { return folders.ReplaceAllString(description, "$1") }

func versions() map[string]string {
	v := map[string]string{"go": runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, dep := range info.Deps {
		switch dep.Path {
		case "github.com/gomlx/gomlx", "github.com/gomlx/compute", "github.com/gomlx/go-xla":
			v[dep.Path[strings.LastIndex(dep.Path, "/")+1:]] = dep.Version
		}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v["fovea"] = s.Value
		}
	}
	return v
}
