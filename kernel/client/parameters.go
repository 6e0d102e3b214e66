package client

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// A Parameter sets a variable of the notebook's cell that is tagged "parameters".
type Parameter struct{ Name, Value string }

// ParseParameter reads "name=value".
func ParseParameter(s string) (Parameter, error) {
	name, value, ok := strings.Cut(s, "=")
	name = strings.TrimSpace(name)
	if !ok || !token.IsIdentifier(name) {
		return Parameter{}, fmt.Errorf("parameter %q: write name=value, where name is a variable of the notebook, as in epochs=5", s)
	}
	return Parameter{Name: name, Value: strings.TrimSpace(value)}, nil
}

// Inject puts a cell of assignments behind the cell that is tagged "parameters", in place of one that was injected
// before. A parameter that the cell doesn't declare is an error.
//
// The values are Go expressions, as in plan=[]int{64, 128}; for a variable that is declared as text, the value needs no
// quotes.
func (nb *Notebook) Inject(parameters []Parameter) error {
	if len(parameters) == 0 {
		return nil
	}
	at := slices.IndexFunc(nb.Cells, func(c *Cell) bool { return c.Type == "code" && c.HasTag(TagParameters) })
	if at < 0 {
		return fmt.Errorf("%s takes no parameters: none of its code cells has the tag %q", nb.Path, TagParameters)
	}
	declared := declarations(nb.Cells[at].Source)
	var source strings.Builder
	source.WriteString("// Parameters\n")
	for _, p := range parameters {
		kind, ok := declared[p.Name]
		if !ok && declared != nil {
			return fmt.Errorf("%s has no parameter %s; it has %s", nb.Path, p.Name, listNames(declared))
		}
		value, err := goValue(p.Value, kind)
		if err != nil {
			return fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		fmt.Fprintf(&source, "%s = %s\n", p.Name, value)
	}
	cell := nb.newCell(strings.TrimSuffix(source.String(), "\n"), TagInjected)
	nb.Cells = slices.DeleteFunc(nb.Cells, func(c *Cell) bool { return c.HasTag(TagInjected) })
	at = slices.IndexFunc(nb.Cells, func(c *Cell) bool { return c.Type == "code" && c.HasTag(TagParameters) })
	nb.Cells = slices.Insert(nb.Cells, at+1, cell)
	return nil
}

// Kinds of declared variables.
type declaredKind int

const (
	kindUnknown declaredKind = iota
	kindText                 // declared with a string literal, or of type string
	kindOther
)

// declarations finds the variables that a cell declares at its top level; nil when its source can't be read that way.
func declarations(source string) map[string]declaredKind {
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p; func _() {\n"+source+"\n}", parser.SkipObjectResolution)
	if err != nil || len(file.Decls) == 0 {
		return nil
	}
	body, ok := file.Decls[0].(*ast.FuncDecl)
	if !ok || len(file.Decls) > 1 {
		return nil
	}
	found := map[string]declaredKind{}
	for _, statement := range body.Body.List {
		switch s := statement.(type) {
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				continue
			}
			for i, left := range s.Lhs {
				if name, ok := left.(*ast.Ident); ok && name.Name != "_" {
					found[name.Name] = kindOther
					if len(s.Rhs) == len(s.Lhs) {
						found[name.Name] = literalKind(s.Rhs[i])
					}
				}
			}
		case *ast.DeclStmt:
			declaration, ok := s.Decl.(*ast.GenDecl)
			if !ok || declaration.Tok != token.VAR {
				continue
			}
			for _, spec := range declaration.Specs {
				spec, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i, name := range spec.Names {
					found[name.Name] = kindOther
					if t, ok := spec.Type.(*ast.Ident); ok && t.Name == "string" {
						found[name.Name] = kindText
					} else if spec.Type == nil && i < len(spec.Values) {
						found[name.Name] = literalKind(spec.Values[i])
					}
				}
			}
		}
	}
	return found
}

func literalKind(e ast.Expr) declaredKind {
	if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
		return kindText
	}
	return kindOther
}

// goValue is a value from the command line as a Go expression.
func goValue(value string, kind declaredKind) (string, error) {
	expression, err := parser.ParseExpr(value)
	literal, isLiteral := expression.(*ast.BasicLit)
	isText := err == nil && isLiteral && literal.Kind == token.STRING
	switch {
	case isText:
		return value, nil
	case kind == kindText:
		return strconv.Quote(value), nil
	case kind == kindOther && (err != nil || strings.Contains(value, "\n")):
		return "", fmt.Errorf("%q is no Go expression", value)
	case kind == kindOther:
		return value, nil
	}
	// Nothing is known of the variable: numbers and the like are themselves, everything else is text.
	if err == nil {
		switch e := expression.(type) {
		case *ast.BasicLit, *ast.CompositeLit, *ast.UnaryExpr:
			return value, nil
		case *ast.Ident:
			if e.Name == "true" || e.Name == "false" || e.Name == "nil" {
				return value, nil
			}
		}
	}
	return strconv.Quote(value), nil
}

func listNames(declared map[string]declaredKind) string {
	if len(declared) == 0 {
		return "none"
	}
	var names []string
	for name := range declared {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
