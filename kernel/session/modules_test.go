//go:build linux

package session

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	greetSource = "package greet\n\nimport \"SHELF/word\"\n\nfunc Hello() string { return \"hello \" + word.Word }\n"
	wordSource  = "package word\n\nconst Word = \"one\"\n"
)

// What a cell imports is fetched once and pinned; the next session needs no network for it, and newer versions do not count.
func TestFetchOnce(t *testing.T) {
	shelf := newShelf(t)
	shelf.put("word", "v0.3.0", wordSource)
	shelf.put("greet", "v1.1.0", greetSource, "word v0.3.0")
	dir := t.TempDir()
	notebook := filepath.Join(dir, "n.ipynb")
	cell := "import \"" + shelf.name + "/greet\"\ngreet.Hello()"

	r := openNotebook(t, notebook)
	r.ok("x := 41")
	if err := r.s.SetAutoget(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	result, _ := r.fails(cell, PackageError, "providing package "+shelf.name+"/greet")
	if text := strings.Join(result.Err.Traceback, "\n"); !strings.Contains(text, "!*go get "+shelf.name+"/greet") {
		t.Errorf("without autoget: %s", text)
	}
	if err := r.s.SetAutoget(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	result, out := r.run(t.Context(), cell)
	if result.Err != nil || out.result != "hello one" {
		t.Fatalf("%v %q", result.Err, out.result)
	}
	if notes := strings.Join(result.Notes, "\n"); !strings.Contains(notes, "pinned in n.mod") || !strings.Contains(out.stderr.String(), "downloading "+shelf.name+"/greet v1.1.0") {
		t.Errorf("notes %s\nstderr %s", notes, out.stderr.String())
	}
	r.want("x + 1", "42")
	pins, sums := readFile(t, dir, "n.mod"), readFile(t, dir, "n.sum")
	if !strings.Contains(pins, "greet v1.1.0") || strings.Contains(pins, "gomlx") || !strings.Contains(sums, "word v0.3.0 h1:") || !strings.Contains(sums, "greet v1.1.0 h1:") {
		t.Errorf("pins:\n%s\nsums:\n%s", pins, sums)
	}
	r.s.Close()

	shelf.put("greet", "v1.2.0", "package greet\n\nfunc Hello() string { return \"too new\" }\n")
	t.Setenv("GOPROXY", "off")
	r = openNotebook(t, notebook)
	before := r.s.module.state()
	result, out = r.run(t.Context(), cell)
	if result.Err != nil || out.result != "hello one" || out.stderr.String() != "" {
		t.Errorf("second session: %v %q\n%s", result.Err, out.result, out.stderr.String())
	}
	tidy := exec.Command("go", "list", "-mod=mod", "-deps", shelf.name+"/greet")
	tidy.Dir = r.s.ModuleDir()
	if text, err := tidy.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	if r.s.module.state() != before || readFile(t, dir, "n.mod") != pins || readFile(t, dir, "n.sum") != sums {
		t.Error("the module changed without need")
	}
}

// Without a network, or a package of that name, nothing is lost and nothing changes.
func TestFetchFails(t *testing.T) {
	shelf := newShelf(t)
	dir := t.TempDir()
	r := openNotebook(t, filepath.Join(dir, "n.ipynb"))
	r.ok("x := 41")
	before := r.s.module.state()
	result, _ := r.fails("import \""+shelf.name+"/absent\"", PackageError, "could not be fetched")
	if strings.Contains(result.Err.Message, "network") {
		t.Errorf("a wrong name: %s", result.Err.Message)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close() // nobody answers there
	if err := r.s.SetEnvironment(t.Context(), dir, []string{"GOPROXY=http://" + listener.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	result, _ = r.fails("y := 1\nimport \""+shelf.name+"/away\"", PackageError, "the network is away")
	if text := strings.Join(result.Err.Traceback, "\n"); !strings.Contains(text, listener.Addr().String()) || !strings.Contains(text, "GOPROXY") || result.Err.Line != 2 {
		t.Errorf("line %d: %s", result.Err.Line, text)
	}
	r.fails("import \"nowhere/at/all\"", PackageError, "is not in std")
	r.want("x + 1", "42")
	if _, err := os.Stat(filepath.Join(dir, "n.mod")); err == nil || r.s.module.state() != before {
		t.Error("the module changed")
	}
}

func TestInterruptedFetch(t *testing.T) {
	shelf := newShelf(t)
	asked, done := make(chan bool, 100), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- true
		select {
		case <-r.Context().Done():
		case <-done:
		}
	}))
	defer server.Close()
	defer close(done)
	t.Setenv("GOPROXY", server.URL)
	r := openNotebook(t, filepath.Join(t.TempDir(), "n.ipynb"))
	r.ok("x := 41")
	before := r.s.module.state()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { <-asked; cancel() }()
	begun := time.Now()
	result, _ := r.run(ctx, "import \""+shelf.name+"/slow\"")
	if result.Err == nil || result.Err.Name != Interrupted || time.Since(begun) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(begun), result.Err)
	}
	if r.s.module.state() != before {
		t.Error("the module changed")
	}
	left, err := os.ReadDir(r.s.ModuleDir())
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v %v", left, err)
	}
	r.want("x + 1", "42")
}

// A package that needs another version of a loaded one is refused whole; a restart takes both.
func TestFetchConflict(t *testing.T) {
	shelf := newShelf(t)
	shelf.put("word", "v0.3.0", wordSource)
	r := openNotebook(t, filepath.Join(t.TempDir(), "n.ipynb"))
	r.want("import \""+shelf.name+"/word\"\nword.Word", "one")
	shelf.put("word", "v0.4.0", strings.Replace(wordSource, "one", "two", 1))
	shelf.put("greet", "v1.0.0", greetSource, "word v0.4.0")
	before := r.s.module.state()
	r.ok("x := 1")
	r.fails("import \""+shelf.name+"/greet\"", PackageError, "otherwise than this session has loaded it")
	if r.s.module.state() != before {
		t.Error("the module changed")
	}
	get := exec.Command("go", "get", shelf.name+"/greet")
	get.Dir, get.Env = r.s.ModuleDir(), append(os.Environ(), "GOTOOLCHAIN=local")
	if text, err := get.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	changed, err := r.s.AdoptModule(t.Context())
	if err != nil || !slices.Contains(changed, shelf.name+"/word v0.3.0 → v0.4.0") {
		t.Fatalf("%v %v", changed, err)
	}
	r.want("x", "1")
	if err := r.s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.want("import \""+shelf.name+"/greet\"\ngreet.Hello() + word.Word", "hello twotwo")
}

// A local package may import what its own module does not require yet.
func TestFetchForLocal(t *testing.T) {
	shelf := newShelf(t)
	shelf.put("word", "v0.3.0", wordSource)
	r, dir := project(t)
	writeFiles(t, dir, map[string]string{"user/user.go": "package user\n\nimport \"" + shelf.name + "/word\"\n\nconst Word = word.Word\n"})
	r.want("import \"example.test/project/user\"\nuser.Word", "one")
	if pins := readFile(t, dir, "notebooks", "n.mod"); !strings.Contains(pins, "word v0.3.0") {
		t.Errorf("pins:\n%s", pins)
	}
	if got := readFile(t, dir, "go.mod"); strings.Contains(got, "word") {
		t.Errorf("the user's go.mod: %s", got)
	}
}

// project writes a module of the user's with a package util, and returns the runner of a notebook in it.
func project(t *testing.T) (r *runner, dir string) {
	dir = t.TempDir()
	writeFiles(t, dir, map[string]string{"go.mod": "module example.test/project\n\ngo 1.26\n", "util/util.go": utilSource("one"), "notebooks/n.ipynb": "{}"})
	return openNotebook(t, filepath.Join(dir, "notebooks", "n.ipynb")), dir
}

func utilSource(name string) string {
	return "package util\n\ntype T struct{ N int }\n\nfunc Name() string { return \"" + name + "\" }\n"
}

// Code that has changed on disk is never run as it was, unless the user says so.
func TestTrack(t *testing.T) {
	r, dir := project(t)
	edit := func(source string) { writeFiles(t, dir, map[string]string{"util/util.go": source}) }
	r.want("import \"example.test/project/util\"\nutil.Name()", "one")
	edit(utilSource("another"))
	result, out := r.run(t.Context(), "func name() string { return util.Name() }\nname()") // no value would be lost
	if result.Err != nil || out.result != "another" || !strings.Contains(strings.Join(result.Notes, "\n"), "loaded anew") {
		t.Fatalf("%v %q %v", result.Err, out.result, result.Notes)
	}
	result, _ = r.fails("import \"example.test/project/absent\"", PackageError, "example.test/project/absent")
	if text := strings.Join(result.Err.Traceback, "\n"); !strings.Contains(text, "where no such package is") {
		t.Errorf("%s", text)
	}
	r.ok("x := 41")
	edit(utilSource("third one"))
	result, _ = r.fails("name()", PackageError, "example.test/project/util changed")
	if text := strings.Join(result.Err.Traceback, "\n"); !strings.Contains(text, "the values of x go") {
		t.Errorf("%s", text)
	}
	r.want("x + 1", "42") // it does not use util
	edit("package util\n\nfunc Name() string { return 5 }\n")
	result, _ = r.fails("util.Name()", PackageError, "changed")
	if text := strings.Join(result.Err.Traceback, "\n"); !strings.Contains(text, "util.go:3") {
		t.Errorf("a package that does not compile: %s", text)
	}
	if err := r.s.Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "util.go:3") {
		t.Errorf("restart: %v", err)
	}
	r.want("x + 1", "42")
	edit(utilSource("fourth"))
	if err := r.s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.want("name()", "fourth")
	r.fails("x", CompileError, "lost")
	r.ok("x := 7")
	edit(utilSource("fifth"))
	time.Sleep(20 * time.Millisecond)
	r.fails("util.Name()", PackageError, "changed")
	if err := r.s.Untrack(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	r.want("name()", "fourth")
	time.Sleep(20 * time.Millisecond) // the files are older than the next look at them
	r.ok("x")
	if _, err := r.s.Track(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	r.fails("util.Name()", PackageError, "changed")
	edit(utilSource("fourth"))
	r.want("name()", "fourth") // what is on disk is what is loaded
	if got := readFile(t, dir, "go.mod"); got != "module example.test/project\n\ngo 1.26\n" {
		t.Errorf("the user's go.mod: %s", got)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "notebooks")); err != nil || len(left) != 1 {
		t.Errorf("beside the notebook: %v %v", left, err)
	}
}

// Modules on this disk come from a go.work above the notebook, a replacement, or %track; what is said by command is pinned.
func TestLocalModules(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	dir := t.TempDir()
	local := func(name string) map[string]string {
		return map[string]string{name + "/go.mod": "module example.test/" + name + "\n\ngo 1.26\n", name + "/" + name + ".go": "package " + name + "\n\nconst Name = \"" + name + "\"\n"}
	}
	for _, name := range []string{"worked", "replaced", "tracked"} {
		writeFiles(t, dir, local(name))
	}
	writeFiles(t, dir, map[string]string{"go.work": "go 1.26\n\nuse ./worked\n"})
	notebook := filepath.Join(dir, "n.ipynb")
	r := openNotebook(t, notebook)
	r.want("import \"example.test/worked\"\nworked.Name", "worked")
	edit := exec.Command("go", "mod", "edit", "-replace=example.test/replaced=./replaced")
	edit.Dir = r.s.ModuleDir()
	if text, err := edit.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if changed, err := r.s.AdoptModule(t.Context()); err != nil || len(changed) == 0 {
		t.Fatalf("%v %v", changed, err)
	}
	r.want("import \"example.test/replaced\"\nreplaced.Name", "replaced")
	if used, err := r.s.Track(t.Context(), filepath.Join(dir, "tracked")); err != nil || used != "example.test/tracked" {
		t.Fatalf("%q %v", used, err)
	}
	r.want("import \"example.test/tracked\"\ntracked.Name", "tracked")
	if pins := readFile(t, dir, "n.mod"); !strings.Contains(pins, "example.test/replaced => ./replaced") || strings.Contains(pins, "worked") {
		t.Errorf("pins:\n%s", pins)
	}
	if tracked, err := r.s.Tracked(t.Context()); err != nil || len(tracked) != 3 {
		t.Errorf("%v %v", tracked, err)
	}
	r = openNotebook(t, notebook)
	r.want("import \"example.test/replaced\"\nimport \"example.test/tracked\"\nreplaced.Name + tracked.Name", "replacedtracked")
	if err := r.s.ResetModule(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "n.mod")); err == nil || strings.Contains(readFile(t, r.s.ModuleDir(), "go.mod"), "replaced") {
		t.Error("the pins are still there")
	}
	writeFiles(t, r.s.ModuleDir(), map[string]string{"go.mod": "nonsense"})
	if _, err := r.s.AdoptModule(t.Context()); err == nil || !strings.Contains(err.Error(), "%reset go.mod") {
		t.Errorf("a broken go.mod: %v", err)
	}
}

// A notebook lies in whatever folder; a go.mod there that cannot be used stops nothing else.
func TestModulesAround(t *testing.T) {
	for text, want := range map[string]string{"nonsense": "no module line", "module example.test/new\n\ngo 1.99\n": "wants Go 1.99"} {
		dir := t.TempDir()
		writeFiles(t, dir, map[string]string{"go.mod": text})
		r := openNotebook(t, filepath.Join(dir, "n.ipynb"))
		r.want("1 + 1", "2")
		if err := r.s.SetAutoget(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		result, _ := r.fails("import \"example.test/new/x\"", PackageError, "example.test/new/x")
		if text := strings.Join(result.Err.Traceback, "\n"); !strings.Contains(text, want) {
			t.Errorf("%s", text)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct{ flags, want, err string }{
		{"-tags a,b --gcflags=-l", "-tags=a,b -gcflags=-l", ""},
		{"", "", ""},
		{"-race", "", "race detector"},
		{"-tags", "", "needs a value"},
		{"-modfile=x", "", "keeps go.mod"},
		{"tags=x", "", "is no flag"},
		{"-v", "", "-v does not go here"},
	} {
		got, err := CheckFlags(strings.Fields(c.flags))
		if strings.Join(got, " ") != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %q, %v", c.flags, got, err)
		}
	}
	r, dir := project(t)
	writeFiles(t, dir, map[string]string{"tagged/a.go": "//go:build !wide\n\npackage tagged\n\nconst Wide = false\n", "tagged/b.go": "//go:build wide\n\npackage tagged\n\nconst Wide = true\n"})
	if err := r.s.SetFlags(t.Context(), []string{"-tags", "wide"}); err != nil {
		t.Fatal(err)
	}
	r.want("import \"example.test/project/tagged\"\ntagged.Wide", "true")
	if err := r.s.SetFlags(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.want("tagged.Wide", "false")
}
