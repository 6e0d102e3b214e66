// Package export writes a notebook as a plain Go program that does the same, top to bottom.
//
// Each cell becomes a file: its functions, types and constants, its variables as package variables, and its statements
// as a function that main calls. What a later cell declares anew gets a number behind its name, and so do the functions
// that use it, so that each statement calls what it called in the notebook. Special lines become calls of small helpers
// as far as a program can do the same; what it cannot is a comment, and listed.
package export

import (
	"context"
	"errors"
	"fmt"
	"go/format"
	"maps"
	"slices"
	"strconv"
	"strings"

	"fovea/kernel/client"
	"fovea/kernel/command"
	"fovea/kernel/session/front"
)

// Packages are what cells can import; *host.Catalogue is one.
type Packages interface {
	front.Packages
	Add(ctx context.Context, paths ...string) error
}

// A Program is a notebook as Go source.
type Program struct {
	Files   map[string]string // by name, formatted
	Imports []string          // paths, sorted
	Left    []Left            // what was not carried over
	Renamed []string          // "f in cell 7 is f2 from there on", in order
}

// A Left is something of the notebook that the program does not do, or does otherwise.
type Left struct {
	Cell int // number of the code cell, from 1
	Text string
	Why  string
}

func (l Left) String() string { return fmt.Sprintf("cell %d: %s: %s", l.Cell, l.Text, l.Why) }

// A CellError says that a cell does not compile.
type CellError struct {
	Cell int
	Err  error
}

func (e *CellError) Error() string { return fmt.Sprintf("cell %d: %v", e.Cell, e.Err) }
func (e *CellError) Unwrap() error { return e.Err }

// A writer collects the program.
type writer struct {
	packages Packages
	plain    *front.Plain
	program  *Program
	helpers  map[string]string // the names of helpers that are used
	cells    []*cell
	args     []string // of the program, after the cells so far
	flags    bool     // they use package flag, or have had arguments
}

// A cell of code, numbered as fovea run does.
type cell struct {
	number   int
	title    string
	source   string
	comment  string   // in place of code: why there is none
	steps    []string // before the Go: calls of helpers
	function string   // that holds its statements; "" for none
	mayFail  bool
	added    bool // the front has a file of it
}

// Write makes the program of a notebook. The error is a *CellError where a cell is to blame.
func Write(ctx context.Context, nb *client.Notebook, p Packages) (*Program, error) {
	w := &writer{packages: p, program: &Program{Files: map[string]string{}}, helpers: map[string]string{}}
	var sources []string
	for i, c := range nb.Cells {
		if c.Type == "code" && strings.TrimSpace(c.Source) != "" {
			sources = append(sources, command.Split(c.Source).Go)
			w.cells = append(w.cells, &cell{number: len(w.cells) + 1, title: nb.Title(i), source: c.Source,
				mayFail: c.HasTag(client.TagMayFail) || c.HasTag(client.TagNbvalMayFail)})
			if c.HasTag(client.TagSkip) || c.HasTag(client.TagNbvalSkip) {
				w.cells[len(w.cells)-1].comment = "Its tag says " + client.TagSkip + ":"
			}
		}
	}
	w.plain = front.NewPlain(p, sources...)
	for _, c := range w.cells {
		if c.comment != "" {
			continue
		}
		if err := w.add(ctx, c); err != nil {
			return nil, err
		}
	}
	if err := w.write(nb.Name()); err != nil {
		return nil, err
	}
	return w.program, nil
}

// add reads one cell.
func (w *writer) add(ctx context.Context, c *cell) error {
	parts := command.Split(c.source)
	if parts.Program != nil {
		w.cellProgram(c, parts)
		return nil
	}
	source := w.specialLines(c, parts)
	if strings.TrimSpace(source) == "" {
		return nil
	}
	for {
		err := w.plain.Add(c.number, source)
		var need *front.NeedPackages
		if errors.As(err, &need) {
			if err = w.packages.Add(ctx, need.Paths...); err == nil {
				continue
			}
		}
		var compile *front.Error
		if errors.As(err, &compile) && c.mayFail {
			c.comment = "It does not compile, as its tag allows (" + compile.Error() + "):"
			w.leave(c, firstLine(c.source), "it does not compile, as its tag allows")
			return nil
		}
		if err != nil {
			return &CellError{c.number, err}
		}
		c.added = true
		return nil
	}
}

func (w *writer) leave(c *cell, text, why string) {
	w.program.Left = append(w.program.Left, Left{c.number, text, why})
}

// effects are packages that the kernel has loaded whatever the cells import, by what makes them matter.
var effects = []struct{ prefix, path string }{
	{"image", "image/gif"}, {"image", "image/jpeg"}, {"image", "image/png"},
	{"fovea/datasets", "fovea/datasets/all"},
	{"fovea/recipes", "fovea/recipes/all"},
	{"github.com/gomlx", "github.com/gomlx/compute/gobackend"}, {"github.com/gomlx", "github.com/gomlx/go-xla/compute/xla"},
}

// write makes the files.
func (w *writer) write(name string) error {
	files := map[int]front.PlainFile{}
	for _, f := range w.plain.Files() {
		files[f.Number] = f
	}
	imports := map[string]bool{}
	width := len(strconv.Itoa(len(w.cells)))
	var calls strings.Builder
	for _, c := range w.cells {
		f := files[c.number]
		if c.added && f.Ends != "" {
			w.leave(c, f.Ends, "it ends the cell in the notebook, and the whole program here")
		}
		for _, old := range slices.Sorted(maps.Keys(f.Renamed)) {
			w.program.Renamed = append(w.program.Renamed, fmt.Sprintf("%s of cell %d is called %s", old, c.number, f.Renamed[old]))
		}
		body := strings.TrimSpace(strings.Join(c.steps, "\n") + "\n" + f.Body)
		title := oneLine(c.title)
		switch {
		case c.comment != "":
			fmt.Fprintf(&calls, "// Cell %d. %s\n%s", c.number, c.comment, commented(c.source))
			continue
		case body == "" && strings.TrimSpace(f.Declarations) == "":
			if len(f.Imports) == 0 { // it only had imports, which stand where they are used
				continue
			}
		}
		var text strings.Builder
		fmt.Fprintf(&text, "// Cell %d: %s\n%s\npackage main\n\n", c.number, title, f.Head)
		text.WriteString(importBlock(f.Imports))
		for _, path := range f.Paths {
			imports[path] = true
		}
		text.WriteString(f.Declarations + "\n")
		if body != "" {
			c.function = w.plain.Unused(fmt.Sprint("cell", c.number))
			fmt.Fprintf(&text, "func %s() {\n%s\n}\n", c.function, body)
			call := c.function + "()"
			if c.mayFail {
				call = fmt.Sprintf("%s(%q, %s)", w.helper("mayFail"), fmt.Sprint("cell ", c.number), c.function)
			}
			fmt.Fprintf(&calls, "%s // %s\n", call, title)
		}
		if err := w.addFile(fmt.Sprintf("cell%0*d.go", width, c.number), text.String()); err != nil {
			return err
		}
	}
	var blank []string
	for _, e := range effects {
		for path := range imports {
			if (path == e.prefix || strings.HasPrefix(path, e.prefix+"/")) && !imports[e.path] && !slices.Contains(blank, e.path) {
				blank = append(blank, e.path)
			}
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "// Program %s does what the notebook %s.ipynb does, from its first cell to its last.\n// It was written by 'fovea export'.\npackage main\n\n", goName(name), name)
	if blank != nil {
		text.WriteString("// What the notebook's kernel has without asking.\nimport (\n")
		for _, path := range blank {
			fmt.Fprintf(&text, "_ %q\n", path)
			imports[path] = true
		}
		text.WriteString(")\n\n")
	}
	fmt.Fprintf(&text, "func main() {\n%s}\n", calls.String())
	if err := w.addFile("main.go", text.String()); err != nil {
		return err
	}
	if len(w.helpers) > 0 {
		if err := w.addFile("notebook.go", w.helperFile()); err != nil {
			return err
		}
	}
	w.program.Imports = slices.Sorted(maps.Keys(imports))
	if err := w.plain.Check(w.program.Files); err != nil {
		return fmt.Errorf("the program does not compile, which is a fault of the export, not of the notebook: %w", err)
	}
	return nil
}

// importBlock writes imports as goimports would: the standard library first.
func importBlock(specs []string) string {
	if len(specs) == 0 {
		return ""
	}
	var standard, others string
	for _, spec := range specs {
		path := spec[strings.IndexByte(spec, '"')+1:]
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") || first == "fovea" {
			others += spec + "\n"
		} else {
			standard += spec + "\n"
		}
	}
	return "import (\n" + strings.Trim(standard+"\n"+others, "\n") + "\n)\n\n"
}

func (w *writer) addFile(name, text string) error {
	formatted, err := format.Source([]byte(text))
	if err != nil {
		return fmt.Errorf("%s is no Go, which is a fault of the export, not of the notebook: %w\n%s", name, err, text)
	}
	w.program.Files[name] = string(formatted)
	return nil
}

// goName makes a name that can stand in a sentence or a module path.
func goName(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return '-'
	}, name), "-.")
}

// commented turns source into comments.
func commented(source string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(source)) {
		b.WriteString("//\t" + strings.TrimRight(line, "\r\n") + "\n")
	}
	return b.String()
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
