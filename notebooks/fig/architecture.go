package fig

import (
	"fmt"
	"image/color"
	"strconv"
	"strings"
)

// A Stage is one step of a network, for Architecture.
type Stage struct {
	Name   string // "conv1_1"
	Kind   string // "conv 3×3", "max pool": stages whose kinds begin with the same word have one colour
	Output string // "[B 32 32 64]"
	// Parameters of the stage, with all its repeats, are written, and drawn as a bar; 0 draws none.
	Parameters int64
	// Repeat draws the stage as standing for several; 0 and 1 are one.
	Repeat int
	// From lists the indices of further inputs, such as the start of a skip connection; −1 is the network's input.
	// The previous stage is always an input.
	From []int
}

// Stages reads a table of layers, as layers.Summary.Table gives it: a row of headings, among them "layer", "kind", "output"
// and "parameters" in any order, and a row for each layer. Neighbours of
// equal kind, shape and parameters become one stage that repeats. What is added to what is not in such a table: set
// From for skip connections.
//
// It panics when a heading is missing, when rows are not as long as the headings, or on a count that is not a number.
func Stages(table [][]string) []Stage {
	const function = "Stages"
	if len(table) < 2 {
		fail(function, "%d rows: want the headings and at least one layer", len(table))
	}
	column := map[string]int{}
	for j, head := range table[0] {
		column[head] = j
	}
	for _, head := range []string{"layer", "kind", "output", "parameters"} {
		if _, ok := column[head]; !ok {
			fail(function, "the headings %q lack %q", table[0], head)
		}
	}
	var stages []Stage
	var repeats [][]string // names of what joined each stage
	for i, row := range table[1:] {
		if len(row) != len(table[0]) {
			fail(function, "row %d has %d cells for %d headings", i, len(row), len(table[0]))
		}
		s := Stage{Name: row[column["layer"]], Kind: row[column["kind"]], Output: row[column["output"]], Repeat: 1}
		if count := strings.ReplaceAll(row[column["parameters"]], ",", ""); count != "" {
			n, err := strconv.ParseInt(count, 10, 64)
			if err != nil {
				fail(function, "row %d (%q) has %q parameters", i, s.Name, row[column["parameters"]])
			}
			s.Parameters = n
		}
		if last := len(stages) - 1; last >= 0 && stages[last].Kind == s.Kind && stages[last].Output == s.Output && stages[last].Parameters == s.Parameters {
			repeats[last] = append(repeats[last], s.Name)
			continue
		}
		stages, repeats = append(stages, s), append(repeats, nil)
	}
	for i, more := range repeats {
		if s := &stages[i]; len(more) > 0 {
			s.Repeat, s.Parameters = 1+len(more), s.Parameters*int64(1+len(more))
			s.Name += " … " + more[len(more)-1][commonFolder(s.Name, more[len(more)-1]):]
		}
	}
	return stages
}

// commonFolder is the length of the path that two names share, the slash included.
func commonFolder(a, b string) int {
	n := 0
	for i := 0; i < min(len(a), len(b)) && a[i] == b[i]; i++ {
		if a[i] == '/' {
			n = i + 1
		}
	}
	return n
}

// ArchitectureOptions describes Architecture. The zero value is useful.
type ArchitectureOptions struct {
	Title, Caption string
	// Input describes the network's input; "input" when left out.
	Input string
}

// Architecture draws a network from top to bottom, with output shapes, parameters and skip connections.
//
// It panics when there are no stages, or when a skip connection doesn't come from above.
func Architecture(stages []Stage, o ArchitectureOptions) *Figure {
	const function = "Architecture"
	if len(stages) == 0 {
		fail(function, "no stages: pass at least one")
	}
	if o.Input == "" {
		o.Input = "input"
	}
	const (
		boxHeight, space = 26.0, 12.0
		columnGap        = 16.0
	)
	boxWidth := 230.0 // wider where names need it
	type arc struct{ from, to, lane int }
	var arcs []arc
	kinds := map[string]color.RGBA{}
	total, most := int64(0), int64(1)
	shapeWidth, countWidth := 0.0, 0.0
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n", o.Input)
	for i, s := range stages {
		for _, from := range s.From {
			if from < -1 || from >= i {
				fail(function, "stage %d (%q) takes input from stage %d: it must stand above", i, s.Name, from)
			}
			// The first lane that is free between both ends.
			lane := 0
			for slot := 0; slot < len(arcs); slot++ {
				if a := arcs[slot]; a.lane == lane && a.to > from && a.from < i {
					lane, slot = lane+1, -1
				}
			}
			arcs = append(arcs, arc{from, i, lane})
		}
		word, _, _ := strings.Cut(s.Kind, " ")
		if _, ok := kinds[word]; !ok {
			kinds[word] = paletteColor([]int{0, 4, 2, 1, 3, 5, 6, 7}[len(kinds)%8])
		}
		total, most = total+s.Parameters, max(most, s.Parameters)
		shapeWidth = max(shapeWidth, captionStyle.width(s.Output))
		countWidth = max(countWidth, captionStyle.width(thousands(s.Parameters)))
		repeat := ""
		if s.Repeat > 1 {
			repeat = fmt.Sprintf(" ×%d", s.Repeat)
		}
		boxWidth = max(boxWidth, min(headStyle.width(s.Name)+captionStyle.width(s.Kind+repeat)+44, 320))
		fmt.Fprintf(&text, "  %-16s %-20s %-20s %12s", s.Name, s.Kind+repeat, s.Output, thousands(s.Parameters))
		if len(s.From) > 0 {
			fmt.Fprintf(&text, "  + from %v", s.From)
		}
		text.WriteByte('\n')
	}
	lanes := 0
	for _, a := range arcs {
		lanes = max(lanes, a.lane+1)
	}
	left := float64(lanes)*12 + 4
	if lanes == 0 {
		left = 0
	}
	const barWidth = 90.0
	width := left + boxWidth + columnGap + shapeWidth + columnGap + countWidth
	if total > 0 {
		width += 10 + barWidth
	}
	step := boxHeight + space
	top := func(i int) float64 { return float64(i+1) * step } // the input stands at −1
	body := block{width, top(len(stages)) - space, func(c *canvas) {
		middle := left + boxWidth/2
		c.text(o.Input, labelStyle, middle, boxHeight/2, 0.5)
		for i, s := range stages {
			y := top(i)
			c.arrow(middle, y-space+1, y-1)
			word, _, _ := strings.Cut(s.Kind, " ")
			kind := kinds[word]
			if s.Repeat > 1 {
				c.fillRound(left+3, y+3, boxWidth, boxHeight, 4, withAlpha(kind, 0.45))
			}
			c.fillRound(left, y, boxWidth, boxHeight, 4, paper)
			c.fillRound(left, y, boxWidth, boxHeight, 4, withAlpha(kind, 0.16))
			c.strokeRound(left, y, boxWidth, boxHeight, 4, 1.2, kind)
			kindText := s.Kind
			if s.Repeat > 1 {
				kindText += fmt.Sprintf("  ×%d", s.Repeat)
			}
			kindText = captionStyle.fit(kindText, boxWidth*0.6)
			kindStyle := captionStyle
			kindStyle.color = ink
			c.text(headStyle.fit(s.Name, boxWidth-28-captionStyle.width(kindText)), headStyle, left+9, y+boxHeight/2, 0)
			c.text(kindText, kindStyle, left+boxWidth-9, y+boxHeight/2, 1)
			x := left + boxWidth + columnGap
			c.text(s.Output, captionStyle, x, y+boxHeight/2, 0)
			x += shapeWidth + columnGap + countWidth
			if s.Parameters > 0 {
				c.text(thousands(s.Parameters), captionStyle, x, y+boxHeight/2, 1)
				c.fillRound(x+10, y+boxHeight/2-4, max(barWidth*float64(s.Parameters)/float64(most), 2), 8, 1, kind)
			}
		}
		for _, a := range arcs {
			x := left - 8 - float64(a.lane)*12
			from, to := top(a.from)+boxHeight/2, top(a.to)+boxHeight/2-6
			start := left
			if a.from < 0 {
				start = middle - labelStyle.width(o.Input)/2 - 6
			}
			c.line(1.4, muted, [2]float64{start, from}, [2]float64{x, from}, [2]float64{x, to}, [2]float64{left - 1, to})
			c.fill(muted, [2]float64{left - 1, to}, [2]float64{left - 6, to - 3.5}, [2]float64{left - 6, to + 3.5})
		}
	}}
	caption := fmt.Sprintf("%s parameters.", thousands(total))
	if total == 0 {
		caption = ""
	}
	if o.Caption != "" {
		caption = strings.TrimSpace(caption + " " + o.Caption)
	}
	return newFigure(o.Title, caption, body, text.String())
}

// arrow points down from y0 to y1.
func (c *canvas) arrow(x, y0, y1 float64) {
	c.line(1.4, muted, [2]float64{x, y0}, [2]float64{x, y1 - 3})
	c.fill(muted, [2]float64{x, y1}, [2]float64{x - 3.5, y1 - 5}, [2]float64{x + 3.5, y1 - 5})
}

// thousands writes n with commas.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
