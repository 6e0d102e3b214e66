package main

import (
	"fmt"

	"fovea/internal/bench/operators"
)

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
