package main

import (
	"fmt"
	"slices"

	"fovea/notebooks/fig"
)

// batches writes how inference grows with the batch.
func (p *page) batches(r *networkReport) error {
	cases := slices.DeleteFunc(slices.Clone(r.Cases), func(c caseReport) bool { return c.Train })
	if len(cases) == 0 {
		return nil
	}
	p.line("## Growth with the batch")
	p.line("Inference; milliseconds a sample, which is the batch's time divided by its size.")
	arms := armsOf(cases)
	head := append([]string{"network", "batch"}, arms...)
	for _, other := range others(arms) {
		head = append(head, layersArm+" / "+other)
	}
	var rows [][]string
	networks := map[string][]caseReport{}
	var names []string
	for _, c := range cases {
		row := []string{c.Network, fmt.Sprint(c.Batch)}
		row = append(row, c.cells(arms, func(a armResult) float64 { return a.Median / float64(c.Batch) })...)
		for _, other := range others(arms) {
			row = append(row, c.cell(layersArm, func(a armResult) float64 { return a.Ratios[other] }))
		}
		rows = append(rows, row)
		if networks[c.Network] == nil {
			names = append(names, c.Network)
		}
		networks[c.Network] = append(networks[c.Network], c)
	}
	p.table(head, rows)
	return p.plot("batches.png", "Time of a sample in inference, by the size of the batch", func() *fig.Figure {
		var all []*fig.Figure
		for _, name := range names {
			all = append(all, lines(networks[name], arms, fig.CurveOptions{Title: name, XLabel: "batch", YLabel: "ms a sample",
				LogX: true, LogY: true, Width: 360, Height: 220},
				func(c caseReport) float64 { return float64(c.Batch) },
				func(c caseReport, a armResult) float64 { return a.Median / float64(c.Batch) }))
		}
		return fig.Panels(2, all...)
	})
}

// depths writes how the first step grows with depth.
func (p *page) depths(r *networkReport) error {
	cases := slices.DeleteFunc(slices.Clone(r.Cases), func(c caseReport) bool { return c.Depth == 0 })
	if len(cases) == 0 {
		return nil
	}
	p.line("## Growth with depth")
	p.line("4, 8 and 16 convolutions in four stages: seconds from the description to the end of the first training step, which is mostly "+
		"compilation where there is one, and milliseconds of a later step; batch %d.", cases[0].Batch)
	arms := armsOf(cases)
	head := slices.Concat([]string{"convolutions", "parameters"}, each(arms, " first, s"), each(arms, ", ms"))
	var rows [][]string
	for _, c := range cases {
		row := []string{fmt.Sprint(c.Depth), fmt.Sprint(c.Parameters)}
		row = append(row, c.cells(arms, func(a armResult) float64 { return a.Compile })...)
		row = append(row, c.cells(arms, func(a armResult) float64 { return a.Median })...)
		rows = append(rows, row)
	}
	p.table(head, rows)
	return p.plot("compile.png", "Seconds until the first training step is done, by depth", func() *fig.Figure {
		return lines(cases, arms, fig.CurveOptions{Title: "First training step", XLabel: "convolutions", YLabel: "seconds"},
			func(c caseReport) float64 { return float64(c.Depth) },
			func(_ caseReport, a armResult) float64 { return a.Compile })
	})
}

// lines draws one line for each arm.
func lines(cases []caseReport, arms []string, o fig.CurveOptions, x func(caseReport) float64, y func(caseReport, armResult) float64) *fig.Figure {
	var all []fig.Series
	for _, name := range arms {
		s := fig.Series{Name: name, Points: true}
		for _, c := range cases {
			if a, ok := c.arm(name); ok {
				s.X, s.Y = append(s.X, x(c)), append(s.Y, y(c, a))
			}
		}
		if len(s.X) > 0 {
			all = append(all, s)
		}
	}
	return fig.Curves(o, all...)
}
