package recipes

import (
	"reflect"
	"strings"
	"testing"
)

type sampleConfig struct {
	Plan    []int    `json:"plan"`
	Names   []string `json:"names"`
	Classes int      `json:"classes"`
	Dropout float64  `json:"dropout"`
	Wide    bool     `json:"wide"`
	Title   string   `json:"title"`
	Inner   struct {
		Rate float64 `json:"rate"`
	} `json:"inner"`
	Stages [][]int
}

func TestOverride(t *testing.T) {
	start := sampleConfig{Plan: []int{1, 2}, Classes: 10}
	got, err := Override(start, []string{
		"classes=3", "Dropout=0.25", "wide=true", "title=a=b, c", "plan=4,5,6", "names=x,y", "inner.rate=1e-3", "stages=[[1],[2,3]]",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := sampleConfig{Plan: []int{4, 5, 6}, Names: []string{"x", "y"}, Classes: 3, Dropout: 0.25, Wide: true, Title: "a=b, c", Stages: [][]int{{1}, {2, 3}}}
	want.Inner.Rate = 1e-3
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if start.Classes != 10 || start.Plan[0] != 1 {
		t.Errorf("the original changed: %+v", start)
	}
}

func TestOverrideErrorsSayWhatThereIs(t *testing.T) {
	for assignment, says := range map[string]string{
		"clases=3":       "classes (whole number, now 0)",
		"classes=three":  "classes wants a whole number",
		"classes=1.5":    "classes wants a whole number",
		"wide=yes":       "true or false",
		"plan=a,b":       "plan wants a list of whole numbers",
		"dropout":        "key=value",
		"=3":             "key=value",
		"inner.speed=3":  "rate (number, now 0)",
		"classes.more=1": "no fields inside",
		"classes=1 2":    "classes wants a whole number",
	} {
		if _, err := Override(sampleConfig{}, []string{assignment}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", assignment, err, says)
		}
	}
}

func TestNearestNames(t *testing.T) {
	names := []string{"vgg", "sppnet", "inceptionv3", "inceptionv4", "pyramidnet"}
	for word, want := range map[string][]string{
		"vgx": {"vgg"}, "inception": {"inceptionv3", "inceptionv4"}, "sppent": {"sppnet"}, "PyramidNet": {"pyramidnet"}, "zebra": nil, "": nil,
	} {
		if got := nearest(word, names); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", word, got, want)
		}
	}
}

func TestEntriesThatLackSomethingAreRefused(t *testing.T) {
	good := func() Recipe[sampleConfig] {
		return Recipe[sampleConfig]{
			Name: "x", Paper: Paper{Title: "T", Authors: "A", Year: 2000, URL: "u"}, Model: func(sampleConfig) Network { return nil },
		}
	}
	if _, err := NewEntry(good()); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*Recipe[sampleConfig]){
		"no name":      func(r *Recipe[sampleConfig]) { r.Name = "" },
		"Paper":        func(r *Recipe[sampleConfig]) { r.Paper.URL = "" },
		"one of":       func(r *Recipe[sampleConfig]) { r.Model = nil },
		"not 2":        func(r *Recipe[sampleConfig]) { r.Study = func(sampleConfig) Program { return nil } },
		"its Variants": func(r *Recipe[sampleConfig]) { r.Variant = "A" },
		"not there":    func(r *Recipe[sampleConfig]) { r.Params = map[string]int{"A": 1} },
		"needs arms":   func(r *Recipe[sampleConfig]) { r.Claims = []Claim[sampleConfig]{{Name: "c", Statement: "s"}} },
	} {
		r := good()
		change(&r)
		if _, err := NewEntry(r); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}
