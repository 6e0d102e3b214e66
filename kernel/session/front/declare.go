package front

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
)

func lineDirective(number, line, column int) string {
	return fmt.Sprintf("/*line %s:%d:%d*/", FileName(number), line, column)
}

const functionHead = "package p; func _() {\n"

// parse reads a chunk as a file of its own. base is the position of the chunk's first byte.
func (c *chunk) parse() (f *ast.File, base token.Pos, err error) {
	head, tail := "package p\n", "\n"
	if c.kind == isStatement {
		head, tail = functionHead, "\n}\n"
	}
	head += c.directive(0)
	// Objects are resolved here, although deprecated, to tell local names from others without a type check.
	f, err = parser.ParseFile(token.NewFileSet(), "", head+c.text+tail, 0)
	if err != nil {
		return nil, 0, syntaxError(err)
	}
	return f, f.FileStart + token.Pos(len(head)), nil
}

// statements are those of a chunk that is one; there may be several when the parser saw an empty one.
func statements(f *ast.File) []ast.Stmt { return f.Decls[0].(*ast.FuncDecl).Body.List }

// declares fills in what the chunk declares.
func (c *chunk) declares() error {
	f, _, err := c.parse()
	if err != nil || len(f.Decls) == 0 {
		return err
	}
	if c.kind == isStatement {
		for _, s := range statements(f) {
			a, ok := s.(*ast.AssignStmt)
			if !ok || a.Tok != token.DEFINE {
				continue
			}
			for _, l := range a.Lhs {
				if id, ok := l.(*ast.Ident); ok && id.Name != "_" {
					c.names = append(c.names, id.Name)
				}
			}
		}
		return nil
	}
	switch d := f.Decls[0].(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			c.names = []string{d.Name.Name}
			return nil
		}
		c.receiver, c.method = receiverName(d), d.Name.Name
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				c.names = append(c.names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, id := range spec.Names {
					if id.Name != "_" {
						c.names = append(c.names, id.Name)
					}
				}
			}
		}
	}
	return nil
}

// receiverName is the name of the type that a method belongs to.
func receiverName(d *ast.FuncDecl) string {
	if len(d.Recv.List) == 0 {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.ParenExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// outerUses lists the identifiers in an expression that mean something outside it and have one of the names.
func outerUses(e ast.Node, names map[string]bool) []*ast.Ident {
	var uses []*ast.Ident
	skip := map[*ast.Ident]bool{}
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			skip[n.Sel] = true
		case *ast.CompositeLit:
			switch n.Type.(type) {
			case *ast.MapType, *ast.ArrayType:
			default: // keys are most likely fields
				for _, element := range n.Elts {
					if kv, ok := element.(*ast.KeyValueExpr); ok {
						if id, ok := kv.Key.(*ast.Ident); ok {
							skip[id] = true
						}
					}
				}
			}
		case *ast.Ident:
			if n.Obj == nil && names[n.Name] && !skip[n] {
				uses = append(uses, n)
			}
		}
		return true
	})
	return uses
}
