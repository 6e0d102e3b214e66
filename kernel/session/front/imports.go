package front

import (
	"go/token"
	"maps"
	"strconv"
	"strings"
)

// readImports takes the imports out of the chunks. They hold for all later cells, used or not.
func (l *lowering) readImports(chunks []*chunk) error {
	l.newImports, l.newDots, l.gone = maps.Clone(l.imports), maps.Clone(l.dots), map[string]bool{}
	need := &NeedPackages{}
	for _, c := range chunks {
		if c.kind != isImport {
			l.body = append(l.body, c)
			continue
		}
		f, base, err := c.parse()
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			line, column := c.place(int(spec.Path.Pos() - base))
			at := token.Position{Filename: FileName(c.number), Line: line, Column: column}
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return failure(at, "invalid import path %s", spec.Path.Value)
			}
			if path == "C" {
				return failure(at, "a cell cannot contain C code: put it into a package of a module and import that")
			}
			name, ok := l.packages.Name(path)
			if !ok {
				if need.Paths == nil {
					need.At = problem(at, "package "+path)
				}
				need.Paths = append(need.Paths, path)
				continue
			}
			if name == "main" {
				return failure(at, "%s is a program, not a package to import", path)
			}
			if spec.Name != nil {
				name = spec.Name.Name
			}
			switch name {
			case "_": // loaded and initialised already
			case ".":
				l.newDots[path] = true
			default:
				l.newImports[name] = path
				if l.live[name] != nil {
					l.gone[name] = true
					l.note("%s means the package %s from here on", name, path)
				}
			}
		}
	}
	if need.Paths != nil {
		return need
	}
	return nil
}

// usedImports returns the packages that the chunks may refer to, by name. A name that nobody imported means a package
// that the worker has, as goimports would guess, but only among what is there.
func (l *lowering) usedImports() map[string]string {
	var text strings.Builder
	for _, c := range l.pulled {
		text.WriteString(c.text + "\n")
	}
	for _, c := range l.body {
		text.WriteString(c.text + "\n")
	}
	used := map[string]string{}
	for _, name := range namesBeforeDots(text.String()) {
		if l.declared[name] != nil {
			continue
		}
		if path := l.newImports[name]; path != "" {
			used[name] = path
			continue
		}
		if l.live[name] != nil && !l.gone[name] {
			continue
		}
		if path, plain, ok := l.packages.ByName(name); ok {
			used[name] = path
			if !plain {
				l.guessed = append(l.guessed, guess{name, path})
			}
		}
	}
	return used
}

// A guess is a package that was chosen for a name, among several or outside the standard library.
type guess struct{ name, path string }
