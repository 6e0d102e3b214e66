//go:build linux

package session

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fovea/internal/home"
	"fovea/kernel/display"
)

// gonbPackages are what cells import of GoNB.
var gonbPackages = append([]string{"github.com/janpfeifer/gonb/gonbui", "github.com/janpfeifer/gonb/gonbui/dom", "github.com/janpfeifer/gonb/gonbui/comms",
	"github.com/janpfeifer/gonb/gonbui/widgets", "github.com/janpfeifer/gonb/cache"}, testPackages...)

// ordered is what a cell puts out, as one text.
type ordered struct{ strings.Builder }

func (o *ordered) Stream(_, text string) { o.WriteString(text) }
func (o *ordered) Display(m display.Message) {
	fmt.Fprintf(o, "[%s %v]", m.Kind, m.Bundle.Data["text/html"])
}
func (o *ordered) Result(display.Bundle) {}

// What a cell shows through gonbui comes between what it prints before and after, in every cell, and after a restart.
func TestGonbui(t *testing.T) {
	for _, loader := range loaders {
		t.Run(loader, func(t *testing.T) {
			if loader == "plugin" && testing.Short() {
				t.Skip("plugins take half a second a cell")
			}
			s := openTest(t, Options{Loader: loader, Packages: gonbPackages})
			for round := range 2 {
				for cell := range 2 {
					r := &ordered{}
					result := s.Execute(t.Context(), Cell{Number: 1, Source: `import ("fmt"; "github.com/janpfeifer/gonb/gonbui")
for i := range 100 {
	fmt.Println("before", i)
	gonbui.DisplayHTML(fmt.Sprint("<b>", i, "</b>"))
	fmt.Println("after", i)
}
gonbui.Sync()
if err := gonbui.Error(); err != nil { panic(err) }`}, r)
					if result.Err != nil {
						t.Fatal(result.Err, result.Err.Traceback)
					}
					var want strings.Builder
					for i := range 100 {
						fmt.Fprintf(&want, "before %d\n[display <b>%d</b>]after %d\n", i, i, i)
					}
					if got := r.String(); got != want.String() {
						t.Errorf("round %d, cell %d: out of order:\n%s", round, cell, got)
					}
				}
				if err := s.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// The pipes are real, of one user, and go with the session.
func TestGonbuiPipes(t *testing.T) {
	s := openTest(t, Options{Packages: gonbPackages})
	r := &recorder{}
	s.Execute(t.Context(), Cell{Source: `import ("fmt"; "os")
fmt.Println(os.Getenv("GONB_PIPE"))
fmt.Println(os.Getenv("GONB_PIPE_BACK"))`}, r)
	paths := strings.Fields(r.stdout.String())
	if len(paths) != 2 {
		t.Fatalf("paths %q", paths)
	}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != os.ModeNamedPipe|0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if info, err = os.Lstat(filepath.Dir(path)); err != nil || info.Mode() != os.ModeDir|0o700 {
			t.Errorf("its folder: %v, %v", info.Mode(), err)
		}
	}
	s.Close()
	if _, err := os.Lstat(paths[0]); !os.IsNotExist(err) {
		t.Errorf("after the end: %v", err)
	}
}

func TestGonbuiInput(t *testing.T) {
	s := openTest(t, Options{Packages: gonbPackages})
	a := &asker{answers: []string{"Ada", "x"}}
	result := s.Execute(t.Context(), Cell{Source: `import ("fmt"; "github.com/janpfeifer/gonb/gonbui")
gonbui.RequestInput("name: ", false)
var who, secret string
fmt.Scanln(&who)
gonbui.RequestInput("word: ", true)
fmt.Scanln(&secret)
fmt.Println(who, secret)`}, a)
	if result.Err != nil || a.stdout.String() != "Ada x\n" {
		t.Fatalf("%v, printed %q", result.Err, a.stdout.String())
	}
	if got := fmt.Sprint(a.asked); got != "[|name: |false |word: |true]" {
		t.Errorf("asked %q", got)
	}
}

func TestGonbCache(t *testing.T) {
	s := openTest(t, Options{Packages: gonbPackages, Dir: t.TempDir()})
	for _, want := range []string{"computed 7\n", "7\n"} {
		r := &recorder{}
		result := s.Execute(t.Context(), Cell{Source: `import ("fmt"; "github.com/janpfeifer/gonb/cache")
store, err := cache.NewHidden()
if err != nil { panic(err) }
fmt.Println(cache.CacheWith(store, "n", func() int { fmt.Print("computed "); return 7 }))`}, r)
		if result.Err != nil || r.stdout.String() != want {
			t.Errorf("%v, printed %q, want %q", result.Err, r.stdout.String(), want)
		}
	}
}

// A program that a cell starts shows things through the same pipes, one program after the other.
func TestGonbuiInAProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a program")
	}
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	main := filepath.Join(dir, "main.go")
	if err := os.WriteFile(main, []byte(`package main

import "github.com/janpfeifer/gonb/gonbui"

func main() {
	defer gonbui.Sync()
	gonbui.DisplayHTML("from a program")
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "program"), main)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := openTest(t, Options{Packages: gonbPackages, Dir: dir})
	r := &ordered{}
	result := s.Execute(t.Context(), Cell{Source: `import ("os/exec"; "time"; "github.com/janpfeifer/gonb/gonbui")
for range 3 {
	if out, err := exec.Command("./program").CombinedOutput(); err != nil { panic(string(out)) }
	time.Sleep(20 * time.Millisecond)
}
gonbui.DisplayHTML("from the cell")`}, r)
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	if got, want := r.String(), strings.Repeat("[display from a program]", 3)+"[display from the cell]"; got != want {
		t.Errorf("shown %s, want %s", got, want)
	}
}
