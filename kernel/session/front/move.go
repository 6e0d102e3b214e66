package front

import (
	"fmt"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// A mover writes functions that copy values to the new generation of their type where memory cannot be taken as it is:
// fields of the same name and type are kept. Pointers that were equal stay equal, among the variables that move together.
type mover struct {
	*rewriter
	code    strings.Builder // the functions
	known   strings.Builder // statements: where structs go that pointers may point to
	moves   strings.Builder // statements
	names   map[typePair]string
	changed map[string]string                        // what became of the fields, by type
	member  func(o types.Object, name string) string // what a field is called; nil: memberName
}

const (
	moveName = ownMark + "move"
	seenName = ownMark + "seen" // new pointers, by old ones
)

// convertible reports whether something of a value of a can be kept in one of b, a later generation.
func convertible(a, b types.Type, seen map[typePair]bool) bool {
	if seen[typePair{a, b}] {
		return true
	}
	seen[typePair{a, b}] = true
	if sameLayout(a, b, map[typePair]bool{}) {
		return true
	}
	na, isNamedA := types.Unalias(a).(*types.Named)
	nb, isNamedB := types.Unalias(b).(*types.Named)
	if isNamedA != isNamedB || isNamedA && na.Obj().Name() != nb.Obj().Name() {
		return false
	}
	switch x := a.Underlying().(type) {
	case *types.Struct:
		y, ok := b.Underlying().(*types.Struct)
		return ok && isNamedA && (len(keptFields(x, y, seen)) > 0 || x.NumFields() == 0)
	case *types.Pointer:
		y, ok := b.Underlying().(*types.Pointer)
		return ok && convertible(x.Elem(), y.Elem(), seen)
	case *types.Slice:
		y, ok := b.Underlying().(*types.Slice)
		return ok && convertible(x.Elem(), y.Elem(), seen)
	case *types.Array:
		y, ok := b.Underlying().(*types.Array)
		return ok && x.Len() == y.Len() && convertible(x.Elem(), y.Elem(), seen)
	case *types.Map:
		y, ok := b.Underlying().(*types.Map)
		return ok && types.Identical(x.Key(), y.Key()) && convertible(x.Elem(), y.Elem(), seen)
	}
	return false // channels, interfaces and functions hold values that know their old types
}

// keptFields lists the names of the fields that both have, and whose values can be kept.
func keptFields(a, b *types.Struct, seen map[typePair]bool) map[string]bool {
	kept := map[string]bool{}
	for y := range b.Fields() {
		for x := range a.Fields() {
			// An embedded int or error cannot be named outside its package.
			if x.Name() == y.Name() && x.Name() != "_" && x.Embedded() == y.Embedded() && token.IsExported(memberName(x, x.Name())) &&
				convertible(x.Type(), y.Type(), seen) {
				kept[x.Name()] = true
			}
		}
	}
	return kept
}

// function returns the name of the function that copies a value at from, of type a, to one at to, of type b.
func (m *mover) function(a, b types.Type) string {
	if name := m.names[typePair{a, b}]; name != "" {
		return name
	}
	name := fmt.Sprintf("%s%d", moveName, len(m.names))
	m.names[typePair{a, b}] = name
	var body strings.Builder
	newType := m.printer.str(b)
	if sameLayout(a, b, map[typePair]bool{}) {
		fmt.Fprintf(&body, "*to = *(*%s)(%s.Pointer(from))", newType, unsafeID)
	} else {
		switch x := a.Underlying().(type) {
		case *types.Struct:
			y := b.Underlying().(*types.Struct)
			kept := keptFields(x, y, map[typePair]bool{{a, b}: true})
			fmt.Fprintf(&body, "if %s[from] == nil { %s[from] = to }\n", seenName, seenName)
			for i := range y.NumFields() {
				f := y.Field(i)
				if !kept[f.Name()] {
					continue
				}
				for g := range x.Fields() {
					if g.Name() == f.Name() {
						member := memberName
						if m.member != nil {
							member = m.member
						}
						fmt.Fprintf(&body, "%s(&to.%s, &from.%s)\n", m.function(g.Type(), f.Type()), member(f, f.Name()), member(g, g.Name()))
					}
				}
			}
			m.describe(b, x, y, kept)
		case *types.Pointer:
			e := b.Underlying().(*types.Pointer).Elem()
			fmt.Fprintf(&body, "if *from == nil { return }\nif p, ok := %s[*from].(*%s); ok { *to = p; return }\n", seenName, m.printer.str(e))
			fmt.Fprintf(&body, "*to = new(%s)\n%s[*from] = (*%s)(*to)\n%s(*to, *from)", m.printer.str(e), seenName, m.printer.str(e), m.function(x.Elem(), e))
		case *types.Slice:
			fmt.Fprintf(&body, "if *from == nil { return }\n*to = make(%s, len(*from))\nfor i := range *from { %s(&(*to)[i], &(*from)[i]) }", newType, m.function(x.Elem(), b.Underlying().(*types.Slice).Elem()))
		case *types.Array:
			fmt.Fprintf(&body, "for i := range *from { %s(&(*to)[i], &(*from)[i]) }", m.function(x.Elem(), b.Underlying().(*types.Array).Elem()))
		case *types.Map:
			e := b.Underlying().(*types.Map).Elem()
			fmt.Fprintf(&body, "if *from == nil { return }\n*to = make(%s, len(*from))\nfor k, v := range *from { var n %s; %s(&n, &v); (*to)[k] = n }", newType, m.printer.str(e), m.function(x.Elem(), e))
		}
	}
	fmt.Fprintf(&m.code, "func %s(to *%s, from *%s) {\n%s\n}\n", name, newType, m.printer.str(a), body.String())
	return name
}

// describe notes what the new generation of a struct has lost and gained.
func (m *mover) describe(t types.Type, x, y *types.Struct, kept map[string]bool) {
	var parts []string
	list := func(s *types.Struct, what string) {
		var names []string
		for f := range s.Fields() {
			if !kept[f.Name()] && f.Name() != "_" {
				names = append(names, f.Name())
			}
		}
		if names != nil {
			parts = append(parts, what+" "+strings.Join(names, ", "))
		}
	}
	list(x, "dropped")
	list(y, "zero in the new version:")
	if parts != nil {
		m.changed[types.TypeString(t, qualifier)] = strings.Join(parts, "; ")
	}
}

// copyOver prepares the copying of one variable; false: nothing of it can be kept.
func (m *mover) copyOver(name, from string, a, b types.Type) bool {
	if !convertible(a, b, map[typePair]bool{}) {
		return false
	}
	if _, ok := a.Underlying().(*types.Struct); ok {
		fmt.Fprintf(&m.known, "%s[&%s] = &%s\n", seenName, from, name)
	}
	fmt.Fprintf(&m.moves, "%s(&%s, &%s)\n", m.function(a, b), name, from)
	return true
}

// finish writes what all copying needs.
func (m *mover) finish(declarations, body *strings.Builder) {
	if len(m.names) == 0 {
		return
	}
	fmt.Fprintf(declarations, "var %s = map[any]any{}\n%s", seenName, m.code.String())
	fmt.Fprintf(body, "%s%s%s = nil\n", m.known.String(), m.moves.String(), seenName)
	for _, t := range slices.Sorted(maps.Keys(m.changed)) {
		m.note("fields of %s: %s", t, m.changed[t])
	}
}
