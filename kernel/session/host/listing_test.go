package host

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var hourAgo = func() time.Time { return time.Now().Add(-time.Hour) }

// A listing holds until a file that it came from changes.
func TestListing(t *testing.T) {
	files := map[string]string{"go.mod": "module m\n", "p/p.go": "package p", "p/data/a.txt": "a", "p/data/deep/b.txt": "b", "p/other/c.txt": "c", "p.a": "archive"}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	put := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { write(t, filepath.Join(dir, name), text, time.Now()) }
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		holds  bool
	}{
		"nothing":                {func(*testing.T, string) {}, true},
		"a test":                 {put("p/p_test.go", "package p"), true},
		"a file beside the data": {put("p/other/d.txt", "d"), true},
		"a source":               {put("p/p.go", "package p // more"), false},
		"a source of that size":  {put("p/p.go", "package q"), false},
		"a new source":           {put("p/q.go", "package p"), false},
		"a source is gone":       {remove("p/p.go"), false},
		"embedded":               {put("p/data/a.txt", "b"), false},
		"new to embed":           {put("p/data/c.txt", "c"), false},
		"new to embed deep down": {put("p/data/deeper/c.txt", "c"), false},
		"new for a pattern":      {put("p/e.json", "c"), false},
		"go.mod":                 {put("go.mod", "module m\n\ngo 1.26\n"), false},
		"a go.mod between":       {put("p/go.mod", "module m/p\n"), false},
		"no go.mod":              {remove("go.mod"), false},
		"the archive is gone":    {remove("p.a"), false},
		"the archive is cut":     {put("p.a", "arch"), false},
		"a day later":            {func(t *testing.T, dir string) { age(t, filepath.Join(dir, "cache", "listing-x.json"), 25*time.Hour) }, false},
		"clock set back":         {func(t *testing.T, dir string) { age(t, filepath.Join(dir, "cache", "listing-x.json"), -time.Hour) }, false},
		"damaged":                {put("cache/listing-x.json", "{"), false},
	} {
		t.Run(name, func(t *testing.T) {
			dir, file, packages := newListing(t, files)
			keepListing(file, packages, time.Now())
			c.change(t, dir)
			found, ok := readListing(file)
			if ok != c.holds {
				t.Fatalf("it holds: %t, want %t", ok, c.holds)
			}
			if ok && (len(found) != 1 || found[0].Path != "m/p" || found[0].Export != packages[0].Export || found[0].local.stamp != packages[0].local.stamp) {
				t.Errorf("%+v", found[0])
			}
		})
	}
}

// What has been written while the go command looked may or may not be in its answer.
func TestListingNotSettled(t *testing.T) {
	files := map[string]string{"go.mod": "module m\n", "p/p.go": "package p", "p/data/a.txt": "a", "p.a": "archive"}
	for _, name := range []string{"go.mod", "p", "p/data"} {
		dir, file, packages := newListing(t, files)
		begun := time.Now().Add(-time.Minute)
		now := time.Now()
		if err := os.Chtimes(filepath.Join(dir, name), now, now); err != nil {
			t.Fatal(err)
		}
		keepListing(file, packages, begun)
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s was written since, and the listing is kept", name)
		}
	}
}

// newListing makes files an hour old, and package m/p of them.
func newListing(t *testing.T, files map[string]string) (dir, file string, packages []*Package) {
	dir = t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text, hourAgo())
	}
	for _, name := range []string{"p/data/deep", "p/data", "p/other", "p"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			age(t, filepath.Join(dir, name), time.Hour)
		}
	}
	embeds := slices.DeleteFunc([]string{"data/a.txt", "data/deep/b.txt"}, func(name string) bool { return files["p/"+name] == "" })
	local := newSource(filepath.Join(dir, "p"), embeds, time.Now())
	local.patterns = []string{"all:data", "*.json"}
	return dir, filepath.Join(dir, "cache", "listing-x.json"), []*Package{{Path: "m/p", Name: "p", Export: filepath.Join(dir, "p.a"), local: local}}
}

// The name of a listing has in it all that the go command is told.
func TestListingKey(t *testing.T) {
	type state struct {
		h   *Host
		dir string
	}
	mod := func(s *state, text string) {
		write(t, filepath.Join(s.h.moduleDir, "go.mod"), text, hourAgo())
	}
	const plain, replaced = "module notebook\n", "module notebook\n\nreplace example.com/x => ../x\n"
	changes := map[string]func(s *state){
		"packages":   func(s *state) { s.h.config.Packages = []string{"fmt", "os"} },
		"flags":      func(s *state) { s.h.config.Flags = []string{"-tags=x"} },
		"one flag":   func(s *state) { s.h.config.Flags = []string{"-tags=x y"} },
		"two flags":  func(s *state) { s.h.config.Flags = []string{"-tags=x", "y"} },
		"way":        func(s *state) { s.h.way = &pluginWay },
		"release":    func(s *state) { s.h.tools.Version = "go1.26.9" },
		"compiler":   func(s *state) { write(t, filepath.Join(s.dir, "tools", "compile"), "new", time.Now()) },
		"GOFLAGS":    func(s *state) { s.h.tools.env = []string{"GOFLAGS=-mod=mod"} },
		"GOAMD64":    func(s *state) { s.h.tools.env = []string{"GOAMD64=v3"} },
		"CGO_CFLAGS": func(s *state) { s.h.tools.env = []string{"CGO_CFLAGS=-O3"} },
		"go env -w":  func(s *state) { write(t, s.h.tools.settings, "GOAMD64=v3", time.Now()) },
		"C compiler": func(s *state) { s.h.tools.compilers = []string{"sh"} },
		"go.mod":     func(s *state) { mod(s, plain+"\ngo 1.26\n") },
		"go.sum":     func(s *state) { write(t, filepath.Join(s.h.moduleDir, "go.sum"), "x", time.Now()) },
		"replace":    func(s *state) { mod(s, replaced) },
		"replaced go.mod": func(s *state) {
			mod(s, replaced)
			write(t, filepath.Join(s.dir, "x", "go.mod"), "module x", time.Now())
		},
		"module's own": func(s *state) { s.h.config.Packages = []string{"fmt", "notebook/p"} },
	}
	seen := map[string]string{}
	for _, name := range append([]string{""}, slices.Sorted(maps.Keys(changes))...) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "tools", "compile"), "old", hourAgo())
		// The same folder of tools and settings for all: its name is in the key.
		s := &state{newHost(&Toolchain{Version: "go1.26.8", tools: filepath.Join(dir, "tools"), settings: filepath.Join(dir, "env")},
			Config{ModuleDir: filepath.Join(dir, "m"), Packages: []string{"fmt"}}), dir}
		mod(s, plain)
		before, anywhere := s.h.listingKey()
		if again, _ := s.h.listingKey(); before == "" || again != before || !anywhere {
			t.Fatalf("key %q, then %q; anywhere: %t", before, again, anywhere)
		}
		if change := changes[name]; change != nil {
			change(s)
			after, _ := s.h.listingKey()
			if other, ok := seen[after]; after == before || ok {
				t.Errorf("%s: the key is as before, or as with %s", name, other)
			}
			seen[after] = name
		}
	}

	// A module that holds none of the packages may lie anywhere.
	tools := &Toolchain{Version: "go1.26.8", tools: t.TempDir()}
	var keys []string
	for _, roots := range []string{"fmt", "fmt", "notebook", "notebook"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "go.mod"), plain, hourAgo())
		key, anywhere := newHost(tools, Config{ModuleDir: dir, Packages: []string{roots}}).listingKey()
		if anywhere != (roots == "fmt") {
			t.Errorf("%s: anywhere %t", roots, anywhere)
		}
		keys = append(keys, key)
	}
	if keys[0] != keys[1] || keys[2] == keys[3] {
		t.Errorf("keys %q", keys)
	}
	for _, broken := range []string{"", "module notebook\nrequire x"} {
		dir := t.TempDir()
		if broken != "" {
			write(t, filepath.Join(dir, "go.mod"), broken, hourAgo())
		}
		if key, _ := newHost(tools, Config{ModuleDir: dir}).listingKey(); key != "" {
			t.Errorf("go.mod %q has key %s", broken, key)
		}
	}
}

func age(t *testing.T, path string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string, at time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}
