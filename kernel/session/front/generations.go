package front

import (
	"fmt"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// A generation is a version of a type, function or constant. Compiled code refers to the one that it was compiled with;
// so when a name changes, what refers to it is compiled again, and variables of a changed type are carried over.

// A migration carries a variable over to the new generation of its type.
type migration struct {
	symbol *symbol
	typ    string // as source for the check file
}

func (l *lowering) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

func (l *lowering) findDeclared() error {
	l.declared = map[string]*chunk{}
	for _, c := range l.body {
		if c.names == nil && c.receiver == "" { // not a later round
			if err := c.declares(); err != nil {
				return err
			}
		}
		for _, n := range c.names {
			l.declared[n] = c
		}
	}
	return nil
}

// findChanged finds what this cell gives a new meaning, and which earlier chunks must be compiled with it.
func (l *lowering) findChanged() error {
	l.changed = maps.Clone(l.retyped)
	for n, c := range l.declared {
		if l.live[n] != nil && (c.kind == isFunc || c.kind == isType || c.kind == isConst) {
			l.changed[n] = true
		}
	}
	pulled := map[*chunk]bool{}
	newMethods := map[string]map[string]bool{}
	for _, c := range l.body {
		if c.kind != isMethod {
			continue
		}
		if newMethods[c.receiver] == nil {
			newMethods[c.receiver] = map[string]bool{}
		}
		newMethods[c.receiver][c.method] = true
		if y := l.live[c.receiver]; l.declared[c.receiver] == nil && y != nil && y.chunk != nil && y.chunk.kind == isType {
			for _, n := range y.chunk.names { // a method for an earlier type makes a new generation of it
				l.changed[n] = true
			}
			pulled[y.chunk] = true
		}
	}
	maps.Copy(pulled, l.revived)
	l.spread(pulled)
	for n := range l.changed {
		for _, m := range l.methods[n] {
			if l.declared[n] == nil && !newMethods[n][m.method] {
				pulled[m] = true
			}
		}
	}
	l.pulled = slices.Collect(maps.Keys(pulled))
	sortChunks(l.pulled)
	for _, c := range l.pulled {
		for _, n := range c.names {
			l.declared[n] = c
		}
		if len(c.names) > 0 && l.revived[c] {
			l.note("%s of %s: declared again, as the worker had ended", strings.Join(c.names, ", "), FileName(c.number))
		} else if len(c.names) > 0 {
			l.note("%s of %s compiled again", strings.Join(c.names, ", "), FileName(c.number))
		}
	}
	l.findMoved()
	return nil
}

// spread adds to pulled what depends on a changed name, until nothing more does.
func (l *lowering) spread(pulled map[*chunk]bool) {
	depends := func(c *chunk) bool {
		for d := range c.deps {
			if l.changed[d] {
				return true
			}
		}
		return false
	}
	for again := true; again; {
		again = false
		for n, y := range l.live {
			c := y.chunk
			if c == nil || l.changed[n] || l.declared[n] != nil || l.gone[n] || c.kind == isStatement || c.kind == isVar {
				continue
			}
			if depends(c) || c.kind == isType && slices.ContainsFunc(l.methods[n], depends) {
				for _, nn := range c.names {
					l.changed[nn] = true
				}
				pulled[c], again = true, true
			}
		}
	}
}

// findMoved finds the variables whose type has a new generation.
func (l *lowering) findMoved() {
	for _, n := range slices.Sorted(maps.Keys(l.live)) {
		y := l.live[n]
		v, ok := y.object.(*types.Var)
		if !ok || l.declared[n] != nil || l.gone[n] || !l.mentions(v.Type(), map[types.Type]bool{}) {
			continue
		}
		l.moved = append(l.moved, &migration{symbol: y})
		l.declared[n] = &chunk{}
	}
}

// mentions reports whether a type refers to a changed type of a cell.
func (l *lowering) mentions(t types.Type, seen map[types.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	in := func(t types.Type) bool { return l.mentions(t, seen) }
	switch t := t.(type) {
	case *types.Alias:
		return isCell(t.Obj().Pkg()) && l.changed[t.Obj().Name()] || in(types.Unalias(t))
	case *types.Named:
		if isCell(t.Obj().Pkg()) && l.changed[t.Obj().Name()] {
			return true
		}
		for a := range t.TypeArgs().Types() {
			if in(a) {
				return true
			}
		}
	case *types.Pointer:
		return in(t.Elem())
	case *types.Slice:
		return in(t.Elem())
	case *types.Array:
		return in(t.Elem())
	case *types.Chan:
		return in(t.Elem())
	case *types.Map:
		return in(t.Key()) || in(t.Elem())
	case *types.Signature:
		return in(t.Params()) || in(t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			if in(v.Type()) {
				return true
			}
		}
	case *types.Struct:
		for f := range t.Fields() {
			if in(f.Type()) {
				return true
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			if in(m.Signature()) {
				return true
			}
		}
	}
	return false
}

type typePair [2]types.Type

// sameLayout reports whether memory that holds a value of a can be read as one of b, a later generation.
func sameLayout(a, b types.Type, seen map[typePair]bool) bool {
	if types.Identical(a, b) || seen[typePair{a, b}] {
		return true
	}
	seen[typePair{a, b}] = true
	na, isNamedA := types.Unalias(a).(*types.Named)
	nb, isNamedB := types.Unalias(b).(*types.Named)
	if isNamedA != isNamedB || isNamedA && na.Obj().Name() != nb.Obj().Name() {
		return false
	}
	switch x := a.Underlying().(type) {
	case *types.Basic:
		y, ok := b.Underlying().(*types.Basic)
		return ok && x.Kind() == y.Kind()
	case *types.Pointer:
		y, ok := b.Underlying().(*types.Pointer)
		return ok && sameLayout(x.Elem(), y.Elem(), seen)
	case *types.Slice:
		y, ok := b.Underlying().(*types.Slice)
		return ok && sameLayout(x.Elem(), y.Elem(), seen)
	case *types.Array:
		y, ok := b.Underlying().(*types.Array)
		return ok && x.Len() == y.Len() && sameLayout(x.Elem(), y.Elem(), seen)
	case *types.Map:
		y, ok := b.Underlying().(*types.Map)
		return ok && types.Identical(x.Key(), y.Key()) && sameLayout(x.Elem(), y.Elem(), seen)
	case *types.Struct:
		y, ok := b.Underlying().(*types.Struct)
		if !ok || x.NumFields() != y.NumFields() {
			return false
		}
		for i := range x.NumFields() {
			if x.Field(i).Name() != y.Field(i).Name() || !sameLayout(x.Field(i).Type(), y.Field(i).Type(), seen) {
				return false
			}
		}
		return true
	}
	return false // channels, interfaces and functions hold values that know their old types
}
