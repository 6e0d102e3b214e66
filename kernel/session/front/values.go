package front

import (
	"fmt"
	"go/types"
	"maps"
	"slices"
)

// A Place is where the worker holds a live variable.
type Place struct {
	Name   string
	Cell   int // ID of the cell whose package holds it
	Number int // of the cell that declared it last
	Type   string
}

// Variables lists the live variables, sorted.
func (s *State) Variables() (places []Place) {
	for _, n := range slices.Sorted(maps.Keys(s.live)) {
		y := s.live[n]
		if _, ok := y.object.(*types.Var); !ok {
			continue
		}
		p := Place{Name: n, Cell: y.cell, Number: s.numbers[y.cell], Type: types.TypeString(y.object.Type(), qualifier)}
		if y.chunk != nil {
			p.Number = y.chunk.number
		}
		places = append(places, p)
	}
	return places
}

// TypeCells returns the IDs of the cells that hold the live types, by the names that the types have there.
func (s *State) TypeCells() map[string]int {
	cells := map[string]int{}
	for n, y := range s.live {
		if t, ok := y.object.(*types.TypeName); ok && !t.IsAlias() {
			cells[exported(n)] = y.cell
		}
	}
	return cells
}

// A Declaration says how to declare a variable again.
type Declaration struct {
	Type    string            // as source
	Imports map[string]string // that the source needs, name to path; the names are the kernel's own
	Number  int               // of the cell that declared it
}

// Declare returns the declaration of a live variable. Its error says why a later cell cannot name the type.
func (s *State) Declare(name string) (Declaration, error) {
	y := s.live[name]
	d := Declaration{Imports: map[string]string{}, Number: s.numbers[y.cell]}
	if y.chunk != nil {
		d.Number = y.chunk.number
	}
	names := map[string]string{} // by path
	printer := &typePrinter{
		pkg: func(p *types.Package) string {
			if names[p.Path()] == "" {
				// A name for each path, so that the declarations of several variables can stand in one cell.
				names[p.Path()] = importAlias(p.Path())
				d.Imports[names[p.Path()]] = p.Path()
			}
			return names[p.Path()]
		},
		cell: func(o *types.TypeName) string {
			if l := s.live[o.Name()]; l == nil || l.object != types.Object(o) {
				return ""
			}
			return o.Name()
		},
		field: func(name string) string { return name },
	}
	if d.Type = printer.str(y.object.Type()); printer.bad != "" {
		return d, fmt.Errorf("its type %s cannot be named later", printer.bad)
	}
	return d, nil
}

func importAlias(path string) string { return fmt.Sprintf("foveaRestored%x", path) }

// Dormant reports whether a variable of that name was lost with a worker, and none is live.
func (s *State) Dormant(name string) bool { return s.live[name] == nil && s.dormant.lost[name] }

// Restored says that a variable has been brought back as it was declared in a cell of that number, and takes away the
// imports that its declaration needed.
func (s *State) Restored(name string, d Declaration) {
	for alias := range d.Imports {
		delete(s.imports, alias)
	}
	if y := s.live[name]; y != nil {
		if y.chunk != nil {
			c := *y.chunk // it may declare others too
			c.number, c.names = d.Number, []string{name}
			y.chunk = &c
		}
	}
}

// SetRestorable says which lost variables can be brought back, for error messages.
func (s *State) SetRestorable(names map[string]bool) { s.restorable = names }
