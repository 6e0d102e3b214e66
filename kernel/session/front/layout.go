package front

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// What becomes of a piece of the check file in the cell's package.
type role int

const (
	declaration role = iota // stays at package level
	variable                // var: storage at package level, the values assigned in the run function
	assignment              // := with new names: the same
	statement               // in the run function
	value                   // the last expression, in the run function, shown
)

// A piece is a part of the check file that goes into the cell's package.
type piece struct {
	role       role
	chunk      *chunk
	start, end int      // in the check file
	names      []string // assignment: the left side
}

// A checkFile is the cell as the checker sees it. Comments in it give each piece its position in the cell.
type checkFile struct {
	text   strings.Builder
	source string // when done
	pieces []*piece
	ast    *ast.File
	file   *token.File
}

func (f *checkFile) offset(p token.Pos) int { return f.file.Offset(p) }

// pieceAt returns the piece that holds an offset, nil for the parts that are made up.
func (f *checkFile) pieceAt(offset int) *piece {
	for _, p := range f.pieces {
		if p.start <= offset && offset < p.end {
			return p
		}
	}
	return nil
}

func (f *checkFile) add(r role, c *chunk, before, text string, names []string) {
	f.text.WriteString(before)
	p := &piece{role: r, chunk: c, start: f.text.Len(), names: names}
	f.text.WriteString(text)
	p.end = f.text.Len()
	f.text.WriteString("\n")
	f.pieces = append(f.pieces, p)
}

// oldName is what a new variable's expression calls the live name that the variable hides, as in x := x + 1.
func oldName(name string) string { return oldMark + name }

// layOut writes the check file.
func (l *lowering) layOut() error {
	f := &checkFile{}
	l.file, l.old, l.guessed = f, map[string]bool{}, nil
	var body checkFile // after the imports, which it may add to
	extra := l.printMoved()
	for _, c := range l.pulled {
		body.add(declaration, c, "", c.directive(0)+c.text, nil)
	}
	for _, m := range l.moved {
		fmt.Fprintf(&body.text, "var %s %s\n", m.symbol.name, m.typ)
	}
	var run []*piece // their text is written after all declarations
	var texts []string
	declared := map[string]bool{} // variables of this cell so far
	for i, c := range l.body {
		if c.kind != isStatement {
			r := declaration
			if c.kind == isVar {
				r = variable
				for _, n := range c.names {
					declared[n] = true
				}
			}
			body.add(r, c, "", c.directive(0)+c.text, nil)
			continue
		}
		parsed, base, err := c.parse()
		if err != nil {
			return err
		}
		list := statements(parsed)
		for j, s := range list {
			from, to := int(s.Pos()-base), int(s.End()-base)
			p := &piece{role: statement, chunk: c}
			text := c.directive(from) + c.text[from:to]
			if a, ok := s.(*ast.AssignStmt); ok && a.Tok == token.DEFINE {
				fresh, left, names := l.leftSide(c, base, a, declared)
				right := l.rightSide(c, base, a, fresh)
				if len(fresh) > 0 {
					body.add(assignment, c, "var "+left+" = ", right, names)
					// The run function's pieces and these stay in the order of the cell.
					continue
				}
				text = c.directive(from) + strings.Join(names, ", ") + " = " + right
			}
			if _, ok := s.(*ast.ExprStmt); ok && i == len(l.body)-1 && j == len(list)-1 {
				p.role = value
			}
			body.pieces = append(body.pieces, p)
			run, texts = append(run, p), append(texts, text)
		}
	}
	fmt.Fprintf(&body.text, "func %s() {\n", runName)
	for i, p := range run {
		p.start = body.text.Len()
		body.text.WriteString(texts[i])
		p.end = body.text.Len()
		body.text.WriteString("\n")
	}
	body.text.WriteString("}\n")

	l.writeImports(f, extra)
	shift := f.text.Len()
	f.text.WriteString(body.text.String())
	f.pieces = body.pieces
	for _, p := range f.pieces {
		p.start += shift
		p.end += shift
	}
	f.source = f.text.String()
	return nil
}

// leftSide returns the names of a := that are new in this cell, and the left side for a var declaration in which
// the others are blank.
func (l *lowering) leftSide(c *chunk, base token.Pos, a *ast.AssignStmt, declared map[string]bool) (fresh map[string]bool, text string, names []string) {
	fresh = map[string]bool{}
	var parts []string
	for _, e := range a.Lhs {
		id := e.(*ast.Ident) // the parser accepts nothing else
		names = append(names, id.Name)
		part := "_"
		if id.Name != "_" && !declared[id.Name] {
			part = id.Name
			fresh[part], declared[part] = true, true
		}
		parts = append(parts, c.directive(int(id.Pos()-base))+part)
	}
	return fresh, strings.Join(parts, ", "), names
}

// rightSide returns the values of a :=. Where they use a live name or a package that a new variable hides, they get it
// under another name: at package level, where the checker sees the variable, the name would mean the variable.
func (l *lowering) rightSide(c *chunk, base token.Pos, a *ast.AssignStmt, fresh map[string]bool) string {
	hidden := map[string]bool{}
	for n := range fresh {
		if y := l.live[n]; y != nil && !l.gone[n] && canAlias(y.object) || l.newImports[n] != "" {
			hidden[n] = true
		}
	}
	from, to := int(a.Rhs[0].Pos()-base), int(a.End()-base)
	var b strings.Builder
	b.WriteString(c.directive(from))
	for _, e := range a.Rhs {
		for _, id := range outerUses(e, hidden) {
			at := int(id.Pos() - base)
			b.WriteString(c.text[from:at])
			b.WriteString(oldName(id.Name) + c.directive(at+len(id.Name)))
			from = at + len(id.Name)
			l.old[id.Name] = true
		}
	}
	b.WriteString(c.text[from:to])
	return b.String()
}

// canAlias reports whether a second object can stand for o.
func canAlias(o types.Object) bool {
	switch o.(type) {
	case *types.Var, *types.Func, *types.Const:
		return true
	}
	return false
}

// printMoved writes the types of carried variables and returns the imports that they need, by name.
func (l *lowering) printMoved() map[string]string {
	names := map[string]string{} // by path
	printer := &typePrinter{
		pkg: func(p *types.Package) string {
			if names[p.Path()] == "" {
				names[p.Path()] = fmt.Sprintf("%sm%d", ownMark, len(names))
			}
			return names[p.Path()]
		},
		cell:  func(o *types.TypeName) string { return o.Name() },
		field: func(name string) string { return name },
	}
	for _, m := range l.moved {
		m.typ = printer.str(m.symbol.object.Type())
	}
	imports := map[string]string{}
	for path, name := range names {
		imports[name] = path
	}
	return imports
}

func (l *lowering) writeImports(f *checkFile, extra map[string]string) {
	imports := l.usedImports()
	maps.Copy(imports, extra)
	for n := range l.old {
		if path := l.newImports[n]; path != "" {
			imports[oldName(n)] = path
		}
	}
	f.text.WriteString("package main\n")
	for _, name := range slices.Sorted(maps.Keys(imports)) {
		fmt.Fprintf(&f.text, "import %s %q\n", name, imports[name])
	}
	for _, path := range slices.Sorted(maps.Keys(l.newDots)) {
		fmt.Fprintf(&f.text, "import . %q\n", path)
	}
}
