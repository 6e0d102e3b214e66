package fig

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestKindsAreListedAndDrawn checks that each exported function that draws is in the package documentation's table, and is
// drawn by one of the pictures that the other tests, and people, look at.
func TestKindsAreListedAndDrawn(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	doc, kinds, called := "", map[string]bool{}, map[string]bool{}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") && f.Name() != "kinds_test.go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name() == "fig.go" {
			_, doc, _ = strings.Cut(file.Doc.Text(), "# Kinds")
			doc, _, _ = strings.Cut(doc, "# Data")
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.IsExported() && n.Type.Results != nil && len(n.Type.Results.List) == 1 && f.Name() != "kinds_test.go" {
					if star, ok := n.Type.Results.List[0].Type.(*ast.StarExpr); ok && star.X.(*ast.Ident).Name == "Figure" {
						kinds[n.Name.Name] = true
					}
				}
			case *ast.CallExpr:
				if name, ok := n.Fun.(*ast.Ident); ok && f.Name() == "kinds_test.go" {
					called[name.Name] = true
				}
			}
			return true
		})
	}
	if len(kinds) < 25 {
		t.Fatalf("only %d kinds are found: the test looks in the wrong place", len(kinds))
	}
	listed := map[string]bool{}
	for _, word := range strings.FieldsFunc(doc, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' }) {
		listed[word] = true
	}
	for kind := range kinds {
		if !listed[kind] {
			t.Errorf("%s is not in the table of the package documentation", kind)
		}
		if !called[kind] {
			t.Errorf("%s is drawn in no picture of kinds_test.go", kind)
		}
	}
}
