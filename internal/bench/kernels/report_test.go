package kernels

import (
	"bytes"
	"strings"
	"testing"
)

func TestQuantile(t *testing.T) {
	twenty := make([]float64, 20)
	for i := range twenty {
		twenty[i] = float64(20 - i)
	}
	for _, c := range []struct {
		samples []float64
		q, want float64
	}{
		{nil, 0.5, 0},
		{[]float64{7}, 0.5, 7},
		{[]float64{7}, 0.95, 7},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 2, 3}, 0.5, 2},
		{twenty, 0.5, 10},
		{twenty, 0.95, 19},
	} {
		if got := quantile(c.samples, c.q); got != c.want {
			t.Errorf("quantile(%v, %g) = %g, want %g", c.samples, c.q, got, c.want)
		}
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		name              string
		goal              goal
		fovea, gonb, base float64
		met               string // a cell of the table
	}{
		{"no goal", goal{}, 40, 300, 0, "–"},
		{"time", goal{Milliseconds: 45}, 45, 300, 0, "yes"},
		{"time missed", goal{Milliseconds: 45}, 46, 300, 0, "NO"},
		{"one of two missed", goal{Milliseconds: 45, OfGoNB: 6}, 40, 200, 0, "NO"},
		{"both", goal{Milliseconds: 45, OfGoNB: 6}, 40, 240, 0, "yes"},
		{"base", goal{OfBase: 1.5}, 300, 0, 200, "yes"},
		{"base missed", goal{OfBase: 1.5}, 301, 0, 200, "NO"},
	} {
		one := row{Name: c.name, Goal: c.goal}
		one.add(fovea, c.fovea)
		if c.gonb > 0 {
			one.add(gonb, c.gonb)
		}
		if c.base > 0 {
			one.Base.Samples = []float64{c.base}
		}
		var r Report
		r.add(one)
		var out bytes.Buffer
		if err := r.Print(&out); err != nil {
			t.Fatal(err)
		}
		met := "no line"
		for line := range strings.Lines(out.String()) {
			if cells := strings.Split(line, "|"); len(cells) > 8 && strings.TrimSpace(cells[1]) == c.name {
				met = strings.TrimSpace(cells[8])
			}
		}
		if met != c.met {
			t.Errorf("%s: met is %q, want %q", c.name, met, c.met)
		}
	}
}

// Both kernels must be asked for the same thing wherever the table does not say otherwise.
func TestArmsAskTheSame(t *testing.T) {
	for _, s := range append(plain[:len(plain):len(plain)], withGoMLX...) {
		ours, theirs := s.sample(fovea, 3), s.sample(gonb, 3)
		same := strings.TrimPrefix(theirs.Code, "%%\n") == ours.Code && strings.TrimPrefix(theirs.Running, "%%\n") == ours.Running
		if !same && s.gonb == "" {
			t.Errorf("%s: GoNB runs %q, Fovea %q", s.name, theirs.Code, ours.Code)
		}
		if ours.Want != theirs.Want || ours.Fails != theirs.Fails || ours.Do != theirs.Do {
			t.Errorf("%s: %+v, %+v", s.name, ours, theirs)
		}
	}
}
