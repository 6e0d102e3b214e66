package front

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
)

// When a worker ends, its values are gone, but what cells have declared is known as source: functions, types with their
// methods, and constants lie dormant until a cell names them, and are then compiled with that cell. What uses a variable
// that was lost stays dormant until there is a variable of that name again.

// dormancy is what the last worker leaves behind.
type dormancy struct {
	declared map[string]*chunk   // by name
	methods  map[string][]*chunk // by type
	lost     map[string]bool     // variables
}

// sleep moves all that is live to what is dormant.
func (s *State) sleep() {
	d := &s.dormant
	if d.declared == nil {
		*d = dormancy{map[string]*chunk{}, map[string][]*chunk{}, map[string]bool{}}
	}
	for n, y := range s.live {
		d.forget(n)
		if y.chunk != nil && (y.chunk.kind == isFunc || y.chunk.kind == isType || y.chunk.kind == isConst) {
			d.declared[n] = y.chunk
			if methods := s.methods[n]; methods != nil {
				d.methods[n] = methods
			}
		} else {
			d.lost[n] = true
		}
	}
}

func (d *dormancy) forget(name string) {
	delete(d.declared, name)
	delete(d.methods, name)
	delete(d.lost, name)
}

// findRevived finds the dormant declarations that the cell needs. Why others stay dormant is kept for error messages.
func (l *lowering) findRevived() error {
	l.revived, l.sleeping = map[*chunk]bool{}, map[string]string{}
	if len(l.dormant.declared) == 0 && len(l.dormant.lost) == 0 {
		return nil
	}
	used := map[string]bool{}
	for _, c := range l.body {
		if err := c.outerNames(used); err != nil {
			return err
		}
	}
	for _, n := range slices.Sorted(maps.Keys(used)) {
		if l.known(n) {
			continue
		}
		if l.dormant.lost[n] {
			l.sleeping[n] = "its value was lost when the worker ended" + l.remedy(n)
		}
		needed, lost := l.closure(n)
		if lost == "" {
			maps.Copy(l.revived, needed)
		} else if c := l.dormant.declared[n]; c != nil {
			l.sleeping[n] = fmt.Sprintf("%s declares it, and it uses %s, whose value was lost when the worker ended%s", FileName(c.number), lost, l.remedy(lost))
		}
	}
	return nil
}

// remedy says how a lost variable can be had again.
func (s *State) remedy(name string) string {
	if s.restorable[name] {
		return "; %restore brings it back"
	}
	return ""
}

// known reports whether a name has a meaning without what is dormant.
func (l *lowering) known(n string) bool {
	return l.declared[n] != nil || l.live[n] != nil && !l.gone[n] || l.newImports[n] != ""
}

// closure lists the dormant declarations that a name needs, and a variable among them that is lost, if there is one.
func (l *lowering) closure(name string) (needed map[*chunk]bool, lost string) {
	needed = map[*chunk]bool{}
	names := []string{name}
	add := func(c *chunk) {
		if !needed[c] {
			needed[c] = true
			names = append(names, slices.Sorted(maps.Keys(c.deps))...)
		}
	}
	for i := 0; i < len(names); i++ {
		n := names[i]
		if l.known(n) {
			continue
		}
		if l.dormant.lost[n] {
			return nil, n
		}
		if c := l.dormant.declared[n]; c != nil {
			add(c)
			for _, together := range c.names { // in one declaration
				for _, m := range l.dormant.methods[together] {
					if l.dormant.declared[together] == c && !l.newMethod(together, m.method) {
						add(m)
					}
				}
			}
		}
	}
	return needed, ""
}

// newMethod reports whether the cell declares a method.
func (l *lowering) newMethod(receiver, method string) bool {
	return slices.ContainsFunc(l.body, func(c *chunk) bool { return c.receiver == receiver && c.method == method })
}

// outerNames adds the names in a chunk that something outside it must declare.
func (c *chunk) outerNames(names map[string]bool) error {
	f, _, err := c.parse()
	if err != nil {
		return err
	}
	for _, id := range f.Unresolved {
		names[id.Name] = true
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok { // a field, or a constant of that name
			if id, ok := kv.Key.(*ast.Ident); ok && id.Obj == nil {
				names[id.Name] = true
			}
		}
		return true
	})
	return nil
}

// explainUndefined adds to an error why a name that was there is not.
func (l *lowering) explainUndefined(message string) string {
	name, ok := strings.CutPrefix(message, "undefined: ")
	if reason := l.sleeping[name]; ok && reason != "" {
		return fmt.Sprintf("%s (%s)", message, reason)
	}
	return message
}

// blank takes a name out of a declaration of several, when another cell has declared it anew. What stands beside it keeps
// its place, and constants their iota.
func (c *chunk) blank(name string) error {
	f, base, err := c.parse()
	if err != nil {
		return err
	}
	d, ok := f.Decls[0].(*ast.GenDecl)
	if !ok {
		return nil
	}
	for _, spec := range d.Specs {
		var ids []*ast.Ident
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			ids = []*ast.Ident{spec.Name}
		case *ast.ValueSpec:
			ids = spec.Names
		}
		for _, id := range ids {
			if at := int(id.Pos() - base); id.Name == name {
				c.text = c.text[:at] + "_" + strings.Repeat(" ", len(name)-1) + c.text[at+len(name):]
			}
		}
	}
	c.names = slices.DeleteFunc(c.names, func(n string) bool { return n == name })
	return nil
}
