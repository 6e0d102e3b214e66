package command

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fovea/kernel/session"
)

// A declaration of a cell, as it stands there: what %wasm makes a program of.
type declaration struct {
	text     string
	names    []string // what it declares; of a method: its type
	method   string   // of a method: its name
	isImport bool
	mentions map[string]bool // identifiers in it
}

// declarations finds those at the top level of a cell's Go.
func declarations(code string) (found []declaration) {
	list := tokens(code)
	depth, start := 0, 0
	for i, t := range list {
		switch t.tok {
		case token.LBRACE, token.LPAREN, token.LBRACK:
			depth++
		case token.RBRACE, token.RPAREN, token.RBRACK:
			depth--
		case token.SEMICOLON:
			if depth == 0 {
				found = append(found, declare(code, list[start:i])...)
				start = i + 1
			}
		}
	}
	return append(found, declare(code, list[start:])...)
}

// declare reads the declaration that some tokens are, if they are one.
func declare(code string, list []goToken) []declaration {
	if len(list) == 0 {
		return nil
	}
	switch list[0].tok {
	case token.FUNC, token.TYPE, token.VAR, token.CONST, token.IMPORT:
	default:
		return nil
	}
	last := list[len(list)-1]
	end := last.offset + max(len(last.text), 1)
	if last.tok.IsOperator() {
		end = last.offset + len(last.tok.String())
	}
	text := code[list[0].offset:end]
	const head = "package p;"
	file, err := parser.ParseFile(token.NewFileSet(), "", head+text, parser.SkipObjectResolution)
	if err != nil {
		return nil // a function literal that is called, and the like
	}
	cut := func(n ast.Node) string { return text[int(n.Pos())-1-len(head) : int(n.End())-1-len(head)] }
	var found []declaration
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			f := declaration{text: text, names: []string{d.Name.Name}, mentions: mentions(d)}
			if d.Recv != nil && len(d.Recv.List) == 1 {
				f.names, f.method = []string{receiver(d.Recv.List[0].Type)}, d.Name.Name
			}
			found = append(found, f)
		case *ast.GenDecl:
			if d.Tok == token.CONST { // iota counts the whole group
				all := declaration{text: text, mentions: mentions(d)}
				for _, s := range d.Specs {
					all.names = append(all.names, identifiers(s.(*ast.ValueSpec).Names)...)
				}
				found = append(found, all)
				continue
			}
			for _, s := range d.Specs {
				one := declaration{text: d.Tok.String() + " " + cut(s), mentions: mentions(s), isImport: d.Tok == token.IMPORT}
				switch s := s.(type) {
				case *ast.TypeSpec:
					one.names = []string{s.Name.Name}
				case *ast.ValueSpec:
					one.names = identifiers(s.Names)
				case *ast.ImportSpec:
					p, _ := strconv.Unquote(s.Path.Value)
					one.names = []string{importName(p)}
					if s.Name != nil {
						one.names[0] = s.Name.Name
					}
				}
				found = append(found, one)
			}
		}
	}
	return found
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// importName is the name that a package of this path most likely has.
func importName(p string) string {
	if majorVersion.MatchString(path.Base(p)) {
		p = path.Dir(p)
	}
	return strings.TrimPrefix(path.Base(p), "go-")
}

func identifiers(list []*ast.Ident) (names []string) {
	for _, id := range list {
		names = append(names, id.Name)
	}
	return names
}

func receiver(t ast.Expr) string {
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.ParenExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

func mentions(n ast.Node) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			names[id.Name] = true
		}
		return true
	})
	return names
}

// remember keeps the declarations of a cell that ran; what it declares anew takes the place of the old.
func (e *Engine) remember(code string) {
	for _, d := range declarations(code) {
		e.declared = slices.DeleteFunc(e.declared, func(old declaration) bool {
			return old.isImport == d.isImport && old.method == d.method && slices.ContainsFunc(d.names, func(n string) bool { return slices.Contains(old.names, n) })
		})
		if !slices.Equal(d.names, []string{"main"}) {
			e.declared = append(e.declared, d)
		}
	}
}

// wasmProgram is Go source of a program: the code, and of earlier declarations those that it needs.
func wasmProgram(code string, earlier []declaration, imports map[string]string) string {
	own := declarations(code)
	taken := map[string]bool{} // names that are declared, of methods type.name
	needed := map[string]bool{}
	key := func(d declaration) string {
		if d.method != "" {
			return d.names[0] + "." + d.method
		}
		return strings.Join(d.names, ",")
	}
	var used []declaration
	use := func(d declaration) {
		used = append(used, d)
		for _, n := range d.names {
			if d.method == "" && !d.isImport {
				taken[n] = true
			}
		}
		taken[key(d)] = true
		maps.Copy(needed, d.mentions)
	}
	for _, d := range own {
		use(d)
	}
	wants := func(d declaration) bool {
		switch {
		case d.isImport || taken[key(d)]:
			return false
		case d.method != "":
			return taken[d.names[0]] // a type comes with its methods
		case strings.HasPrefix(d.names[0], "init_"):
			for n := range d.mentions { // it sets up something that is used
				if taken[n] {
					return true
				}
			}
			return false
		}
		return slices.ContainsFunc(d.names, func(n string) bool { return needed[n] && !taken[n] })
	}
	for {
		i := slices.IndexFunc(earlier, wants)
		if i < 0 {
			break
		}
		use(earlier[i])
	}
	known := map[string]declaration{}
	for _, d := range slices.Concat(earlier, own) {
		if d.isImport {
			known[d.names[0]] = d
		}
	}
	var b strings.Builder
	b.WriteString("package main\n\n")
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		switch d, ok := known[name]; {
		case taken[name]:
		case ok:
			b.WriteString(d.text + "\n")
		case imports[name] != "":
			b.WriteString("import " + name + " " + strconv.Quote(imports[name]) + "\n")
		}
	}
	for _, d := range used {
		if !d.isImport {
			text := d.text
			if d.method == "" && strings.HasPrefix(d.names[0], "init_") {
				text = strings.Replace(text, d.names[0], "init", 1) // GoNB's rule
			}
			b.WriteString("\n" + text + "\n")
		}
	}
	return b.String()
}

// standardNames are the standard packages by their names; of two, the one with the shorter path.
func standardNames() map[string]string {
	names := map[string]string{}
	for _, p := range session.StandardPackages() {
		if old, ok := names[importName(p)]; !ok || len(p) < len(old) {
			names[importName(p)] = p
		}
	}
	names["js"] = "syscall/js"
	return names
}
