package command

import "strings"

// Parts are what a cell consists of, for those who only read it.
type Parts struct {
	Program []string // a cell that holds no Go: the words of its first line, such as %%bash
	Body    string   // and the lines below it
	Lines   []Line   // special lines of a cell of Go, in order
	Go      string   // its Go: special lines are empty
}

// A Line is a special line, with those that continue it.
type Line struct {
	Number int    // from 0
	Text   string // starts with % or !
}

// Words are those behind the % of a line.
func (l Line) Words() []string { return words(strings.TrimLeft(l.Text, "%!")) }

// Split cuts a cell into its parts.
func Split(source string) Parts {
	p := parse(source)
	if p.magic != "" {
		return Parts{Program: words(p.magic), Body: p.body}
	}
	parts := Parts{Go: strings.Join(p.lines, "\n")}
	for _, s := range p.specials {
		parts.Lines = append(parts.Lines, Line{s.line, s.text})
	}
	return parts
}

// Functions makes the functions of a cell run that GoNB runs: main at its place, and each init_ function behind itself.
func Functions(code string) string { return runFunctions(code) }

// Flags says whether code uses package flag, and which flags it defines.
func Flags(code string) (uses bool, defines []string) {
	for _, m := range definition.FindAllStringSubmatch(code, -1) {
		defines = append(defines, m[1])
	}
	return usesFlag.MatchString(code), defines
}
