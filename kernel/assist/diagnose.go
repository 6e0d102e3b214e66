package assist

import (
	"context"
	"slices"
	"strings"
)

// A Diagnostic is a mistake in a cell.
type Diagnostic struct {
	Start, End int // bytes of the cell
	Severity   string
	Message    string
}

// Diagnose lists what the type checker has against a cell, in its order. What is a mistake in a function's body but not at
// the top level of a cell is left out.
func (a *Assistant) Diagnose(ctx context.Context, cell string) ([]Diagnostic, error) {
	var report struct {
		Items []struct {
			Range    Range  `json:"range"`
			Severity int    `json:"severity"`
			Code     any    `json:"code"`
			Message  string `json:"message"`
		} `json:"items"`
	}
	d, q, err := a.get(ctx, cell, -1, diagnostic, &report)
	if d == nil {
		return nil, err
	}
	var found []Diagnostic
	for _, i := range report.Items {
		start, ok := d.ToCell(i.Range.Start.offset(d.Text, q.utf8))
		if code, _ := i.Code.(string); !ok || allowedInCells[code] {
			continue
		}
		end, ok := d.ToCell(i.Range.End.offset(d.Text, q.utf8))
		if !ok || end < start {
			end = start
		}
		severity := "warning"
		if i.Severity == 1 {
			severity = "error"
		}
		found = append(found, Diagnostic{start, end, severity, strings.TrimSpace(i.Message)})
	}
	slices.SortStableFunc(found, func(a, b Diagnostic) int { return a.Start - b.Start })
	return found, nil
}

// allowedInCells are errors of go/types that a cell's top level does not make: variables and imports live on, and the last
// expression is shown.
var allowedInCells = map[string]bool{
	"UnusedVar": true, "UnusedExpr": true, "UnusedImport": true, "UnusedResults": true, "NoNewVar": true, "DuplicateDecl": true, "DeclaredNotUsed": true,
}
