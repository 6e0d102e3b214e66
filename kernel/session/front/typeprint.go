package front

import (
	"fmt"
	"go/types"
	"strings"
)

// hideTag keeps encoding/json and its like from seeing lower-case fields, which are exported under their mark.
const hideTag = `json:"-"`

// A typePrinter writes types as source.
type typePrinter struct {
	pkg   func(*types.Package) string  // the name to call a package by
	cell  func(*types.TypeName) string // a reference to a type of a cell
	field func(string) string          // the name of a cell's field or method
	hide  bool                         // add hideTag, as the rewriter does
	bad   string                       // set to a type that cannot be written down outside its package
}

func isCell(p *types.Package) bool { return p != nil && p.Path() == cellPackage }

func (p *typePrinter) str(t types.Type) string {
	switch t := t.(type) {
	case *types.Basic:
		if t.Kind() == types.UnsafePointer {
			return p.pkg(types.Unsafe) + ".Pointer"
		}
		if t.Kind() == types.Invalid {
			p.bad = "of a variable without a type"
		}
		return t.Name()
	case *types.Alias:
		if o := t.Obj(); o.Pkg() == nil || !isCell(o.Pkg()) && o.Exported() && t.TypeArgs().Len() == 0 {
			return p.object(o)
		}
		return p.str(types.Unalias(t))
	case *types.Named:
		s := p.object(t.Obj())
		if args := t.TypeArgs(); args.Len() > 0 {
			s += "[" + p.list(args) + "]"
		}
		return s
	case *types.Pointer:
		return "*" + p.str(t.Elem())
	case *types.Slice:
		return "[]" + p.str(t.Elem())
	case *types.Array:
		return fmt.Sprintf("[%d]%s", t.Len(), p.str(t.Elem()))
	case *types.Map:
		return "map[" + p.str(t.Key()) + "]" + p.str(t.Elem())
	case *types.Chan:
		return map[types.ChanDir]string{types.SendRecv: "chan ", types.SendOnly: "chan<- ", types.RecvOnly: "<-chan "}[t.Dir()] + "(" + p.str(t.Elem()) + ")"
	case *types.Signature:
		return "func" + p.signature(t)
	case *types.Struct:
		return p.structure(t)
	case *types.Interface:
		return p.iface(t)
	}
	p.bad = t.String()
	return "any"
}

func (p *typePrinter) list(args *types.TypeList) string {
	var s []string
	for t := range args.Types() {
		s = append(s, p.str(t))
	}
	return strings.Join(s, ", ")
}

func (p *typePrinter) structure(t *types.Struct) string {
	var b strings.Builder
	b.WriteString("struct {")
	for i := range t.NumFields() {
		f, tag := t.Field(i), t.Tag(i)
		if !f.Embedded() {
			name := f.Name()
			switch {
			case isCell(f.Pkg()):
				name = p.field(name)
				if p.hide && tag == "" && !f.Exported() && f.Name() != "_" {
					tag = hideTag
				}
			case !f.Exported():
				p.bad = t.String()
			}
			b.WriteString(name + " ")
		}
		b.WriteString(p.str(f.Type()))
		if tag != "" {
			fmt.Fprintf(&b, " %q", tag)
		}
		b.WriteString("; ")
	}
	return b.String() + "}"
}

func (p *typePrinter) iface(t *types.Interface) string {
	var b strings.Builder
	b.WriteString("interface {")
	for m := range t.ExplicitMethods() {
		name := m.Name()
		switch {
		case isCell(m.Pkg()):
			name = p.field(name)
		case !m.Exported():
			p.bad = t.String()
		}
		b.WriteString(name + p.signature(m.Signature()) + "; ")
	}
	for e := range t.EmbeddedTypes() {
		b.WriteString(p.str(e) + "; ")
	}
	return b.String() + "}"
}

func (p *typePrinter) object(o *types.TypeName) string {
	switch {
	case o.Pkg() == nil:
		return o.Name()
	case isCell(o.Pkg()):
		s := p.cell(o)
		if s == "" {
			p.bad = o.Name() + ", which is declared in a function" // no other package can name it
		}
		return s
	case !o.Exported():
		p.bad = o.Pkg().Path() + "." + o.Name()
	}
	return p.pkg(o.Pkg()) + "." + o.Name()
}

func (p *typePrinter) signature(s *types.Signature) string {
	var in, out []string
	for i := range s.Params().Len() {
		t := s.Params().At(i).Type()
		if s.Variadic() && i == s.Params().Len()-1 {
			if slice, ok := t.(*types.Slice); ok {
				in = append(in, "..."+p.str(slice.Elem()))
				continue
			}
		}
		in = append(in, p.str(t))
	}
	for v := range s.Results().Variables() {
		out = append(out, p.str(v.Type()))
	}
	text := "(" + strings.Join(in, ", ") + ")"
	if len(out) > 0 {
		text += " (" + strings.Join(out, ", ") + ")"
	}
	return text
}
