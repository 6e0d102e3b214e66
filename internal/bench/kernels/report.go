package kernels

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A Report is what was measured.
type Report struct {
	Date    time.Time `json:"date"`
	Machine Machine   `json:"machine"`
	Rows    []row     `json:"cases"`
}

// A series is the measurements of one kernel, in milliseconds from the request to idle.
type series struct {
	P50     float64   `json:"p50_ms"`
	P95     float64   `json:"p95_ms"`
	Output  float64   `json:"first_output_p50_ms,omitempty"` // until the first output, of cells that have some
	Samples []float64 `json:"samples_ms"`

	outputs []float64
}

// A row is one case.
type row struct {
	Name     string `json:"name"`
	About    string `json:"about"`
	GoNBDoes string `json:"gonb_does,omitempty"` // where that differs
	Fovea    series `json:"fovea"`
	GoNB     series `json:"gonb"`
	BaseName string `json:"base_name,omitempty"` // something else to compare with
	Base     series `json:"base,omitzero"`
	Goal     goal   `json:"goal,omitzero"`
	Met      *bool  `json:"met,omitempty"` // nil: there is no goal
}

func (r *row) add(a arm, ms float64) {
	s := r.of(a)
	s.Samples = append(s.Samples, ms)
}

// addAnswer adds what came of a request.
func (r *row) addAnswer(a arm, got answer) {
	r.add(a, got.Time)
	if s := r.of(a); got.First > 0 {
		s.outputs = append(s.outputs, got.First)
	}
}

func (r *row) of(a arm) *series {
	if a == gonb {
		return &r.GoNB
	}
	return &r.Fovea
}

// add finishes a row.
func (r *Report) add(one row) {
	for _, s := range []*series{&one.Fovea, &one.GoNB, &one.Base} {
		s.P50, s.P95, s.Output = quantile(s.Samples, 0.5), quantile(s.Samples, 0.95), quantile(s.outputs, 0.5)
	}
	if g := one.Goal; g != (goal{}) {
		met := (g.Milliseconds == 0 || one.Fovea.P50 <= g.Milliseconds) &&
			(g.OfGoNB == 0 || one.Fovea.P50 <= one.GoNB.P50/g.OfGoNB) &&
			(g.OfBase == 0 || one.Fovea.P50 <= one.Base.P50*g.OfBase)
		one.Met = &met
	}
	r.Rows = append(r.Rows, one)
}

// quantile is the smallest measurement that at least the share q of them does not exceed; 0 of none.
func quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// Print writes the report as a table, which is Markdown too.
func (r *Report) Print(out io.Writer) error {
	m := r.Machine
	fmt.Fprintf(out, "Kernels, %s: %s, %d CPUs, %s", r.Date.Format(time.DateOnly), m.CPU, m.CPUs, m.System)
	if m.Governor != "" {
		fmt.Fprintf(out, ", clock %s", m.Governor)
	}
	fmt.Fprintf(out, ", load %s before and %s after\n%s; %s\n", m.LoadBefore, m.LoadAfter, m.Toolchain, strings.Join(m.Versions, "; "))
	fmt.Fprint(out, "Milliseconds from the request to idle, or to the answer.\n\n")
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| case\t| Fovea p50\t| p95\t| GoNB p50\t| p95\t| GoNB / Fovea\t| target\t| met\t|")
	fmt.Fprintln(w, "|---\t|---:\t|---:\t|---:\t|---:\t|---:\t|---\t|---\t|")
	for _, row := range r.Rows {
		theirs := [3]string{"–", "–", "–"}
		if len(row.GoNB.Samples) > 0 {
			theirs = [3]string{milliseconds(row.GoNB.P50), milliseconds(row.GoNB.P95), fmt.Sprintf("%.1f", row.GoNB.P50/row.Fovea.P50)}
		}
		met := "–"
		if row.Met != nil {
			met = map[bool]string{true: "yes", false: "NO"}[*row.Met]
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", row.Name, milliseconds(row.Fovea.P50), milliseconds(row.Fovea.P95),
			theirs[0], theirs[1], theirs[2], row.target(), met)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(&b)
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "- %s: %s", row.Name, row.About)
		if row.GoNBDoes != "" {
			fmt.Fprintf(&b, "; GoNB %s", row.GoNBDoes)
		}
		if row.BaseName != "" {
			fmt.Fprintf(&b, "; %s: %s, p95 %s", row.BaseName, milliseconds(row.Base.P50), milliseconds(row.Base.P95))
		}
		fmt.Fprintln(&b)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func milliseconds(ms float64) string {
	if ms < 10 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

// target is the goal in words.
func (r row) target() string {
	var all []string
	if r.Goal.Milliseconds > 0 {
		all = append(all, fmt.Sprintf("≤ %.0f", r.Goal.Milliseconds))
	}
	if r.Goal.OfGoNB > 0 {
		all = append(all, fmt.Sprintf("≤ 1/%.0f of GoNB", r.Goal.OfGoNB))
	}
	if r.Goal.OfBase > 0 {
		all = append(all, fmt.Sprintf("≤ %.1f × %.0f (see below)", r.Goal.OfBase, r.Base.P50))
	}
	if len(all) == 0 {
		return "–"
	}
	return strings.Join(all, ", ")
}
