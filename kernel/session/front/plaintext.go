package front

import (
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// displayPath is the package that shows the value of a cell's last expression.
const displayPath = "fovea/kernel/display"

// A plainFile is the text of one cell in the making.
type plainFile struct {
	*Plain
	*lowering
	source  string
	result  PlainFile
	version map[string]bool       // names that have a new meaning from here on
	carried map[string]*migration // variables that get a new type
	fresh   []types.Object        // what the package gets from this cell
	imports map[string]string     // path to the mark that stands for its name
	own     map[string]string     // path to the name that the cell calls it by
	dotted  map[string]bool       // paths whose name the cell does not write itself, somewhere in a function
	blank   []string              // paths that are imported for their effect
	edits   []edit
	printer *typePrinter
	before  map[[2]int]string // comments before a chunk, by its place
	after   map[[2]int]string // the comment at its end
	tail    string            // comments at the end
}

// Names of packages are settled when all names of the program are known: until then a mark stands for each.
func (f *plainFile) packageName(p *types.Package) string { return f.mark(p.Path(), p.Name()) }

func (f *plainFile) mark(path, name string) string {
	m, ok := f.imports[path]
	if !ok {
		m = fmt.Sprintf("%sp%d_", ownMark, len(f.imports))
		f.imports[path] = m
		if f.own == nil {
			f.own = map[string]string{}
		}
		f.own[path] = name
	}
	return m
}

// write makes the declarations and the body.
func (f *plainFile) write() {
	f.collectEdits()
	var storage, declarations, body strings.Builder
	for _, o := range f.fresh {
		if v, ok := o.(*types.Var); ok {
			fmt.Fprintf(&storage, "%s %s\n", f.names[o], f.printer.str(v.Type()))
		}
	}
	f.carryOver(&declarations, &body)
	for _, c := range f.body {
		if c.kind == isFunc && slices.Contains(c.names, "init") {
			fmt.Fprintf(&body, "%s()\n", f.names[f.pkg.Scope().Lookup("init")])
		}
	}
	said := map[*chunk]bool{}
	for i, p := range f.file.pieces {
		if f.kept(p.chunk) {
			continue
		}
		place := [2]int{p.chunk.line, p.chunk.column}
		text, to := "", &body
		switch p.role {
		case declaration:
			text, to = f.plainText(p.start, p.end), &declarations
		case variable:
			text = f.variableValues(p)
			if text == "" {
				to = &declarations // it is only declared; what is said of it goes there
			}
		case assignment:
			var left []string
			for _, n := range p.names {
				left = append(left, f.variableName(n))
			}
			text = strings.Join(left, ", ") + " = " + f.plainText(p.start, p.end)
		case statement:
			text = f.plainText(p.start, p.end)
		case value:
			text = f.showValue(p)
		}
		ofCell := p.chunk.number == f.result.Number && !slices.Contains(f.pulled, p.chunk)
		if ofCell && !said[p.chunk] {
			to.WriteString(f.before[place])
		}
		said[p.chunk] = true
		to.WriteString(text)
		if last := i+1 == len(f.file.pieces) || f.file.pieces[i+1].chunk != p.chunk; ofCell && last && f.after[place] != "" {
			to.WriteString(" " + f.after[place])
		}
		if text != "" || ofCell {
			to.WriteString("\n")
		}
		if p.role == declaration {
			to.WriteString("\n")
		}
	}
	body.WriteString(f.tail)
	switch variables := storage.String(); strings.Count(variables, "\n") {
	case 0:
		f.result.Declarations = declarations.String()
	case 1:
		f.result.Declarations = "var " + variables + "\n" + declarations.String()
	default:
		f.result.Declarations = "var (\n" + variables + ")\n\n" + declarations.String()
	}
	f.result.Body = body.String()
}

// variableName is a variable of this cell by its name in the program.
func (f *plainFile) variableName(name string) string {
	if name == "_" {
		return name
	}
	return f.names[f.pkg.Scope().Lookup(name)]
}

// variableValues assigns what a var declaration says. Without values there is nothing to do for a new variable.
func (f *plainFile) variableValues(p *piece) string {
	var lines []string
	ast.Inspect(f.file.ast, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || f.file.offset(spec.Pos()) < p.start || f.file.offset(spec.End()) > p.end {
			return true
		}
		var left []string
		for _, id := range spec.Names {
			left = append(left, f.variableName(id.Name))
		}
		if len(spec.Values) > 0 {
			first, last := spec.Values[0], spec.Values[len(spec.Values)-1]
			text := f.plainText(f.file.offset(first.Pos()), f.file.offset(last.End()))
			if spec.Type != nil && !slices.ContainsFunc(left, func(n string) bool { return n != "_" }) {
				// var _ T = v says that v is a T.
				text = fmt.Sprintf("%s(%s)", f.printer.str(f.info.Types[spec.Type].Type), text)
			}
			lines = append(lines, strings.Join(left, ", ")+" = "+text)
			return false
		}
		for i, id := range spec.Names {
			if id.Name != "_" && f.reuse[id.Name] != nil {
				lines = append(lines, fmt.Sprintf("%s = *new(%s)", left[i], f.printer.str(f.info.Defs[id].Type())))
			}
		}
		return false
	})
	return strings.Join(lines, "\n")
}

// showValue shows the last expression where the kernel would.
func (f *plainFile) showValue(p *piece) string {
	text := f.plainText(p.start, p.end)
	r := &rewriter{lowering: f.lowering}
	e := r.lastExpr(p)
	tv := f.info.Types[e]
	call, isCall := ast.Unparen(e).(*ast.CallExpr)
	if isCall {
		if fun := f.info.Types[call.Fun]; fun.IsType() || fun.IsBuiltin() {
			isCall = false
		}
	}
	results, _ := tv.Type.(*types.Tuple)
	show := f.mark(displayPath, "display") + ".Show"
	switch {
	case tv.IsVoid(), f.quiet && isCall:
		return text
	case f.quiet:
		return "_ = " + text
	case r.forEffect(call, isCall, tv) && results == nil:
		return fmt.Sprintf("if err := %s; err != nil {\n%s(err)\n}", text, show)
	case r.forEffect(call, isCall, tv):
		return text // fmt.Println and its like: a program does not look at their errors
	case results != nil:
		return fmt.Sprintf("%s(%sAll(%s))", show, strings.TrimSuffix(show, "Show")+"BundleOf", text)
	default:
		return fmt.Sprintf("%s(%s)", show, text)
	}
}

// carryOver gives variables of a type with a new version their values.
func (f *plainFile) carryOver(declarations, body *strings.Builder) {
	m := &mover{rewriter: &rewriter{lowering: f.lowering, printer: f.printer}, names: map[typePair]string{}, changed: map[string]string{}, member: f.member}
	for _, n := range slices.Sorted(maps.Keys(f.carried)) {
		s := f.carried[n].symbol
		v, ok := f.pkg.Scope().Lookup(n).(*types.Var)
		if !ok || f.reuse[n] != nil {
			continue
		}
		from, to := f.names[s.object], f.names[v]
		switch {
		case types.ConvertibleTo(s.object.Type(), v.Type()):
			fmt.Fprintf(body, "%s = %s(%s)\n", to, parenthesised(f.printer.str(v.Type())), from)
		case sameLayout(s.object.Type(), v.Type(), map[typePair]bool{}):
			fmt.Fprintf(body, "%s = *(*%s)(%s.Pointer(&%s))\n", to, f.printer.str(v.Type()), f.packageName(types.Unsafe), from)
		default:
			m.copyOver(to, from, s.object.Type(), v.Type())
		}
	}
	if len(m.names) == 0 {
		return
	}
	var d, b strings.Builder
	m.finish(&d, &b)
	// The mover writes for the kernel's marked names.
	plain := strings.NewReplacer(moveName, f.Unused(fmt.Sprintf("move%d_", f.result.Number)), seenName, f.Unused(fmt.Sprintf("moved%d", f.result.Number)),
		unsafeID, f.packageName(types.Unsafe), userMark, "")
	declarations.WriteString(plain.Replace(d.String()) + "\n")
	body.WriteString(plain.Replace(b.String()))
}

func parenthesised(t string) string {
	if strings.HasPrefix(t, "*") || strings.HasPrefix(t, "<-") || strings.HasPrefix(t, "func") || strings.HasPrefix(t, "chan") {
		return "(" + t + ")"
	}
	return t
}

// finish settles the names of packages: a name of the program, and a word of the notebook, stay what they are.
func (f *plainFile) finish() PlainFile {
	r := f.result
	taken := map[string]bool{}
	var replace []string
	r.Imports, r.Paths = nil, nil
	for _, path := range slices.Sorted(maps.Keys(f.imports)) {
		mark, own := f.imports[path], f.own[path]
		if !strings.Contains(r.Declarations+r.Body, mark) {
			continue // it was only looked at
		}
		name := own
		for i := 0; f.used[name] || taken[name] || (name != own || f.dotted[path]) && f.words[name]; i++ {
			name = own + "pkg"
			if i > 0 {
				name += strconv.Itoa(i + 1)
			}
		}
		taken[name] = true
		replace = append(replace, mark, name)
		spec := strconv.Quote(path)
		if real, ok := f.state.packages.Name(path); path != "unsafe" && (!ok || real != name) {
			spec = name + " " + spec
		}
		r.Imports, r.Paths = append(r.Imports, spec), append(r.Paths, path)
	}
	for _, path := range f.blank {
		r.Imports, r.Paths = append(r.Imports, "_ "+strconv.Quote(path)), append(r.Paths, path)
	}
	names := strings.NewReplacer(replace...)
	r.Declarations, r.Body = names.Replace(r.Declarations), names.Replace(r.Body)
	return r
}
