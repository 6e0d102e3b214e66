package front

import (
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// A Snapshot is what a cell may refer to, as Go source: what an editor needs to know of a session.
type Snapshot struct {
	Imports  []Import // in force for every cell, sorted; the name of a dot import is "."
	Packages []Import // that a cell may use by this name without an import; one for each name
	// Live is a file of package [SnapshotPackage] that declares all live names, and those that come back when a cell uses
	// them, as after the end of a worker. Functions have no body of their own.
	Live string
}

// An Import is a package and the name that it has in a cell.
type Import struct{ Name, Path string }

// SnapshotPackage is the name of the package that cells are for an editor.
const SnapshotPackage = "cell"

// Snapshot describes the live names. Of the packages that cells may use without an import, it names those in paths.
func (s *State) Snapshot(paths []string) Snapshot {
	var shot Snapshot
	for _, n := range slices.Sorted(maps.Keys(s.imports)) {
		shot.Imports = append(shot.Imports, Import{n, s.imports[n]})
	}
	for _, p := range slices.Sorted(maps.Keys(s.dots)) {
		shot.Imports = append(shot.Imports, Import{".", p})
	}
	seen := map[string]bool{}
	for _, path := range paths {
		name, ok := s.packages.Name(path)
		if !ok || seen[name] || s.imports[name] != "" || s.live[name] != nil {
			continue
		}
		// Of several packages of a name, the one that a cell would get.
		if path, _, ok = s.packages.ByName(name); ok {
			seen[name] = true
			shot.Packages = append(shot.Packages, Import{name, path})
		}
	}
	slices.SortFunc(shot.Packages, func(a, b Import) int { return strings.Compare(a.Name, b.Name) })
	shot.Live = s.liveFile(&shot)
	return shot
}

func (s *State) liveFile(shot *Snapshot) string {
	var body strings.Builder
	names := map[string]string{} // of packages, by path
	paths := map[string]string{} // and back
	use := func(name, path string) {
		if paths[name] == "" && names[path] == "" && s.live[name] == nil {
			names[path], paths[name] = name, path
		}
	}
	for _, i := range shot.Imports {
		if i.Name != "." {
			use(i.Name, i.Path)
		}
	}
	printer := &typePrinter{
		pkg: func(p *types.Package) string {
			use(p.Name(), p.Path())
			for n := 2; names[p.Path()] == ""; n++ { // another package has the name
				use(fmt.Sprint(p.Name(), n), p.Path())
			}
			return names[p.Path()]
		},
		cell: func(o *types.TypeName) string {
			if o.Parent() != o.Pkg().Scope() {
				return ""
			}
			return o.Name()
		},
		field: func(name string) string { return name },
	}
	written := map[*chunk]bool{}
	text := func(c *chunk) {
		if c == nil || written[c] {
			return
		}
		written[c] = true
		source := c.head()
		for _, name := range namesBeforeDots(source) {
			if s.imports[name] == "" && s.live[name] == nil && paths[name] == "" {
				if path, _, ok := s.packages.ByName(name); ok {
					use(name, path)
				}
			}
		}
		body.WriteString(source + "\n")
	}
	for _, n := range slices.Sorted(maps.Keys(s.live)) {
		y := s.live[n]
		if v, ok := y.object.(*types.Var); ok {
			printer.bad = ""
			if t := printer.str(v.Type()); printer.bad == "" {
				fmt.Fprintf(&body, "var %s %s\n", n, t)
			}
			continue
		}
		text(y.chunk)
		for _, m := range s.methods[n] {
			text(m)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(s.dormant.declared)) {
		if s.live[n] != nil {
			continue
		}
		if _, lost := (&lowering{State: s}).closure(n); lost != "" {
			continue // it uses a variable that was lost: a cell cannot use it
		}
		text(s.dormant.declared[n])
		for _, m := range s.dormant.methods[n] {
			text(m)
		}
	}
	var head strings.Builder
	fmt.Fprintf(&head, "package %s\n\nimport (\n", SnapshotPackage)
	for _, n := range slices.Sorted(maps.Keys(paths)) {
		fmt.Fprintf(&head, "\t%s %q\n", n, paths[n])
	}
	for p := range s.dots {
		fmt.Fprintf(&head, "\t. %q\n", p)
	}
	return head.String() + ")\n\n" + body.String()
}

// head is a declaration's text with the body of a function left out: what calls it needs no more.
func (c *chunk) head() string {
	if c.kind != isFunc && c.kind != isMethod {
		return c.text
	}
	f, base, err := c.parse()
	if err != nil || len(f.Decls) == 0 {
		return c.text
	}
	d, ok := f.Decls[0].(*ast.FuncDecl)
	if !ok || d.Body == nil {
		return c.text
	}
	return c.text[:d.Body.Lbrace-base] + "{ panic(0) }"
}
