package client

import (
	"fmt"
	"strings"
)

// aroundDiff is how many equal lines stand around a difference.
const aroundDiff = 3

// maxTable bounds the work on one difference: beyond it the lines are taken for all different.
const maxTable = 4 << 20

// diff returns a unified diff from a to b, "" when they are the same. Equal lines are shown as they are in b.
func diff(a, b []outputLine, same func(a, b outputLine) bool) string {
	type edit struct {
		sign byte
		text string
	}
	var edits []edit
	head := 0
	for head < len(a) && head < len(b) && same(a[head], b[head]) {
		edits = append(edits, edit{' ', b[head].text})
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && same(a[len(a)-1-tail], b[len(b)-1-tail]) {
		tail++
	}
	midA, midB := a[head:len(a)-tail], b[head:len(b)-tail]
	if len(midA) == 0 && len(midB) == 0 {
		return ""
	}
	i, j := 0, 0
	if len(midA)*len(midB) <= maxTable {
		longest := commonLengths(midA, midB, same)
		for i < len(midA) && j < len(midB) {
			switch {
			case same(midA[i], midB[j]):
				edits = append(edits, edit{' ', midB[j].text})
				i, j = i+1, j+1
			case longest[i+1][j] >= longest[i][j+1]:
				edits = append(edits, edit{'-', midA[i].text})
				i++
			default:
				edits = append(edits, edit{'+', midB[j].text})
				j++
			}
		}
	}
	for ; i < len(midA); i++ {
		edits = append(edits, edit{'-', midA[i].text})
	}
	for ; j < len(midB); j++ {
		edits = append(edits, edit{'+', midB[j].text})
	}
	for _, line := range b[len(b)-tail:] {
		edits = append(edits, edit{' ', line.text})
	}

	var out strings.Builder
	out.WriteString("--- stored\n+++ now\n")
	lineA, lineB := 1, 1
	for at := 0; at < len(edits); {
		// The next hunk: from context before a change to where twice the context follows one.
		first := at
		for first < len(edits) && edits[first].sign == ' ' {
			first++
		}
		if first == len(edits) {
			break
		}
		start, end := max(at, first-aroundDiff), first
		for k := first; k < len(edits) && k <= end+2*aroundDiff; k++ {
			if edits[k].sign != ' ' {
				end = k
			}
		}
		end = min(len(edits), end+1+aroundDiff)
		lineA, lineB = lineA+start-at, lineB+start-at
		var hunk strings.Builder
		countA, countB := 0, 0
		for _, e := range edits[start:end] {
			fmt.Fprintf(&hunk, "%c%s\n", e.sign, e.text)
			if e.sign != '+' {
				countA++
			}
			if e.sign != '-' {
				countB++
			}
		}
		fmt.Fprintf(&out, "@@ -%s +%s @@\n%s", span(lineA, countA), span(lineB, countB), hunk.String())
		lineA, lineB, at = lineA+countA, lineB+countB, end
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func span(line, count int) string {
	if count == 0 {
		line-- // the line after which there is nothing
	}
	return fmt.Sprintf("%d,%d", line, count)
}

// commonLengths is the table of the longest common subsequences of a[i:] and b[j:].
func commonLengths(a, b []outputLine, same func(a, b outputLine) bool) [][]int32 {
	table := make([][]int32, len(a)+1)
	for i := range table {
		table[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if same(a[i], b[j]) {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}
