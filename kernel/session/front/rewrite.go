package front

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"sort"
	"strings"
)

// An edit replaces part of the check file's text.
type edit struct {
	start, end int
	text       string
}

// A rewriter makes the text of the cell's package from that of the check file: names get their marks and the packages
// that hold them, loops a poll for interrupts, goroutines a guard.
type rewriter struct {
	*lowering
	edits   []edit
	imports map[string]string // path to name
	cells   map[int]bool      // cell packages that are used
	printer *typePrinter
	skip    map[*ast.Ident]bool // covered by an edit of what is around them
}

func newRewriter(l *lowering) *rewriter {
	r := &rewriter{lowering: l, imports: map[string]string{}, cells: map[int]bool{}, skip: map[*ast.Ident]bool{}}
	r.printer = &typePrinter{pkg: r.importName, cell: func(o *types.TypeName) string { s, _ := r.ref(o); return s }, field: exported, hide: true}
	l.deps = map[*chunk]map[string]bool{}
	r.collect()
	// At one place, what is put in comes before what is replaced.
	sort.SliceStable(r.edits, func(i, j int) bool {
		a, b := r.edits[i], r.edits[j]
		return a.start < b.start || a.start == b.start && a.end == a.start && b.end > b.start
	})
	return r
}

func (r *rewriter) importName(p *types.Package) string {
	name, ok := r.imports[p.Path()]
	if !ok {
		name = fmt.Sprintf("%sp%d", ownMark, len(r.imports))
		r.imports[p.Path()] = name
	}
	return name
}

func (r *rewriter) cellName(id int) string {
	r.cells[id] = true
	return fmt.Sprintf("%sc%d", ownMark, id)
}

// ref is how the cell's package refers to an object that a cell declares at its top level.
func (r *rewriter) ref(o types.Object) (string, bool) {
	if y := r.oldSymbols[o]; y != nil {
		return r.cellName(y.cell) + "." + exported(y.name), true
	}
	if o.Pkg() == r.pkg {
		if o.Parent() != r.pkg.Scope() {
			return "", false
		}
		if y := r.reuse[o.Name()]; y != nil {
			return r.cellName(y.cell) + "." + exported(o.Name()), true
		}
		return exported(o.Name()), true
	}
	id, ok := r.cellOf[o.Pkg()]
	if !ok || o.Parent() == nil {
		return "", false
	}
	if y := r.live[o.Name()]; y != nil && y.object == o {
		id = y.cell
	} else if o.Parent() != o.Pkg().Scope() {
		return "", false // declared within a function
	}
	return r.cellName(id) + "." + exported(o.Name()), true
}

func (r *rewriter) insert(at token.Pos, text string) {
	o := r.file.offset(at)
	r.edits = append(r.edits, edit{o, o, text})
}

func (r *rewriter) replace(from, to token.Pos, text string) {
	r.edits = append(r.edits, edit{r.file.offset(from), r.file.offset(to), text})
}

func (r *rewriter) collect() {
	selected := map[*ast.Ident]bool{}
	ast.Inspect(r.file.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ForStmt:
			r.insert(n.Body.Lbrace+1, rtName+".Poll();")
		case *ast.RangeStmt:
			r.insert(n.Body.Lbrace+1, rtName+".Poll();")
		case *ast.GoStmt:
			r.guard(n)
		case *ast.StructType:
			r.hideFields(n)
		case *ast.SelectorExpr:
			selected[n.Sel] = true
			if s, ok := standIn(r.info.Uses[n.Sel]); ok {
				r.replace(n.Pos(), n.End(), s)
				r.skip[n.Sel] = true
				if id, ok := n.X.(*ast.Ident); ok {
					r.skip[id] = true
				}
			}
		}
		return true
	})
	// In the order of the source, so that the same cell gives the same text.
	type use struct {
		id  *ast.Ident
		o   types.Object
		def bool
	}
	var uses []use
	for id, o := range r.info.Uses {
		uses = append(uses, use{id, o, false})
	}
	for id, o := range r.info.Defs {
		if v, ok := o.(*types.Var); ok && v.Embedded() {
			continue // the name of its type is a use
		}
		uses = append(uses, use{id, o, true})
	}
	sort.Slice(uses, func(i, j int) bool { return uses[i].id.Pos() < uses[j].id.Pos() })
	for _, u := range uses {
		if u.o != nil && u.id.Name != "_" && !r.skip[u.id] {
			r.rename(u.id, u.o, u.def, selected[u.id])
		}
	}
}

// rename rewrites one identifier.
func (r *rewriter) rename(id *ast.Ident, o types.Object, def, selected bool) {
	p := r.file.pieceAt(r.file.offset(id.Pos()))
	if p == nil {
		return
	}
	if pn, ok := o.(*types.PkgName); ok {
		r.replace(id.Pos(), id.End(), r.importName(pn.Imported()))
		return
	}
	if !isCell(o.Pkg()) {
		if o.Pkg() != nil && !selected && o.Parent() == o.Pkg().Scope() { // dot import
			if s, ok := standIn(o); ok {
				r.replace(id.Pos(), id.End(), s)
			} else {
				r.insert(id.Pos(), r.importName(o.Pkg())+".")
			}
		}
		return
	}
	if isMember(o) {
		if name := memberName(o, id.Name); name != id.Name {
			r.replace(id.Pos(), id.End(), name)
		}
		return
	}
	text, ok := r.ref(o)
	if !ok {
		return
	}
	if def {
		text = exported(id.Name)
	} else {
		if r.deps[p.chunk] == nil {
			r.deps[p.chunk] = map[string]bool{}
		}
		r.deps[p.chunk][o.Name()] = true
	}
	if text != id.Name {
		r.replace(id.Pos(), id.End(), text)
	}
}

func isMember(o types.Object) bool {
	switch o := o.(type) {
	case *types.Var:
		return o.IsField()
	case *types.Func:
		return o.Signature().Recv() != nil
	}
	return false
}

func memberName(o types.Object, name string) string {
	if v, ok := o.(*types.Var); ok && v.Embedded() {
		t := v.Type()
		if p, ok := t.(*types.Pointer); ok {
			t = p.Elem()
		}
		switch t := t.(type) {
		case *types.Basic:
			return name // an embedded int or error is called so
		case *types.Named:
			if t.Obj().Pkg() == nil {
				return name
			}
		}
	}
	return exported(name)
}

// standIn returns the function that cell code calls in place of one that would end or block the worker.
func standIn(o types.Object) (string, bool) {
	f, ok := o.(*types.Func)
	if !ok || f.Pkg() == nil || f.Signature().Recv() != nil {
		return "", false
	}
	switch f.Pkg().Path() + "." + f.Name() {
	case "time.Sleep", "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln":
		return rtName + "." + f.Name(), true
	}
	return "", false
}

// guard makes a goroutine report its panic.
func (r *rewriter) guard(g *ast.GoStmt) {
	f := ast.Unparen(g.Call.Fun)
	if lit, ok := f.(*ast.FuncLit); ok {
		r.insert(lit.Body.Lbrace+1, "defer "+rtName+".Recover();")
		return
	}
	if tv := r.info.Types[f]; tv.IsBuiltin() || tv.IsType() {
		return
	}
	var args string
	id, _ := f.(*ast.Ident)
	if s, ok := f.(*ast.SelectorExpr); ok {
		id = s.Sel
	}
	if id != nil {
		if inst, ok := r.info.Instances[id]; ok { // inferred: a function value needs them written
			args = "[" + r.printer.list(inst.TypeArgs) + "]"
			if r.printer.bad != "" {
				r.printer.bad = ""
				return
			}
		}
	}
	r.insert(g.Call.Fun.Pos(), rtName+".Guard(")
	r.insert(g.Call.Fun.End(), args+")")
}

// hideFields tags lower-case fields, which plain Go would hide from encoders.
func (r *rewriter) hideFields(s *ast.StructType) {
	for _, f := range s.Fields.List {
		if f.Tag != nil || len(f.Names) == 0 || slices.ContainsFunc(f.Names, func(id *ast.Ident) bool { return id.IsExported() || id.Name == "_" }) {
			continue
		}
		if r.file.pieceAt(r.file.offset(f.Pos())) != nil {
			r.insert(f.Type.End(), " `"+hideTag+"`")
		}
	}
}

// text returns a part of the check file, rewritten.
func (r *rewriter) text(start, end int) string {
	var b strings.Builder
	last := start
	i := sort.Search(len(r.edits), func(i int) bool { return r.edits[i].start >= start })
	for ; i < len(r.edits) && (r.edits[i].start < end || r.edits[i].start == end && r.edits[i].end == end && end > start); i++ {
		e := r.edits[i]
		if e.start < last {
			continue // within what was replaced
		}
		b.WriteString(r.file.source[last:e.start])
		b.WriteString(e.text)
		last = e.end
	}
	b.WriteString(r.file.source[last:end])
	return b.String()
}
