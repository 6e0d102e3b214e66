package front

import (
	"maps"
	"slices"
)

// Remove forgets live names and imports. users are the live names whose code refers to one that is gone: what is
// compiled of them works on, and they cannot be compiled again. missing are the names that were neither live nor imported.
func (s *State) Remove(names []string) (users, missing []string) {
	for _, n := range names {
		switch {
		case s.live[n] != nil:
			delete(s.live, n)
			delete(s.methods, n)
		case s.imports[n] != "":
			delete(s.imports, n)
		case s.dormant.declared[n] != nil:
			s.dormant.forget(n)
		default:
			missing = append(missing, n)
		}
	}
	for n, y := range s.live {
		if y.chunk == nil {
			continue
		}
		for _, gone := range names {
			if y.chunk.deps[gone] {
				users = append(users, n)
				break
			}
		}
	}
	slices.Sort(users)
	return users, missing
}

// Imports returns the imports in force, name to path. Dot imports have the name ".", one of them if there are several.
func (s *State) Imports() map[string]string {
	imports := maps.Clone(s.imports)
	for path := range s.dots {
		imports["."] = path
	}
	return imports
}
