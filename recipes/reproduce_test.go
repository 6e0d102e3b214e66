package recipes

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fovea/datasets"
)

func TestMeanErrorAndJudge(t *testing.T) {
	mean, e := MeanError([]float64{1, 2, 3})
	if mean != 2 || math.Abs(e-2/math.Sqrt(3)) > 1e-12 {
		t.Errorf("mean %g ± %g, want 2 ± 2/√3", mean, e)
	}
	if mean, e := MeanError([]float64{0.1, 0.1, 0.1}); mean != 0.1 || e != 0 {
		t.Errorf("equal values have mean %g ± %g, want 0.1 ± 0", mean, e)
	}
	if _, e := MeanError([]float64{5}); !math.IsInf(e, 1) {
		t.Errorf("one value has the error %g", e)
	}
	for _, c := range []struct {
		mean, margin, threshold float64
		atMost                  bool
		want                    Verdict
	}{
		{5, 1, 4, false, Holds}, {5, 1.1, 4, false, Inconclusive}, {3, 0.5, 4, false, DoesNotHold}, {3.6, 0.5, 4, false, Inconclusive},
		{0.3, 0.05, 0.35, true, Holds}, {0.5, 0.1, 0.35, true, DoesNotHold}, {0.4, 0.1, 0.35, true, Inconclusive},
		{9, math.Inf(1), 4, false, Inconclusive}, {math.NaN(), 0, 4, false, Inconclusive},
	} {
		if got := Judge(c.mean, c.margin, c.threshold, c.atMost); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	for _, c := range []struct {
		all  []Verdict
		want Verdict
	}{
		{[]Verdict{Holds, Reported}, Holds}, {[]Verdict{Holds, Inconclusive}, Inconclusive}, {[]Verdict{Inconclusive, DoesNotHold, Holds}, DoesNotHold},
		{[]Verdict{Reported}, Reported},
	} {
		if got := Combine(c.all); got != c.want {
			t.Errorf("%v: %s, want %s", c.all, got, c.want)
		}
	}
}

type picture string

func (p picture) Save(path string) error { return os.WriteFile(path, []byte(p), 0o644) }

// experiment is an entry with one claim whose arm "b" measures 3 more than "a", and a count of the trials that were run.
func experiment(t *testing.T, measure func(ctx context.Context, tr *Trial) error) (*Entry, *[]string) {
	t.Helper()
	var ran []string
	e, err := NewEntry(Recipe[sampleConfig]{
		Name: "x", Paper: Paper{Title: "T", Authors: "A", Year: 2000, URL: "u"}, Model: func(sampleConfig) Network { return nil },
		Claims: []Claim[sampleConfig]{{
			Name: "c", Statement: "b is more than a by 2", Arms: []Arm[sampleConfig]{{"a", sampleConfig{}}, {"b", sampleConfig{Classes: 3}}},
			Measure: func(ctx context.Context, tr *Trial, c sampleConfig) (Values, error) {
				if measure != nil {
					if err := measure(ctx, tr); err != nil {
						return nil, err
					}
				}
				ran = append(ran, tr.Arm)
				if err := tr.Figure("picture-"+tr.Arm, picture(tr.Arm)); err != nil {
					return nil, err
				}
				return Values{"v": float64(c.Classes) + 0.01*float64(tr.Seed)}, nil
			},
			Tests: []Test{{
				Name: "t", Statement: "s", Threshold: 2, Value: func(v map[string]Values) float64 { return v["b"]["v"] - v["a"]["v"] },
			}},
			Figures: func(r ClaimResult) (map[string]Figure, error) {
				return map[string]Figure{"summary": picture(r.Verdict)}, nil
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e, &ran
}

func TestReproduceWritesAndGoesOn(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	fail := true
	e, ran := experiment(t, func(ctx context.Context, tr *Trial) error {
		if fail && tr.Arm == "b" && tr.Seed == 2 {
			stop()
			return ctx.Err()
		}
		return nil
	})
	o := ReproduceOptions{Backend: testBackend(t), Work: t.TempDir(), Out: t.TempDir()}
	if _, err := e.Reproduce(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("an interrupt gave %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.Out, "result.json")); !os.IsNotExist(err) {
		t.Errorf("an interrupted run left a result: %v", err)
	}
	fail = false
	*ran = nil
	r, err := e.Reproduce(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(*ran, []string{"b", "b"}) {
		t.Errorf("ran %v again, want the two that were not done", *ran)
	}
	c := r.Claims[0]
	if r.Verdict != Holds || c.Tests[0].Verdict != Holds || math.Abs(c.Tests[0].Mean-3) > 1e-9 || len(c.Seeds) != 3 || len(c.Arms) != 2 {
		t.Errorf("result %+v", r)
	}
	saved, err := ReadResult(filepath.Join(o.Out, "result.json"))
	if err != nil || saved.Verdict != Holds || saved.Backend == "" || saved.Versions["go"] == "" || saved.Date.IsZero() {
		t.Errorf("saved %+v, %v", saved, err)
	}
	for _, name := range []string{"picture-a.png", "picture-b.png", "summary.png"} {
		if _, err := os.Stat(filepath.Join(o.Out, name)); err != nil || !slices.Contains(c.Figures, name) {
			t.Errorf("figure %s of %v: %v", name, c.Figures, err)
		}
	}
	page, err := os.ReadFile(filepath.Join(o.Out, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"b is more than a by 2", `class="verdict holds"`, "3 ± 0", "≥ 2", "of a budget of 360 s",
		"base64," + base64.StdEncoding.EncodeToString([]byte("b")) + `" alt="picture-b"`, "base64," + base64.StdEncoding.EncodeToString([]byte("holds")),
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	// Nothing is fetched when it is looked at.
	for _, address := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(string(page), -1) {
		if !strings.HasPrefix(address[1], "data:") && address[1] != e.Paper.URL {
			t.Errorf("the report points to %s", address[1])
		}
	}
	*ran = nil
	o.Fresh = true
	if _, err := e.Reproduce(context.Background(), o); err != nil || len(*ran) != 6 {
		t.Errorf("a fresh run did %d trials, %v; want 6", len(*ran), err)
	}
}

func TestReproduceKeepsItsBudget(t *testing.T) {
	e, ran := experiment(t, func(ctx context.Context, tr *Trial) error {
		if tr.Arm == "b" {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	o := ReproduceOptions{Backend: testBackend(t), Work: t.TempDir(), Out: t.TempDir(), Budget: 5 * time.Second}
	_, err := e.Reproduce(context.Background(), o)
	if !errors.Is(err, ErrUnfinished) || !strings.Contains(err.Error(), "3 of 6") || len(*ran) != 3 {
		t.Errorf("after the budget: %v with %d trials", err, len(*ran))
	}
}

// Three seeds that leave a claim open are followed by three more, once and where these may decide it; a number that was asked
// for is kept.
func TestReproduceMeasuresMoreWhereInconclusive(t *testing.T) {
	for _, c := range []struct {
		asked, want int
		scatter     float64 // of values whose mean is above the threshold by 0.2 with three seeds
	}{{0, 6, 0.2}, {0, 3, 1}, {3, 3, 0.2}, {4, 4, 0.2}} {
		e, ran := experiment(t, nil)
		e.Claims[0].Tests[0].Value = func(v map[string]Values) float64 {
			odd := 2*math.Abs(math.Remainder(math.Round(100*v["a"]["v"]), 2)) - 1 // seeds in turn 1 and −1
			return e.Claims[0].Tests[0].Threshold + 0.2 + c.scatter*(odd-1./3)    // of three seeds the mean of odd is ⅓
		}
		r, err := e.Reproduce(context.Background(), ReproduceOptions{Backend: testBackend(t), Seeds: c.asked})
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != Inconclusive || len(*ran) != 2*c.want || len(r.Claims[0].Seeds) != c.want || len(r.Claims[0].Arms[1].Values["v"].Seeds) != c.want {
			t.Errorf("%+v: %d trials, %+v", c, len(*ran), r.Claims[0])
		}
	}
}

// With twice the seeds two standard errors of 0.5 become 0.35.
func TestMayBeDecided(t *testing.T) {
	twoErrors := 0.5
	test := func(mean float64, v Verdict) TestResult {
		return TestResult{Stat: Stat{Mean: mean, Error: &twoErrors}, Threshold: 1, Verdict: v}
	}
	for _, c := range []struct {
		tests []TestResult
		want  bool
	}{
		{[]TestResult{test(1.4, Inconclusive)}, true}, {[]TestResult{test(0.6, Inconclusive), test(9, Holds)}, true},
		{[]TestResult{test(1.3, Inconclusive)}, false}, {[]TestResult{test(1.4, Inconclusive), test(0.7, Inconclusive)}, false},
		{[]TestResult{test(1.4, Inconclusive), test(1, Reported)}, true},
	} {
		if got := mayBeDecided(c.tests); got != c.want {
			t.Errorf("%+v: %v", c.tests, got)
		}
	}
}

func TestReproduceRefuses(t *testing.T) {
	e, _ := experiment(t, nil)
	b := testBackend(t)
	for says, o := range map[string]ReproduceOptions{
		"no claim \"d\"; it has c": {Backend: b, Claims: []string{"d"}},
		"neither small nor paper":  {Backend: b, Scale: "huge"},
		"-1 seeds":                 {Backend: b, Seeds: -1},
	} {
		if _, err := e.Reproduce(context.Background(), o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	nan, _ := experiment(t, nil)
	nan.Claims[0].measure = func(context.Context, *Trial, any) (Values, error) { return Values{"v": math.NaN()}, nil }
	if _, err := nan.Reproduce(context.Background(), ReproduceOptions{Backend: b}); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("a measured NaN: %v", err)
	}
}

func TestResultsDontNameFolders(t *testing.T) {
	for in, want := range map[string]string{
		"xla:/a/b/plugin.so - PJRT plugin (/a/b/plugin.so) v0.1 [1 device(s)]": "xla:plugin.so - PJRT plugin (plugin.so) v0.1 [1 device(s)]",
		"Go Backend": "Go Backend",
	} {
		if got := withoutFolders(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// Words and figures follow the claim without a measurement; thresholds can't.
func TestRejudge(t *testing.T) {
	e, ran := experiment(t, nil)
	o := ReproduceOptions{Backend: testBackend(t), Work: t.TempDir(), Out: t.TempDir()}
	before, err := e.Reproduce(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	*ran = nil
	e.Claims[0].Statement = "in other words"
	e.Claims[0].figures = func(r ClaimResult) (map[string]Figure, error) {
		return map[string]Figure{"summary": picture("drawn again")}, nil
	}
	after, err := e.Rejudge(o.Out)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := ReadResult(filepath.Join(o.Out, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	was, is := before.Claims[0], saved.Claims[0]
	if len(*ran) > 0 || after.Verdict != before.Verdict || is.Statement != "in other words" || is.Tests[0].Mean != was.Tests[0].Mean ||
		!saved.Date.Equal(before.Date) || is.Seconds != was.Seconds || !slices.Equal(slices.Sorted(slices.Values(is.Figures)), slices.Sorted(slices.Values(was.Figures))) {
		t.Errorf("ran %v; before %+v, after %+v", *ran, was, is)
	}
	if drawn, err := os.ReadFile(filepath.Join(o.Out, "summary.png")); err != nil || string(drawn) != "drawn again" {
		t.Errorf("figure %q, %v", drawn, err)
	}
	e.Claims[0].Tests[0].Threshold = 1
	if _, err := e.Rejudge(o.Out); err == nil || !strings.Contains(err.Error(), "another experiment") {
		t.Errorf("a threshold that was moved after the run gave %v", err)
	}
}

type keptThing struct{ closed *int }

func (k *keptThing) Close() { *k.closed++ }

// What a trial keeps is opened once for an arm, and closed after it.
func TestKeepLastsForAnArm(t *testing.T) {
	opened, closed := 0, 0
	e, _ := experiment(t, func(ctx context.Context, tr *Trial) error {
		if tr.Arm == "b" && closed != 1 {
			t.Errorf("in the second arm %d are closed, want that of the first", closed)
		}
		Keep(tr, "thing", func() *keptThing { opened++; return &keptThing{&closed} })
		return nil
	})
	if _, err := e.Reproduce(context.Background(), ReproduceOptions{Backend: testBackend(t)}); err != nil {
		t.Fatal(err)
	}
	if opened != 2 || closed != 2 {
		t.Errorf("opened %d times and closed %d times for two arms", opened, closed)
	}
}

// A validation sees no test image, uses other seeds, and leaves a result as it is.
func TestValidateLeavesTheTestImagesAlone(t *testing.T) {
	options := ImageOptions{Sets: []string{"shapes"}, Train: 100, Test: 40, Size: 16, Seed: 3}
	tested, err := OpenImages(context.Background(), "shapes", options)
	if err != nil {
		t.Fatal(err)
	}
	var seen []Data
	e, _ := experiment(t, func(ctx context.Context, tr *Trial) error {
		if tr.Seed <= validationSeeds || tr.Pictures() {
			t.Errorf("seed %d, pictures %v", tr.Seed, tr.Pictures())
		}
		d, err := tr.Images(ctx, options)
		seen = append(seen, d)
		if err != nil {
			return err
		}
		d, err = tr.Generated("drawn", 1, func() (Data, error) { return tested, nil })
		if d.Test != d.Valid {
			t.Error("generated test images were shown")
		}
		return err
	})
	o := ReproduceOptions{Backend: testBackend(t), Work: t.TempDir(), Out: t.TempDir(), Validate: true}
	if _, err := e.Reproduce(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	d := seen[0]
	if d.Train.N != tested.Train.N || d.Valid.N != tested.Valid.N || d.Test.N != tested.Test.N {
		t.Errorf("%d, %d and %d images, want %d, %d and %d", d.Train.N, d.Valid.N, d.Test.N, tested.Train.N, tested.Valid.N, tested.Test.N)
	}
	known := map[string]bool{}
	size := d.Train.H * d.Train.W * d.Train.C
	for _, im := range []*datasets.Images{tested.Test, d.Train} {
		for i := range im.N {
			known[string(im.Pixels[i*size:(i+1)*size])] = true
		}
	}
	for i := range d.Test.N {
		if known[string(d.Test.Pixels[i*size:(i+1)*size])] {
			t.Fatalf("held-out image %d is a test or a training image", i)
		}
	}
	if left, err := os.ReadDir(o.Out); err != nil || len(left) > 0 {
		t.Errorf("written: %v, %v", left, err)
	}
}
