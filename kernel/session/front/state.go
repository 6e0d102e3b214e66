package front

import (
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
)

// Packages tells which packages cells can import. The session's host is one.
type Packages interface {
	// Name returns the package name of an import path; false when the worker does not have it.
	Name(path string) (string, bool)
	// ByName returns the package that an identifier means that nobody imported, and whether the choice is plain:
	// a package of the standard library, and the only one of that name there.
	ByName(name string) (path string, plain, ok bool)
	// Export opens the export data of a package.
	Export(path string) (io.ReadCloser, error)
}

// A State is what is known of a session's live names. The zero value is not useful; see New.
type State struct {
	packages Packages
	fset     *token.FileSet
	importer types.Importer

	live    map[string]*symbol
	methods map[string][]*chunk // by type
	imports map[string]string   // name to path
	dots    map[string]bool     // paths of dot imports
	cellOf  map[*types.Package]int
	numbers map[int]int // cell ID to its number
	cells   []int       // IDs, in order
	dormant dormancy

	restorable map[string]bool // lost variables of which there is a checkpoint
}

// A symbol is a live name.
type symbol struct {
	name   string
	object types.Object
	cell   int    // ID of the cell whose package holds it
	chunk  *chunk // that declared it last; nil for a variable that was carried over
}

// New returns the state of a session in which nothing is live yet.
func New(p Packages) *State {
	s := &State{packages: p, fset: token.NewFileSet()}
	s.importer = importer.ForCompiler(s.fset, "gc", p.Export)
	s.imports, s.dots = map[string]string{}, map[string]bool{}
	s.Reset()
	return s
}

// Reset says that the values are gone with their worker: no name is live. Imports stay, and so does what was declared, for
// the cells that use it.
func (s *State) Reset() {
	s.sleep()
	s.live, s.methods = map[string]*symbol{}, map[string][]*chunk{}
	s.cellOf, s.numbers, s.cells = map[*types.Package]int{}, map[int]int{}, nil
}

// Use makes the state go by other packages from now on. No name may be live.
func (s *State) Use(p Packages) {
	s.packages, s.importer = p, importer.ForCompiler(s.fset, "gc", p.Export)
}

// Forget is Reset that leaves nothing, not even imports.
func (s *State) Forget() {
	s.Reset()
	s.dormant = dormancy{}
	s.imports, s.dots = map[string]string{}, map[string]bool{}
}

// Preload reads the export data of packages, which the first cell that uses them would wait for.
func (s *State) Preload(paths ...string) {
	for _, p := range paths {
		if _, ok := s.packages.Name(p); ok {
			s.importer.Import(p) // the cell that needs it reports the error
		}
	}
}

// A Name describes a live name.
type Name struct {
	Name, Kind, Type string
	Cell             int // number
}

// Names lists the live names, sorted.
func (s *State) Names() []Name {
	var names []Name
	for _, n := range slices.Sorted(maps.Keys(s.live)) {
		y := s.live[n]
		d := Name{Name: n, Cell: s.numbers[y.cell]}
		if y.chunk != nil {
			d.Cell = y.chunk.number
		}
		t := y.object.Type()
		switch o := y.object.(type) {
		case *types.Var:
			d.Kind = "var"
		case *types.Func:
			d.Kind = "func"
		case *types.Const:
			d.Kind = "const"
		case *types.TypeName:
			d.Kind = "type"
			if !o.IsAlias() {
				t = t.Underlying()
			}
		}
		d.Type = types.TypeString(t, qualifier)
		names = append(names, d)
	}
	return names
}

func qualifier(p *types.Package) string {
	if p.Path() == cellPackage {
		return ""
	}
	return p.Name()
}

// cellPackage is the path of all cells' packages for the checker, to which they are one, and their name: %T says
// cell.T. They are not called main, since of a main package the compiler lists all exported names for package plugin,
// and the linker cannot have types of the host library in that list.
const cellPackage = "cell"

// A Cell is what Lower works on.
type Cell struct {
	ID     int // unique in the session
	Number int // the notebook's
	Source string
}

// A Program is a cell that can be compiled.
type Program struct {
	Source string   // of its package
	Cells  []int    // the packages of earlier cells
	Notes  []string // what the user should know once it is loaded
	Empty  bool     // there is nothing to run: the cell had only imports or comments
	commit func()
}

// Commit makes the cell's names live. It is called when the cell has been loaded, however its statements end.
func (p *Program) Commit() { p.commit() }

// Lower checks a cell against the live names and rewrites it. The state does not change.
// The error is an *Error, a *NeedPackages, or says that the session is broken.
func (s *State) Lower(c Cell) (*Program, error) {
	l, err := s.lowered(c)
	if err != nil {
		return nil, err
	}
	return l.program, nil
}

// lowered is Lower with all that was found out on the way.
func (s *State) lowered(c Cell) (*lowering, error) {
	source := c.Source
	if !strings.HasSuffix(source, "\n") {
		source += "\n" // the scanner ends the last statement there
	}
	chunks, quiet, err := split(source, c.ID, c.Number)
	if err != nil {
		return nil, err
	}
	// A variable that gets another type is known only after a check; its users are then compiled again too.
	retyped := map[string]bool{}
	for range maxRounds {
		l := &lowering{State: s, id: c.ID, number: c.Number, quiet: quiet, retyped: retyped}
		if err := l.lower(chunks); err != nil {
			return nil, err
		}
		if !l.again {
			return l, nil
		}
	}
	return nil, &Error{[]Problem{{Message: "the types of this cell's variables depend on each other in a way that the kernel cannot order: split the cell"}}}
}

const maxRounds = 8

// lowering is the work on one cell.
type lowering struct {
	*State
	id, number int
	quiet      bool
	retyped    map[string]bool // variables that the last round found to have another type
	again      bool            // this round found more of them

	newImports map[string]string
	newDots    map[string]bool
	gone       map[string]bool // live names that this cell's imports hide
	body       []*chunk        // the cell's chunks without imports
	pulled     []*chunk        // earlier chunks that are compiled again
	declared   map[string]*chunk
	changed    map[string]bool // names whose meaning changes for those that use them
	moved      []*migration
	notes      []string
	guessed    []guess
	revived    map[*chunk]bool   // dormant declarations that the cell needs
	sleeping   map[string]string // why others stay dormant, by name
	old        map[string]bool   // live names that are used under their oldName
	oldSymbols map[types.Object]*symbol

	file    *checkFile
	pkg     *types.Package
	info    *types.Info
	reuse   map[string]*symbol // variables that keep their storage
	deps    map[*chunk]map[string]bool
	program *Program
}

func (l *lowering) lower(chunks []*chunk) error {
	for _, step := range []func() error{
		func() error { return l.readImports(chunks) },
		l.findDeclared,
		l.findRevived,
		l.findChanged,
		l.layOut,
		l.check,
		l.findReused,
	} {
		if err := step(); err != nil || l.again {
			return err
		}
	}
	return l.generate()
}

func (l *lowering) commitNames() {
	s := l.State
	s.imports, s.dots = l.newImports, l.newDots
	if l.program.Empty {
		return
	}
	for n := range l.gone {
		delete(s.live, n)
		delete(s.methods, n)
	}
	s.cells = append(s.cells, l.id)
	s.numbers[l.id] = l.number
	s.cellOf[l.pkg] = l.id
	byName := map[string]*chunk{}
	for _, c := range append(slices.Clone(l.pulled), l.body...) {
		for _, n := range c.names {
			byName[n] = c
		}
	}
	for c, deps := range l.deps {
		c.deps = deps
	}
	for _, n := range l.pkg.Scope().Names() {
		o := l.pkg.Scope().Lookup(n)
		if o.Pkg() != l.pkg || strings.HasPrefix(n, ownMark) {
			continue
		}
		if y := s.live[n]; y != nil && y.chunk != byName[n] {
			superseded(y.chunk, n)
		}
		if c := s.dormant.declared[n]; c != byName[n] {
			superseded(c, n)
		}
		if methods := s.dormant.methods[n]; l.revived[byName[n]] {
			s.methods[n] = slices.DeleteFunc(slices.Clone(methods), func(m *chunk) bool { return !l.revived[m] })
		}
		s.dormant.forget(n)
		delete(s.imports, n) // a declaration hides an import of that name
		if r := l.reuse[n]; r != nil {
			s.live[n] = &symbol{n, r.object, r.cell, byName[n]}
		} else {
			s.live[n] = &symbol{n, o, l.id, byName[n]}
		}
	}
	for _, c := range l.body {
		if c.kind == isType {
			for _, n := range c.names {
				delete(s.methods, n)
			}
		}
	}
	for _, c := range l.body {
		if c.kind == isMethod {
			kept := slices.DeleteFunc(slices.Clone(s.methods[c.receiver]), func(m *chunk) bool { return m.method == c.method })
			s.methods[c.receiver] = append(kept, c)
		}
	}
}

// superseded takes a name away from the chunk that declared it.
func superseded(c *chunk, name string) {
	if c != nil && len(c.names) > 1 && (c.kind == isConst || c.kind == isType) {
		c.blank(name) // it has been parsed before
	}
}

func sortChunks(chunks []*chunk) {
	sort.Slice(chunks, func(i, j int) bool {
		a, b := chunks[i], chunks[j]
		return a.cell < b.cell || a.cell == b.cell && (a.line < b.line || a.line == b.line && a.column < b.column)
	})
}
