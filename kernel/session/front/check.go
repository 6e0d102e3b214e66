package front

import (
	"go/ast"
	"go/parser"
	"go/types"
	"sort"
	"strings"
)

// goVersion is the language that cells are written in.
const goVersion = "go1.26"

// check type-checks the check file against the live names.
func (l *lowering) check() error {
	file, err := parser.ParseFile(l.fset, "cell", l.file.source, parser.SkipObjectResolution)
	if err != nil {
		return syntaxError(err)
	}
	l.file.ast, l.file.file = file, l.fset.File(file.FileStart)
	l.pkg = types.NewPackage(cellPackage, "main")
	l.oldSymbols = map[types.Object]*symbol{}
	for n, y := range l.live {
		if l.declared[n] == nil && !l.gone[n] {
			l.pkg.Scope().Insert(y.object)
		}
		if l.old[n] && l.newImports[n] == "" {
			o := alias(y.object, oldName(n))
			l.pkg.Scope().Insert(o)
			l.oldSymbols[o] = y
		}
	}
	l.info = &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{},
		Instances: map[*ast.Ident]types.Instance{}}
	var e Error
	config := types.Config{Importer: l.importer, GoVersion: goVersion, Sizes: types.SizesFor("gc", "amd64"), Error: func(err error) {
		te, ok := err.(types.Error)
		if ok && !l.ignored(te) && len(e.Problems) < maxProblems {
			te.Msg = l.explainUndefined(te.Msg)
			e.Problems = append(e.Problems, typeProblem(l.fset, te))
		}
	}}
	types.NewChecker(&config, l.fset, l.pkg, l.info).Files([]*ast.File{file}) // reports through config.Error
	if e.Problems == nil {
		e.Problems = l.usedTooEarly()
	}
	if e.Problems != nil {
		// The checker goes by declarations first; the user reads from the top.
		sort.SliceStable(e.Problems, func(i, j int) bool {
			a, b := e.Problems[i], e.Problems[j]
			return a.Cell == b.Cell && (a.Line < b.Line || a.Line == b.Line && a.Column < b.Column)
		})
		return &e
	}
	return nil
}

// ignored reports whether an error of the check file is none in the cell.
func (l *lowering) ignored(err types.Error) bool {
	switch {
	case strings.Contains(err.Msg, "imported and not used"):
		return true // imports hold for later cells
	case strings.Contains(err.Msg, "initialization cycle"), strings.HasPrefix(err.Msg, "\t"):
		return true // variables get their values in the order of the statements
	case strings.Contains(err.Msg, "implicit assignment to unexported field"):
		return true // of another cell; for other packages' the compiler says it
	case strings.Contains(err.Msg, "is not used"):
		p := l.file.pieceAt(l.file.offset(err.Pos))
		return p != nil && p.role == value // it is shown
	}
	return false
}

// alias returns an object of another name that has o's type.
func alias(o types.Object, name string) types.Object {
	if c, ok := o.(*types.Const); ok {
		return types.NewConst(c.Pos(), c.Pkg(), name, c.Type(), c.Val())
	}
	return types.NewVar(o.Pos(), o.Pkg(), name, o.Type())
}

// usedTooEarly finds variables that a statement uses before the cell declares them. The checker does not see it, since
// they are at package level there. A variable that was live before with the same type is fine: it keeps its value.
func (l *lowering) usedTooEarly() (problems []Problem) {
	declaredBy := map[types.Object]int{}
	moved := map[string]bool{}
	for _, m := range l.moved {
		moved[m.symbol.name] = true
	}
	for id, o := range l.info.Defs {
		if v, ok := o.(*types.Var); ok && v.Parent() == l.pkg.Scope() && !moved[id.Name] {
			for i, p := range l.file.pieces {
				at := l.file.offset(id.Pos())
				// The left side of an assignment stands before its piece.
				if (p.role == variable || p.role == assignment) && at < p.end && (i == 0 || at >= l.previousEnd(i)) {
					declaredBy[o] = i
					break
				}
			}
		}
	}
	index := map[*piece]int{}
	for i, p := range l.file.pieces {
		index[p] = i
	}
	for id, o := range l.info.Uses {
		declared, ok := declaredBy[o]
		p := l.file.pieceAt(l.file.offset(id.Pos()))
		if !ok || p == nil || p.role == declaration || index[p] >= declared {
			continue
		}
		if y := l.live[id.Name]; y != nil && types.Identical(y.object.Type(), o.Type()) {
			continue
		}
		if len(problems) < maxProblems {
			problems = append(problems, problem(l.fset.Position(id.Pos()), "undefined: "+id.Name+" (this cell declares it further down)"))
		}
	}
	return problems
}

// previousEnd is where the text of piece i begins in the check file: at the end of the last package-level piece before.
func (l *lowering) previousEnd(i int) int {
	for j := i - 1; j >= 0; j-- {
		if r := l.file.pieces[j].role; r != statement && r != value {
			return l.file.pieces[j].end
		}
	}
	return 0
}

// findReused finds the variables that keep their storage: declared again with the type that they have. One that gets
// another type asks for one more round, in which its users are compiled again.
func (l *lowering) findReused() error {
	l.reuse = map[string]*symbol{}
	isMoved := map[string]bool{}
	for _, m := range l.moved {
		isMoved[m.symbol.name] = true
	}
	for n := range l.declared {
		y := l.live[n]
		if y == nil {
			continue
		}
		newVar, isVar := l.pkg.Scope().Lookup(n).(*types.Var)
		oldVar, wasVar := y.object.(*types.Var)
		switch {
		case l.gone[n]:
		case isVar && wasVar && types.Identical(oldVar.Type(), newVar.Type()):
			l.reuse[n] = y
		case (isVar || wasVar) && !l.changed[n] && !isMoved[n]:
			l.retyped[n], l.again = true, true
		}
	}
	return nil
}
