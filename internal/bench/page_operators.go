package main

import (
	"fmt"
	"slices"

	"fovea/internal/bench/operators"
)

// strided are the convolutions of that network that are measured by themselves, by operation, with their inputs.
var strided = map[string][]int{
	"3×3, 3→32, stride 2":   {64, 32, 32, 3},
	"3×3, 32→64, stride 2":  {64, 16, 16, 32},
	"3×3, 64→128, stride 2": {64, 8, 8, 64},
}

// between says how fast a training step of the strided network would be if these convolutions were at their limit. The step and
// the operations are of two parts, so this is an estimate.
func (p *page) between(r *report) {
	i := slices.IndexFunc(r.Network.Cases, func(c caseReport) bool { return c.Train && c.Batch == usualBatch && c.Network == "4-conv-strided" })
	if i < 0 {
		return
	}
	step, measured := r.Network.Cases[i].arm(layersArm)
	jax, beside := r.Network.Cases[i].arm(jaxArm)
	var now, limit float64
	for _, x := range r.Operators.Rows {
		image := x.Input[3] == 3 && x.Pass == operators.ToInput // which no training needs
		if slices.Equal(strided[x.Operation], x.Input) && !image {
			now, limit = now+x.Ours, limit+x.Limit
		}
	}
	if !measured || !beside || now == 0 {
		return
	}
	p.line("Of the %.1f ms of a training step of 4-conv-strided, %.1f are its first three convolutions and their gradients. At their limits they would take "+
		"%.1f, and the step %.1f: %.2f of JAX's %.1f.", step.Median, now, limit, step.Median-now+limit, (step.Median-now+limit)/jax.Median, jax.Median)
}

// operations writes the table of single operations.
func (p *page) operations(r *operators.Report) {
	p.line("## Operations one by one")
	p.line("Batch 64, the fastest of many calls in turns, milliseconds: as the engine has them (*plain*), in the forms of the layers (*ours*), and the "+
		"least that the machine could do in the same moments: the arithmetic as fast as the product of two matrices of 1024×1024 (%.0f GFLOP/s at best), "+
		"or the memory as fast as the sum of two large tensors (%.1f GB/s at best), whichever takes longer.", r.Peak, r.Bandwidth)
	var rows [][]string
	for _, x := range r.Rows {
		rows = append(rows, []string{x.Operation, fmt.Sprint(x.Input), x.Pass, number(x.Plain), number(x.Ours), number(x.Ours / x.Plain), number(x.Limit), number(x.Limit / x.Ours)})
	}
	p.table([]string{"operation", "input", "pass", "plain", "ours", "ours / plain", "limit", "limit / ours"}, rows)
}
