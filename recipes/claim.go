package recipes

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Scale says how large an experiment is run.
type Scale string

const (
	SmallScale Scale = "small" // minutes on two processor cores
	PaperScale Scale = "paper" // the paper's data, sizes and schedule, for a GPU
)

// An Arm is one of the things that a claim compares. Arms differ from each other in one respect.
type Arm[C any] struct {
	Name   string
	Config C
}

// Values are what one trial measured, by name.
type Values map[string]float64

// A Claim is a statement of the paper made into an experiment: each arm is measured with each seed, and each Test
// asserts something of the measured values against a threshold that was written down before the run.
type Claim[C any] struct {
	Name      string // short: "depth"
	Statement string // one sentence
	Arms      []Arm[C]
	Seeds     int           // at least 3; 0: 3; twice as many where these leave the claim inconclusive and that may decide it
	Budget    time.Duration // of wall time at small scale; 0: six minutes

	// Measure runs one trial. What it measures for a decision may come from the test images only if nothing was chosen
	// with them.
	Measure func(ctx context.Context, t *Trial, config C) (Values, error)
	Tests   []Test

	// Remark stands beside the verdict: what is known of the reason when a claim doesn't hold here.
	Remark string

	// Figures draws the summary of a finished experiment; nil: none. Single pictures come from Trial.Figure.
	Figures func(ClaimResult) (map[string]Figure, error)
}

// A Test asserts that a number computed from the values of one seed reaches a threshold, on average over the seeds.
// Taking the number seed by seed pairs the arms: what a seed does to all of them alike cancels out.
type Test struct {
	Name      string
	Statement string // "2 convolutions a stage beat 1 by 2 points"
	Unit      string // "points", "×", …

	// Value gets the measured values by arm.
	Value func(byArm map[string]Values) float64

	Threshold float64
	AtMost    bool // the value must not exceed the threshold; otherwise it must reach it

	Reported bool // measured and shown, without a verdict
}

// Verdict is the outcome of a Test or a Claim.
type Verdict string

const (
	Holds        Verdict = "holds"
	DoesNotHold  Verdict = "does not hold"
	Inconclusive Verdict = "inconclusive"
	Reported     Verdict = "reported"
)

// Judge compares mean ± margin with a threshold. The whole interval must lie on one side of it for a verdict; a NaN
// anywhere is inconclusive.
func Judge(mean, margin, threshold float64, atMost bool) Verdict {
	if atMost {
		mean, threshold = -mean, -threshold
	}
	switch {
	case mean-margin >= threshold:
		return Holds
	case mean+margin < threshold:
		return DoesNotHold
	}
	return Inconclusive
}

// MeanError returns the mean of x and two standard errors of it, 2·s/√n with the sample deviation s. Of fewer than two
// values the error is not known: it is infinite, so no verdict rests on a single seed.
func MeanError(x []float64) (mean, twoErrors float64) {
	if len(x) == 0 {
		return math.NaN(), math.Inf(1)
	}
	// Summing differences from the first value gives equal values a mean of just this and no deviation.
	for _, v := range x {
		mean += v - x[0]
	}
	n := float64(len(x))
	mean = x[0] + mean/n
	if len(x) == 1 {
		return mean, math.Inf(1)
	}
	var squares float64
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return mean, 2 * math.Sqrt(squares/(n-1)/n)
}

// Combine is the verdict of a claim from those of its tests: one that doesn't hold decides, then one that is
// inconclusive; reported ones don't count.
func Combine(verdicts []Verdict) Verdict {
	combined := Reported
	for _, v := range verdicts {
		switch {
		case v == DoesNotHold:
			return DoesNotHold
		case v == Inconclusive:
			combined = Inconclusive
		case v == Holds && combined == Reported:
			combined = Holds
		}
	}
	return combined
}

// mayBeDecided reports whether twice the seeds would decide all inconclusive tests if means and deviations stayed as they are:
// two standard errors become smaller by √2. Where the mean is nearer to the threshold than that, even they leave it open.
func mayBeDecided(tests []TestResult) bool {
	for _, t := range tests {
		if t.Verdict == Inconclusive && Judge(t.Mean, t.margin()/math.Sqrt2, t.Threshold, t.AtMost) == Inconclusive {
			return false
		}
	}
	return true
}

// Experiment is a Claim whose configuration type has been forgotten.
type Experiment struct {
	Name, Statement string
	Remark          string
	Arms            []Arm[any]
	Seeds           int
	Budget          time.Duration
	Tests           []Test

	measure func(ctx context.Context, t *Trial, config any) (Values, error)
	figures func(ClaimResult) (map[string]Figure, error)
}

func (c Claim[C]) experiment(recipe string) (Experiment, error) {
	fail := func(format string, args ...any) (Experiment, error) {
		return Experiment{}, fmt.Errorf("recipe %s, claim %q: %s", recipe, c.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case c.Name == "" || c.Statement == "":
		return fail("it needs a name and a statement")
	case len(c.Arms) == 0 || c.Measure == nil || len(c.Tests) == 0:
		return fail("it needs arms, Measure and tests")
	case c.Seeds < 0 || c.Seeds == 1 || c.Seeds == 2:
		return fail("%d seeds say nothing about chance: take 3 or more", c.Seeds)
	}
	x := Experiment{
		Name: c.Name, Statement: c.Statement, Remark: c.Remark, Seeds: c.Seeds, Budget: c.Budget, Tests: c.Tests, figures: c.Figures,
		measure: func(ctx context.Context, t *Trial, config any) (Values, error) { return c.Measure(ctx, t, config.(C)) },
	}
	if x.Seeds == 0 {
		x.Seeds = 3
	}
	if x.Budget == 0 {
		x.Budget = 6 * time.Minute
	}
	names := map[string]bool{}
	for _, arm := range c.Arms {
		if arm.Name == "" || names[arm.Name] {
			return fail("arm %q is without a name or there twice", arm.Name)
		}
		names[arm.Name] = true
		x.Arms = append(x.Arms, Arm[any]{arm.Name, arm.Config})
	}
	for _, test := range c.Tests {
		if test.Name == "" || test.Value == nil {
			return fail("test %q needs a name and a value", test.Name)
		}
	}
	return x, nil
}

// Result is what `fovea reproduce` writes as result.json.
type Result struct {
	Recipe   string            `json:"recipe"`
	Scale    Scale             `json:"scale"`
	Verdict  Verdict           `json:"verdict"`
	Claims   []ClaimResult     `json:"claims"`
	Backend  string            `json:"backend"`
	Versions map[string]string `json:"versions"`
	Date     time.Time         `json:"date"`
	Seconds  float64           `json:"seconds"`
}

// ClaimResult is one claim's part of a Result.
type ClaimResult struct {
	Name      string       `json:"name"`
	Statement string       `json:"statement"`
	Verdict   Verdict      `json:"verdict"`
	Seeds     []int64      `json:"seeds"`
	Arms      []ArmResult  `json:"arms"`
	Tests     []TestResult `json:"tests"`
	Data      []DataUsed   `json:"data"`
	Figures   []string     `json:"figures,omitempty"`
	Seconds   float64      `json:"seconds"` // of all trials, those of earlier calls included
	Budget    float64      `json:"budget"`  // seconds
	Note      string       `json:"note,omitempty"`
}

// ArmResult has an arm's values in the order of the seeds.
type ArmResult struct {
	Name   string          `json:"name"`
	Config json.RawMessage `json:"config"`
	Values map[string]Stat `json:"values"`
}

// Stat is a measured quantity over the seeds.
type Stat struct {
	Seeds []float64 `json:"seeds"`
	Mean  float64   `json:"mean"`
	Error *float64  `json:"error"` // two standard errors; null when there is one seed alone
}

// TestResult is a judged Test.
type TestResult struct {
	Name      string  `json:"name"`
	Statement string  `json:"statement"`
	Unit      string  `json:"unit,omitempty"`
	Threshold float64 `json:"threshold"`
	AtMost    bool    `json:"atMost,omitempty"`
	Stat
	Verdict Verdict `json:"verdict"`
}

// DataUsed says what a claim was measured on.
type DataUsed struct {
	Name      string `json:"name"`
	Synthetic bool   `json:"synthetic"`
	Train     int    `json:"train"`
	Valid     int    `json:"valid"`
	Test      int    `json:"test"`
	Shape     [3]int `json:"shape"`
	Seed      uint64 `json:"seed,omitempty"` // of the choice, the split and generated images
}

// NewStat summarises values in the order of the seeds.
func NewStat(x []float64) Stat {
	mean, twoErrors := MeanError(x)
	s := Stat{Seeds: x, Mean: mean}
	if !math.IsInf(twoErrors, 0) {
		s.Error = &twoErrors
	}
	return s
}

func (s Stat) String() string {
	if s.Error == nil {
		return fmt.Sprintf("%.4g", s.Mean)
	}
	return fmt.Sprintf("%.4g ± %.2g", s.Mean, *s.Error)
}

// margin is the error as Judge takes it.
func (s Stat) margin() float64 {
	if s.Error == nil {
		return math.Inf(1)
	}
	return *s.Error
}
