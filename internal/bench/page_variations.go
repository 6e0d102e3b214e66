package main

import (
	"fmt"
	"slices"
)

// variations writes what each of them does to a training step.
func (p *page) variations(r *networkReport) {
	p.line("## Variations of a training step")
	p.line("One thing changed at a time, in turns with the layers as they are; the time of a step divided by theirs.")
	var arms []string
	for _, name := range variationArms[1:] {
		if slices.Contains(armsOf(r.Cases), name) {
			arms = append(arms, name)
		}
	}
	var rows [][]string
	for _, c := range r.Cases {
		row := []string{c.label(), c.cell(layersArm, func(a armResult) float64 { return a.Median })}
		rows = append(rows, append(row, c.cells(arms, func(a armResult) float64 { return a.Ratios[layersArm] })...))
	}
	p.table(append([]string{"network", "layers, ms"}, arms...), rows)
	for _, name := range arms {
		fmt.Fprintf(p, "- *%s*: %s.\n", name, variations[name].what)
	}
	fmt.Fprintf(p, "\n")
}
