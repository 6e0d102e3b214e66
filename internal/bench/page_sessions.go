package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// sessions says when and how the parts were measured: what they have in common once for each machine, and a table of the rest.
func (p *page) sessions(r *report) {
	var machines []string
	parts := map[string][]string{} // by machine
	var rows [][]string
	for _, part := range allParts {
		s, ok := r.Sessions[part]
		if !ok {
			continue
		}
		m := s.facts()
		if parts[m] == nil {
			machines = append(machines, m)
		}
		parts[m] = append(parts[m], part)
		name := part
		if s.Quick {
			name += " (**a quick look, not a measurement**)"
		}
		rows = append(rows, []string{name, s.Date.Format(time.DateOnly + " 15:04"), fmt.Sprint(s.Turns), s.Machine.LoadBefore, s.Machine.LoadAfter})
	}
	for _, m := range machines {
		p.line("Measured: %s.", strings.Join(parts[m], ", "))
		p.line("%s", m)
	}
	p.table([]string{"part", "measured (UTC)", "turns", "load over 1, 5, 15 minutes before", "and after"}, rows)
}

// facts lists what the machine and the programs were.
func (s session) facts() string {
	m := s.Machine
	var lines []string
	for _, fact := range [][2]string{
		{"processor", fmt.Sprintf("%s, %d CPUs", m.CPU, m.CPUs)},
		{"system", m.System},
		{"governor of the clock", cmp.Or(m.Governor, "not told")},
		{"toolchain", m.Toolchain},
		{"GOFLAGS", cmp.Or(s.Flags, "none")},
		{"modules", strings.Join(m.Versions, ", ")},
	} {
		lines = append(lines, "- "+fact[0]+": "+fact[1])
	}
	return strings.Join(lines, "\n")
}
