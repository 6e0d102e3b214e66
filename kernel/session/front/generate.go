package front

import (
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// Import paths of the packages that generated code uses; see package host.
const (
	rtPath    = "fovea/kernel/worker/rt"
	trampPath = "fovea/kernel/worker/tramp"
)

// generate writes the cell's package.
func (l *lowering) generate() error {
	r := newRewriter(l)
	var storage, body strings.Builder
	if err := r.storage(&storage); err != nil {
		return err
	}
	var declarations strings.Builder
	r.carryOver(&declarations, &body)
	for _, c := range l.body {
		if c.kind == isFunc && slices.Contains(c.names, "init") {
			fmt.Fprintf(&body, "%s()\n", exported("init"))
		}
		if c.kind == isFunc && slices.Contains(c.names, "main") {
			l.note("main is defined; it runs when it is called")
		}
	}
	for _, p := range l.file.pieces {
		switch p.role {
		case declaration:
			declarations.WriteString(r.text(p.start, p.end) + "\n")
		case variable:
			r.variables(&body, p)
		case assignment:
			var left []string
			for _, n := range p.names {
				left = append(left, r.varRef(n))
			}
			fmt.Fprintf(&body, "%s = %s\n", strings.Join(left, ", "), r.text(p.start, p.end))
		case statement:
			body.WriteString(r.text(p.start, p.end) + "\n")
		case value:
			r.value(&body, p)
		}
	}
	if r.printer.bad != "" {
		return &Error{[]Problem{{Message: fmt.Sprintf("a type %s cannot be named outside its package", r.printer.bad)}}}
	}
	keep := r.keep()

	var code strings.Builder
	code.WriteString(storage.String())
	code.WriteString(declarations.String())
	fmt.Fprintf(&code, "func %s() {\n%s}\n//line kernel:1:1\nfunc init() { ", runName, body.String())
	imports := map[string]string{rtName: rtPath} // name to path
	if _, ok := l.packages.Name(trampPath); ok {
		imports[trampPkg] = trampPath
		fmt.Fprintf(&code, "%s.Keep(); ", trampPkg)
	}
	fmt.Fprintf(&code, "%s.Register(%d, %s, %s) }\nfunc %s() {\n%s}\n", rtName, l.id, runName, keepName, keepName, keep)
	imports[unsafeID] = "unsafe" // for variables that were carried over
	for path, name := range r.imports {
		imports[name] = path
	}
	for id := range r.cells {
		imports[r.cellName(id)] = fmt.Sprintf("cell/c%d", id)
	}
	var g strings.Builder
	fmt.Fprintf(&g, "package %s\n", cellPackage)
	for _, name := range slices.Sorted(maps.Keys(imports)) {
		// Some text is rewritten but not used, as in var _ T. A position may stand between a name and its dot.
		if strings.Contains(code.String(), name+".") || strings.Contains(code.String(), name+"/*") {
			fmt.Fprintf(&g, "import %s %q\n", name, imports[name])
		}
	}
	g.WriteString(code.String())

	for _, g := range l.guessed {
		l.note("%s is taken for the package %s; import another to change that", g.name, g.path)
		l.newImports[g.name] = g.path
	}
	l.program = &Program{Source: g.String(), Cells: l.cells, Notes: l.notes, Empty: len(l.file.pieces) == 0, commit: l.commitNames}
	return nil
}

// varRef refers to a variable of the cell by name.
func (r *rewriter) varRef(name string) string {
	if name == "_" {
		return name
	}
	s, _ := r.ref(r.pkg.Scope().Lookup(name))
	return s
}

// storage declares the variables that get new storage.
func (r *rewriter) storage(w *strings.Builder) error {
	for _, n := range r.pkg.Scope().Names() {
		v, ok := r.pkg.Scope().Lookup(n).(*types.Var)
		if !ok || v.Pkg() != r.pkg || r.reuse[n] != nil {
			continue
		}
		t := r.printer.str(v.Type())
		if bad := r.printer.bad; bad != "" {
			return failure(r.fset.Position(v.Pos()), "%s would have the type %s, which cannot be named outside its package: keep it in an interface variable (var %s any = …)", n, bad, n)
		}
		fmt.Fprintf(w, "var %s %s\n", exported(n), t)
	}
	return nil
}

// carryOver moves variables to the new generation of their type, at the start of the cell.
func (r *rewriter) carryOver(declarations, w *strings.Builder) {
	copies := &mover{rewriter: r, names: map[typePair]string{}, changed: map[string]string{}}
	for _, m := range r.moved {
		name := m.symbol.name
		v := r.pkg.Scope().Lookup(name).(*types.Var)
		if r.reuse[name] != nil {
			continue
		}
		if !sameLayout(m.symbol.object.Type(), v.Type(), map[typePair]bool{}) {
			if copies.copyOver(exported(name), r.cellName(m.symbol.cell)+"."+exported(name), m.symbol.object.Type(), v.Type()) {
				r.note("%s is copied to the new version of its type", name)
			} else {
				r.note("%s is reset: its type has changed, and the old value does not fit", name)
			}
			continue
		}
		fmt.Fprintf(w, "%s = *(*%s)(%s.Pointer(&%s.%s))\n", exported(name), r.printer.str(v.Type()), unsafeID, r.cellName(m.symbol.cell), exported(name))
		r.note("%s has moved to the new version of its type", name)
	}
	copies.finish(declarations, w)
}

// variables assigns what a var declaration says, in the order of the cell.
func (r *rewriter) variables(w *strings.Builder, p *piece) {
	ast.Inspect(r.file.ast, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || r.file.offset(spec.Pos()) < p.start || r.file.offset(spec.End()) > p.end {
			return true
		}
		var left []string
		for _, id := range spec.Names {
			left = append(left, r.varRef(id.Name))
		}
		if len(spec.Values) > 0 {
			first, last := spec.Values[0], spec.Values[len(spec.Values)-1]
			at := r.fset.Position(first.Pos())
			fmt.Fprintf(w, "%s = %s%s\n", strings.Join(left, ", "), lineDirective(p.chunk.number, at.Line, at.Column), r.text(r.file.offset(first.Pos()), r.file.offset(last.End())))
			return false
		}
		for i, id := range spec.Names {
			if id.Name != "_" {
				fmt.Fprintf(w, "%s = *new(%s)\n", left[i], r.printer.str(r.info.Defs[id].Type()))
			}
		}
		return false
	})
}

// value shows the last expression when it has a value that is worth it.
func (r *rewriter) value(w *strings.Builder, p *piece) {
	text := r.text(p.start, p.end)
	e := r.lastExpr(p)
	tv := r.info.Types[e]
	call, isCall := ast.Unparen(e).(*ast.CallExpr)
	if isCall {
		if f := r.info.Types[call.Fun]; f.IsType() || f.IsBuiltin() {
			isCall = false // alone it is no statement
		}
	}
	_, isReceive := ast.Unparen(e).(*ast.UnaryExpr) // a receive is a statement, but _ = <-c does as well
	switch {
	case tv.IsVoid():
		fmt.Fprintf(w, "%s\n", text)
	case r.quiet && isCall && !isReceive:
		fmt.Fprintf(w, "%s\n", text)
	case r.quiet:
		fmt.Fprintf(w, "_ = %s\n", text)
	case r.forEffect(call, isCall, tv):
		fmt.Fprintf(w, "%s.ShowError(%s)\n", rtName, text)
	default:
		fmt.Fprintf(w, "%s.Show(%s)\n", rtName, text)
	}
}

// lastExpr is the expression of a value piece.
func (r *rewriter) lastExpr(p *piece) (e ast.Expr) {
	for _, d := range r.file.ast.Decls {
		f, ok := d.(*ast.FuncDecl)
		if ok && f.Name.Name == runName && len(f.Body.List) > 0 {
			e = f.Body.List[len(f.Body.List)-1].(*ast.ExprStmt).X // the value piece is the last one
		}
	}
	return e
}

// forEffect reports whether only an error among the results is worth showing.
func (r *rewriter) forEffect(call *ast.CallExpr, isCall bool, tv types.TypeAndValue) bool {
	isError := func(t types.Type) bool { return types.Identical(t, types.Universe.Lookup("error").Type()) }
	if isError(tv.Type) {
		return true
	}
	results, ok := tv.Type.(*types.Tuple)
	if !ok || !isCall || results.Len() != 2 || !isError(results.At(1).Type()) {
		return false
	}
	// n, err of what writes: nobody wants to see n.
	if b, ok := results.At(0).Type().(*types.Basic); !ok || b.Info()&types.IsInteger == 0 {
		return false
	}
	var name string
	switch f := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	for _, prefix := range []string{"Print", "Fprint", "Write", "ReadFrom", "Copy"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// keep lists all that later cells may use: the linker drops what nothing refers to, and the worker finds values by it.
func (r *rewriter) keep() string {
	var b strings.Builder
	for _, n := range r.pkg.Scope().Names() {
		o := r.pkg.Scope().Lookup(n)
		if o.Pkg() != r.pkg || strings.HasPrefix(n, ownMark) {
			continue
		}
		switch o := o.(type) {
		case *types.Var:
			if r.reuse[n] == nil {
				fmt.Fprintf(&b, "%s.Variable(%q, &%s)\n", rtName, n, exported(n))
			}
		case *types.Func:
			if o.Signature().TypeParams().Len() == 0 {
				fmt.Fprintf(&b, "%s.Sink(%s)\n", rtName, exported(n))
			}
		case *types.TypeName:
			t, ok := o.Type().(*types.Named)
			if ok && !o.IsAlias() && t.TypeParams().Len() == 0 && !types.IsInterface(t) {
				fmt.Fprintf(&b, "%s.Type((*%s)(nil))\n", rtName, exported(n))
			}
		}
	}
	return b.String()
}
