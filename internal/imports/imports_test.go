// Package imports checks which room of the project may import which.
package imports

import (
	"encoding/json"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"fovea/internal/home"
)

// A rule speaks of the packages below a room. Patterns match an import path or what lies below it; the room's own
// packages are always allowed.
type rule struct {
	room  string
	never []string // direct imports
	// deep lists what may not be reached through any chain of imports.
	deep []string
	why  string
}

var rules = []rule{
	{room: "layers", never: []string{"os", "net", "image", "fovea/datasets", "fovea/recipes", "fovea/kernel", "fovea/notebooks"},
		why: "layers are graph functions only"},
	{room: "datasets", never: []string{"fovea/layers", "fovea/recipes", "fovea/kernel", "fovea/notebooks"},
		why: "data knows nothing of networks"},
	{room: "recipes", never: []string{"fovea/kernel"}, why: "recipes run without a notebook"},
	{room: "notebooks/fig", deep: []string{"fovea/layers", "fovea/recipes", "fovea/kernel"}, why: "figures draw numbers, whoever made them"},
	{room: "kernel/display", deep: []string{"fovea/internal", "fovea/layers", "fovea/recipes", "fovea/notebooks", "github.com/gomlx"},
		why: "every cell links it"},
	{room: "kernel", deep: []string{"github.com/gomlx", "fovea/layers", "fovea/recipes", "fovea/datasets", "fovea/notebooks"},
		why: "the kernel starts without an accelerator stack"},
}

type goPackage struct {
	ImportPath    string
	Imports, Deps []string
}

func list(t *testing.T) []goPackage {
	t.Helper()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
	command.Dir = root
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	return packages
}

func below(importPath, room string) bool {
	return importPath == room || strings.HasPrefix(importPath, room+"/")
}

// broken lists the imports of p that break r.
func broken(p goPackage, r rule) []string {
	room := path.Join(home.Module, r.room)
	if !below(p.ImportPath, room) {
		return nil
	}
	var bad []string
	find := func(imports, never []string) {
		for _, i := range imports {
			if below(i, room) {
				continue
			}
			if slices.ContainsFunc(never, func(n string) bool { return below(i, n) }) {
				bad = append(bad, i)
			}
		}
	}
	find(p.Imports, r.never)
	find(p.Deps, r.deep)
	return bad
}

func TestImportDirections(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("only %d packages listed", len(packages))
	}
	for _, p := range packages {
		for _, r := range rules {
			if bad := broken(p, r); bad != nil {
				t.Errorf("%s imports %s: %s", p.ImportPath, strings.Join(bad, ", "), r.why)
			}
		}
		// A recipe may use another recipe's exported function, the harness may not: it would close a circle of knowledge.
		if p.ImportPath == home.Module+"/recipes" {
			for _, i := range p.Imports {
				if strings.HasPrefix(i, home.Module+"/recipes/") {
					t.Errorf("the harness imports %s: recipes register themselves", i)
				}
			}
		}
	}
}

func TestRulesBite(t *testing.T) {
	layers := rules[0]
	if bad := broken(goPackage{ImportPath: "fovea/layers/loss", Imports: []string{"os", "fovea/layers", "math"}}, layers); !slices.Equal(bad, []string{"os"}) {
		t.Errorf("broken = %v, want [os]", bad)
	}
	kernel := rules[len(rules)-1]
	if bad := broken(goPackage{ImportPath: "fovea/kernel/wire", Deps: []string{"fmt", "github.com/gomlx/compute"}}, kernel); len(bad) != 1 {
		t.Errorf("broken = %v, want gomlx", bad)
	}
	if bad := broken(goPackage{ImportPath: "fovea/recipes/vgg", Imports: []string{"os"}}, layers); bad != nil {
		t.Errorf("a rule reached beyond its room: %v", bad)
	}
}
