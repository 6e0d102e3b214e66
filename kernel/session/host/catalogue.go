package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// A Catalogue knows what cells can import, for those who only check cells: nothing is linked and nothing runs.
type Catalogue struct{ host Host }

// OpenCatalogue compiles the packages that cells of a module see from the start, unless the go command's cache has them.
func OpenCatalogue(ctx context.Context, t *Toolchain, moduleDir string, packages []string) (*Catalogue, error) {
	c := &Catalogue{Host{tools: t, moduleDir: moduleDir, way: &fastWay, packages: map[string]*Package{}}}
	c.host.packages["unsafe"] = &Package{Path: "unsafe", Name: "unsafe", Std: true}
	return c, c.Add(ctx, append(slices.Clone(packages), displayPath)...)
}

// Add makes more packages importable.
func (c *Catalogue) Add(ctx context.Context, paths ...string) error {
	paths = slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return p == "unsafe" || p == "C" })
	args := append([]string{"list", "-export", "-deps", "-json=ImportPath,Name,Export,Standard"}, c.host.way.listFlags...)
	out, err := c.host.tools.goCommand(ctx, c.host.moduleDir, append(append(args, "--"), paths...)...)
	if err != nil {
		var te *ToolError
		if errors.As(err, &te) {
			return explainList(te)
		}
		return err
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p struct {
			ImportPath, Name, Export string
			Standard                 bool
		}
		if err := d.Decode(&p); err != nil {
			return fmt.Errorf("go list: %w", err)
		}
		if p.Export != "" {
			c.host.packages[p.ImportPath] = &Package{Path: p.ImportPath, Name: p.Name, Export: p.Export, Std: p.Standard}
		}
	}
	return nil
}

// Name returns the name of a package; false when it is not in the catalogue.
func (c *Catalogue) Name(path string) (string, bool) {
	p, ok := c.host.packages[path]
	if !ok {
		return "", false
	}
	return p.Name, true
}

// ByName returns the package that a name means which nobody imported.
func (c *Catalogue) ByName(name string) (path string, plain, ok bool) {
	p, only := c.host.ByName(name)
	if p == nil {
		return "", false, false
	}
	return p.Path, p.Std && only, true
}

// Export opens the export data of a package.
func (c *Catalogue) Export(path string) (io.ReadCloser, error) {
	p := c.host.packages[path]
	if p == nil || p.Export == "" {
		return nil, fmt.Errorf("package %s is not known", path)
	}
	return os.Open(p.Export)
}

// A Module is one that packages come from.
type Module struct {
	Path, Version string
	Replace       string // what stands for it: a folder, or a path and a version; "": itself
	Direct        bool   // one of the packages that were asked for is in it
}

// Modules lists the modules that packages need to be built, sorted by path.
func (c *Catalogue) Modules(ctx context.Context, paths ...string) ([]Module, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	out, err := c.host.tools.goCommand(ctx, c.host.moduleDir, append([]string{"list", "-deps", "-json=ImportPath,Module", "--"}, paths...)...)
	if err != nil {
		return nil, err
	}
	found := map[string]*Module{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		type module struct {
			Path, Version, Dir string
			Replace            *module
		}
		var p struct {
			ImportPath string
			Module     *module
		}
		if err := d.Decode(&p); err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Module == nil {
			continue
		}
		m := found[p.Module.Path]
		if m == nil {
			m = &Module{Path: p.Module.Path, Version: p.Module.Version}
			if r := p.Module.Replace; r != nil && r.Version == "" {
				m.Replace = r.Dir
			} else if r != nil {
				m.Replace = r.Path + " " + r.Version
			}
			found[m.Path] = m
		}
		m.Direct = m.Direct || slices.Contains(paths, p.ImportPath)
	}
	var list []Module
	for _, m := range found {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}
