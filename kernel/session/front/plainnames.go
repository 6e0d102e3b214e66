package front

import (
	"go/ast"
	"go/types"
	"regexp"
	"sort"
	"strings"
)

// collectEdits finds the identifiers that are called otherwise in the program.
func (f *plainFile) collectEdits() {
	selected := map[*ast.Ident]bool{}
	ast.Inspect(f.file.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			selected[s.Sel] = true
		}
		return true
	})
	rename := func(id *ast.Ident, o types.Object) {
		if o == nil || id.Name == "_" || f.file.pieceAt(f.file.offset(id.Pos())) == nil {
			return
		}
		if text := f.callIt(id, o, selected[id]); text != id.Name {
			f.edits = append(f.edits, edit{f.file.offset(id.Pos()), f.file.offset(id.End()), text})
		}
	}
	for id, o := range f.info.Uses {
		rename(id, o)
	}
	for id, o := range f.info.Defs {
		if v, ok := o.(*types.Var); !ok || !v.Embedded() { // the name of its type is a use
			rename(id, o)
		}
	}
	sort.Slice(f.edits, func(i, j int) bool { return f.edits[i].start < f.edits[j].start })
}

// callIt is what an identifier becomes.
func (f *plainFile) callIt(id *ast.Ident, o types.Object, selected bool) string {
	if p, ok := o.(*types.PkgName); ok {
		name := strings.TrimPrefix(id.Name, oldMark)
		delete(f.dotted, p.Imported().Path())
		return f.mark(p.Imported().Path(), name)
	}
	if y := f.oldSymbols[o]; y != nil {
		return f.names[y.object]
	}
	if !isCell(o.Pkg()) {
		if what, ok := standIn(o); ok && what != rtName+".Sleep" {
			f.result.Ends = strings.TrimPrefix(o.Pkg().Name()+"."+o.Name(), "/")
		}
		if o.Pkg() != nil && !selected && o.Parent() == o.Pkg().Scope() { // dot import
			if f.imports[o.Pkg().Path()] == "" {
				f.dotted[o.Pkg().Path()] = true
			}
			return f.packageName(o.Pkg()) + "." + id.Name
		}
		return id.Name
	}
	if v, ok := o.(*types.Var); ok && v.Embedded() {
		return f.member(v, id.Name)
	}
	if name := f.names[o]; name != "" {
		return name
	}
	return id.Name
}

// member is the name of a field: an embedded one is called like its type.
func (f *plainFile) member(o types.Object, name string) string {
	v, ok := o.(*types.Var)
	if !ok || !v.Embedded() {
		return name
	}
	t := v.Type()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if named, ok := t.(*types.Named); ok && f.names[named.Obj()] != "" {
		return f.names[named.Obj()]
	}
	return name
}

var positions = regexp.MustCompile(`^/\*line In\[\d+\]:\d+:\d+\*/$`)

// plainText is a part of the check file with the program's names.
func (f *plainFile) plainText(start, end int) string {
	var b strings.Builder
	last := start
	i := sort.Search(len(f.edits), func(i int) bool { return f.edits[i].start >= start })
	for ; i < len(f.edits) && f.edits[i].start < end; i++ {
		e := f.edits[i]
		b.WriteString(f.file.source[last:e.start])
		b.WriteString(e.text)
		last = e.end
	}
	b.WriteString(f.file.source[last:end])
	_, text := scanComments(b.String(), positions.MatchString) // in a string it is the user's
	return strings.TrimSpace(text)
}
