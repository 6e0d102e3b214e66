package front

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// A Plain turns cells, in the order in which they run, into the files of one plain Go package. What a cell means is
// found as for the worker, by a State; only the names are others. Variables of the session become package variables.
// What is declared anew gets a name of its own, with a number behind, and so does what the kernel would compile again with
// it: so each statement calls what it would have called in the notebook.
type Plain struct {
	state *State
	words map[string]bool         // every identifier of the notebook
	used  map[string]bool         // names of the package
	names map[types.Object]string // what live and former names are called there
	last  int                     // ID
	files []*plainFile
}

// A PlainFile is what a cell became.
type PlainFile struct {
	Number       int
	Head         string // comments before the imports
	Imports      []string
	Declarations string
	Body         string            // the statements of the cell's function; "" for none
	Paths        []string          // import paths, also of blank imports
	Ends         string            // what would end the whole program, such as os.Exit; "" for nothing
	Renamed      map[string]string // what is declared anew, and its name
}

// NewPlain returns a Plain for a notebook. sources are all its cells: names that are made up occur in none of them.
func NewPlain(p Packages, sources ...string) *Plain {
	x := &Plain{state: New(p), words: map[string]bool{}, used: map[string]bool{"main": true, "init": true, "_": true},
		names: map[types.Object]string{}}
	for _, n := range types.Universe.Names() { // earlier cells may mean the predeclared ones
		x.used[n] = true
	}
	for _, source := range sources {
		f := token.NewFileSet().AddFile("", -1, len(source))
		var s scanner.Scanner
		s.Init(f, []byte(source), nil, 0)
		for {
			_, tok, literal := s.Scan()
			if tok == token.EOF {
				break
			}
			if tok == token.IDENT {
				x.words[literal] = true
			}
		}
	}
	return x
}

// Fresh returns a name for something at package level, and keeps it: name itself, or name with a number behind it.
func (x *Plain) Fresh(name string) string {
	free := name
	for i := 2; x.used[free] || free != name && x.words[free]; i++ {
		free = fmt.Sprint(name, i)
	}
	x.used[free] = true
	return free
}

// Unused is Fresh for what no cell names.
func (x *Plain) Unused(name string) string {
	if x.words[name] {
		x.used[name] = true
	}
	return x.Fresh(name)
}

// PackageName is a name for an import in a file of its own.
func (x *Plain) PackageName(name string) string {
	if x.used[name] {
		return x.Unused(name + "pkg")
	}
	return name
}

// Remove forgets names, as %remove does; none: all of them and all imports, as %reset does.
func (x *Plain) Remove(names ...string) {
	if len(names) == 0 {
		x.state.Forget()
		return
	}
	x.state.Remove(names)
}

// Add adds a cell. The error is an *Error or a *NeedPackages; then nothing has been added.
func (x *Plain) Add(number int, source string) error {
	if !strings.HasSuffix(source, "\n") {
		source += "\n"
	}
	l, err := x.state.lowered(Cell{ID: x.last + 1, Number: number, Source: source})
	if err != nil {
		return err
	}
	x.last++
	f := &plainFile{Plain: x, lowering: l, source: source, result: PlainFile{Number: number, Renamed: map[string]string{}},
		imports: map[string]string{}, dotted: map[string]bool{}}
	f.printer = &typePrinter{pkg: f.packageName, cell: func(o *types.TypeName) string { return x.names[o] }, field: func(name string) string { return name }}
	if err := f.findComments(); err != nil {
		return err
	}
	if l.file != nil && l.pkg != nil {
		f.findVersions()
		f.nameObjects()
		f.write()
	}
	l.program.Commit()
	x.files = append(x.files, f)
	return nil
}

// Files are the cells so far.
func (x *Plain) Files() []PlainFile {
	var files []PlainFile
	for _, f := range x.files {
		files = append(files, f.finish())
	}
	return files
}

// Check type-checks files of the package.
func (x *Plain) Check(files map[string]string) error {
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range sortedNames(files) {
		f, err := parser.ParseFile(fset, name, files[name], parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		parsed = append(parsed, f)
	}
	config := types.Config{Importer: x.state.importer, GoVersion: goVersion, Sizes: types.SizesFor("gc", "amd64")}
	_, err := config.Check("main", fset, parsed, nil)
	return err
}

func sortedNames(files map[string]string) []string {
	var names []string
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// dynamic are methods that code looks for in values of any type: with one of them an old value behaves otherwise, so
// that a type which gets it later is another one from there on. Other new methods are as if they had always been there.
var dynamic = map[string]bool{"String": true, "GoString": true, "Error": true, "Format": true, "Is": true, "As": true, "Unwrap": true,
	"MarshalJSON": true, "UnmarshalJSON": true, "MarshalText": true, "UnmarshalText": true, "MarshalBinary": true, "UnmarshalBinary": true,
	"GobEncode": true, "GobDecode": true, "MIMEBundle": true, "LogValue": true, "Scan": true, "Value": true, "WriteTo": true, "ReadFrom": true}

// findVersions finds the names that mean something else from this cell on, in the program as in the notebook. That are
// fewer than those that the kernel compiles again: a type with one more method is still the same.
func (f *plainFile) findVersions() {
	f.version = map[string]bool{}
	for n := range f.retyped {
		f.version[n] = true
	}
	for _, c := range f.body {
		for _, n := range c.names {
			if f.live[n] != nil && (c.kind == isFunc || c.kind == isType || c.kind == isConst) {
				f.version[n] = true
			}
		}
		y := f.live[c.receiver]
		if c.kind != isMethod || y == nil || y.chunk == nil || y.chunk.kind != isType || f.declaredHere(c.receiver) {
			continue
		}
		replaced := slices.ContainsFunc(f.methods[c.receiver], func(m *chunk) bool { return m.method == c.method })
		if replaced || dynamic[c.method] {
			for _, n := range y.chunk.names {
				f.version[n] = true
			}
		}
	}
	depends := func(c *chunk) bool {
		for d := range c.deps {
			if f.version[d] {
				return true
			}
		}
		return false
	}
	for again := true; again; {
		again = false
		for _, c := range f.pulled {
			if c.receiver != "" || len(c.names) == 0 || f.version[c.names[0]] {
				continue
			}
			if depends(c) || c.kind == isType && slices.ContainsFunc(f.methods[c.names[0]], depends) {
				for _, n := range c.names {
					f.version[n] = true
				}
				again = true
			}
		}
	}
}

// declaredHere reports whether the cell itself declares a name.
func (f *plainFile) declaredHere(name string) bool {
	return slices.ContainsFunc(f.body, func(c *chunk) bool { return slices.Contains(c.names, name) })
}

// kept reports whether a chunk that is compiled again is the one that the program has already.
func (f *plainFile) kept(c *chunk) bool {
	if !slices.Contains(f.pulled, c) {
		return false
	}
	if c.receiver != "" {
		return !f.version[c.receiver]
	}
	return len(c.names) > 0 && !f.version[c.names[0]]
}

// nameObjects gives every object that the cell declares at its top level its name in the program.
func (f *plainFile) nameObjects() {
	changed := f.changed
	f.changed = f.version // for mentions
	f.carried = map[string]*migration{}
	same := map[string]bool{}
	for _, m := range f.moved {
		n := m.symbol.name
		if f.version[n] || f.mentions(m.symbol.object.Type(), map[types.Type]bool{}) {
			f.carried[n] = m
		} else {
			same[n] = true
		}
	}
	f.changed = changed
	for _, c := range f.pulled {
		if f.kept(c) {
			for _, n := range c.names {
				same[n] = true
			}
		}
	}
	scope := f.pkg.Scope()
	for _, n := range scope.Names() {
		o := scope.Lookup(n)
		if o.Pkg() != f.pkg || strings.HasPrefix(n, ownMark) || f.names[o] != "" {
			continue
		}
		y := f.live[n]
		switch {
		case f.reuse[n] != nil:
			f.names[o] = f.names[f.reuse[n].object]
		case same[n] && y != nil:
			f.names[o] = f.names[y.object]
		default:
			f.names[o] = f.Fresh(n)
			f.fresh = append(f.fresh, o)
			if f.names[o] != n {
				f.result.Renamed[n] = f.names[o]
			}
		}
	}
}
