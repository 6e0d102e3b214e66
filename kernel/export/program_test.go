//go:build linux

package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fovea/internal/home"
	"fovea/kernel/client"
	"fovea/kernel/command"
	"fovea/kernel/display"
	"fovea/kernel/session"
	"fovea/kernel/session/host"
)

// hostPackages are those of the session's tests, which share the host library through the cache.
var hostPackages = []string{"bytes", "context", "encoding/json", "errors", "fmt", "io", "log", "maps", "math", "math/rand/v2", "net/netip", "net/url",
	"os", "os/exec", "os/signal", "reflect", "runtime", "runtime/debug", "slices", "sort", "strconv", "strings", "sync", "sync/atomic", "syscall", "time",
	"unique", "unsafe"}

// cases are notebooks, a cell after another. A cell that begins with a tag in brackets has it.
var cases = map[string][]string{
	"values": {
		"x := 1\ny, z := 2.5, \"text\"",
		"x, w := x+1, x*10\nfmt.Println(x, w, y, z)",
		"x = 7 // the same variable\nx",
		"x := \"now text\"\nx",
		"var a, b int = 3, 4\nvar c []string\nvar _ fmt.Stringer = time.Second\nfmt.Println(a, b, c == nil)",
		"c = append(c, \"one\")\nvar c []string\nlen(c)",
	},
	"functions": {
		"func scale(n int) int { return 2 * n }",
		"func twice(n int) int { return scale(scale(n)) }",
		"twice(1)",
		"func scale(n int) int { return 10 * n }",
		"twice(1)",
		"for range 2 { func() { defer fmt.Println(scale(1)) }() }",
	},
	"types": {
		"type Layer struct{ Units int }\nlayers := []Layer{{64}, {10}}",
		"// Parameters counts weights.\nfunc (l Layer) Parameters(inputs int) int { return (inputs + 1) * l.Units }",
		"fmt.Println(layers[0].Parameters(784))\nlayers",
		"func (l Layer) String() string { return fmt.Sprint(\"layer of \", l.Units) }",
		"fmt.Println(layers[1])\nlayers[0].Parameters(1)",
		"func (l Layer) Parameters(inputs int) int { return inputs }",
		"layers[0].Parameters(5)",
		"type Layer struct { Units int; Name string }\nfmt.Println(layers[0].Units, layers[0].Name == \"\")",
	},
	"embedded and generic": {
		"type Base struct{ n int }\ntype Pair[T any] struct{ A, B T }\nfunc (p Pair[T]) First() T { return p.A }\ntype Both struct { *Base; Pair[int] }",
		"both := Both{Base: &Base{n: 1}, Pair: Pair[int]{2, 3}}\nfmt.Println(both.n, both.Base.n, both.First())",
		"type Base struct{ n, m int }\nfunc (b *Base) Sum() int { return b.n + b.m }",
		"both.m = 5\nfmt.Println(both.Sum(), both.Pair.B)",
		"func apply[T, U any](list []T, f func(T) U) (out []U) {\n\tfor _, v := range list {\n\t\tout = append(out, f(v))\n\t}\n\treturn out\n}\napply([]int{1, 2}, func(n int) string { return strings.Repeat(\"a\", n) })",
	},
	"hidden names": {
		"import \"strings\"\nstrings.ToUpper(\"a\")",
		"strings := []string{\"b\"}\nstrings",
		"max(1, 2)",
		"func max(a, b int) int { return -1 }\nmax(1, 2)",
		"type error interface{ Error() string; Code() int }\nfmt.Println(min(3, 4))",
		"func cell1() string { return \"mine\" }\ncell1()",
	},
	"imports": {
		"import . \"strings\"\nimport str \"strconv\"\nimport _ \"embed\"\nimport \"os\"",
		"func graph(strings string) string { return ToUpper(strings) + str.Itoa(3) }\ngraph(\"x\")",
		"Replace(\"aXa\", \"X\", \"-\", 1)",
		"math.Sqrt(4)",
	},
	"control": {
		"for i := range 3 {\n\tif i == 1 {\n\t\tcontinue\n\t}\n\tfmt.Print(i, \" \")\n}\nfmt.Println()",
		"defer fmt.Println(\"deferred\")\nfmt.Println(\"first\")\nif true { return }\nfmt.Println(\"never\")",
		"ch := make(chan int)\ngo func() { defer close(ch); for i := range 3 { ch <- i } }()\nfor v := range ch { fmt.Print(v) }",
		"total := 0\nadd := func(n int) { total += n }",
		"add(4); add(5)\ntotal",
		"[raises-exception]panic(\"expected\")",
		"[skip-execution]this is no Go",
		"[raises-exception]undefinedName()",
		"os.Remove(\"/does/not/exist\")",
		"strconv.Atoi(\"12\")",
		"1 + 1;",
		"func() (int, string) { return 1, \"a\" }()",
	},
	"what depends on what changes": {
		"func unit() string { return \"m\" }",
		"type Length struct{ V float64 }\nfunc (l Length) Text() string { return fmt.Sprint(l.V, unit()) }",
		"all := map[string]*Length{\"a\": {1}}\none := Length{2}\nother := &one\nall[\"b\"] = other",
		"fmt.Println(one.Text(), all[\"a\"].Text())",
		"func unit() string { return \"km\" }",
		"fmt.Println(one.Text(), all[\"a\"].Text())",
		"type Length struct { V float64; Exact bool; parts []*Length }\nall[\"b\"].Exact = true",
		"fmt.Println(other.V, other.Exact, all[\"a\"].parts == nil, all[\"b\"] == other)",
		"limit := 3\nfunc show() string { return fmt.Sprint(limit) }\nshow()",
		"limit := 2.5\nshow()",
		"len := func(s string) int { return 7 }\nlen(\"a\")",
	},
	"statements": {
		"var mu sync.Mutex\nvar wg sync.WaitGroup\nouter:\nfor i := range 3 {\n\tfor j := range 3 {\n\t\tif j == 1 { continue outer }\n\t\tif i == 2 { break outer }\n\t\tfmt.Println(i, j)\n\t}\n}",
		"var mu sync.Mutex\nmu.Lock()\nwg.Go(func() { mu.Unlock() })\nwg.Wait()",
		"package main\n\nimport \"errors\"\n\nvar quotient, failed = func(a, b int) (int, error) { if b == 0 { return 0, errors.New(\"no\") }; return a / b, nil }(7, 2)\nquotient",
		"if n, err := strconv.Atoi(\"x\"); err != nil { fmt.Println(n, failed) } else { fmt.Println(\"no\") }",
		"var fib func(int) int\nfib = func(n int) int { if n < 2 { return n }; return fib(n-1) + fib(n-2) }\nfib(15)",
		"switch x := any(quotient).(type) {\ncase int:\n\tfmt.Println(\"int\", x)\ndefault:\n\tfmt.Println(\"other\")\n}",
		"type Node struct { Next *Node; Value int }\nfunc (n *Node) Sum() (s int) { for ; n != nil; n = n.Next { s += n.Value }; return s }\nlist := &Node{Value: 1}\nlist.Next = &Node{nil, 2}\nlist.Sum()",
		"quotient++\nquotient += 2; { quotient := 1; _ = quotient }\nquotient",
		"größe := map[string]int{\"ä\": 1}\ngröße[\"ä\"]++\ngröße",
		"!mkdir -p below && echo content > below/file\n%cd below\ndata, err := os.ReadFile(\"file\")\nfmt.Println(string(data), err)",
	},
	"constants": {
		"const (\n\tA = iota\n\tB\n)\nconst size = 3\nvar grid [size]int",
		"fmt.Println(A, B, len(grid))",
		"const size = 5\nlen([size]int{})",
		"len(grid)",
		"type Kind int\nconst (\n\tSmall Kind = iota\n\tLarge\n)\nfunc (k Kind) String() string { return [...]string{\"small\", \"large\"}[k] }\nLarge",
	},
	"commands": {
		"!echo from the shell",
		"%env COLOUR=\"dark blue\"\n!echo $COLOUR",
		"%%\nlocal := 3\nfmt.Println(local)",
		"%args one two\nfmt.Println(os.Args[1:])",
		"func greet() { fmt.Println(\"hello\", os.Args[1:]) }\n%exec greet you",
		"%%bash\necho \"a script\"",
		"func main() { fmt.Println(\"main\") }\nfunc init_it() { fmt.Println(\"init\") }",
		"old := 1\n!true",
		"%rm old",
		"old := \"new\"\nold",
		"%%writefile written.txt\nsome\ntext",
		"data, _ := os.ReadFile(\"written.txt\")\nstring(data)",
		"%reset",
		"func greet() int { return 1 }\ngreet()",
	},
	"arguments": {
		"var (\n\twidth = flag.Int(\"width\", 4, \"of the base\")\n\tfill = flag.String(\"fill\", \"x\", \"what of\")\n)\nfunc show() { fmt.Println(*width, *fill, flag.Args(), os.Args[1:]) }",
		"%% --width=3 --fill=o\nshow()",
		"%args --width=2 one two\nfunc main() {\n\tflag.Parse()\n\tshow()\n}",
		"%exec show --width=5 --fill=# rest",
		"show()",
		"%%\nshow()",
		"var width = flag.Int(\"width\", 9, \"again\")\n%% -width 1\nfmt.Println(*width)",
		"%capture said.txt\nfmt.Println(\"kept\")\n7",
		"%capture -a said.txt\n!echo added",
		"!cat said.txt",
	},
	"text": {
		"// A cell's comment.\n\n// Of x.\nx := `raw\n// no comment\n` // behind\n/* long */\ny := x + \"/*line In[1]:1:1*/\" ; z := 1 // both\n// at the end",
		"fmt.Print(x, y, z)\nx, z = \"\", 0\nvar (\n\t// First of them.\n\tp, q = 1, 2\n\tr float64\n)\np + q + int(r)",
		"s := struct{ a int; b []map[string]*int }{a: 1}\nf := func(in ...int) (n int, err error) { return len(in), nil }\nn, _ := f(1, 2)\nfmt.Println(s.a, n)",
		"var receive <-chan func() = nil\nvar send chan<- (chan int)\nreceive == nil && send == nil",
	},
}

// notice is what the kernel says of special lines.
var notice = regexp.MustCompile(`(?m)^(Set: |Changed directory|removed |All values|Cell contents).*\n`)

// printed is an Output that keeps what a program would print.
type printed struct{ strings.Builder }

func (p *printed) Stream(name, text string) {
	if name == "stdout" {
		p.WriteString(text)
	}
}
func (p *printed) Display(m display.Message) { p.Result(m.Bundle) }
func (p *printed) Result(b display.Bundle)   { fmt.Fprintln(p, b.Data["text/plain"]) }

func writeNotebook(t *testing.T, name string, cells []string) *client.Notebook {
	t.Helper()
	var list []any
	for _, source := range cells {
		tags := []string{}
		if tag, rest, ok := strings.Cut(source, "]"); ok && strings.HasPrefix(tag, "[") && (tag == "["+client.TagMayFail || tag == "["+client.TagSkip) {
			tags, source = append(tags, tag[1:]), rest
		}
		list = append(list, map[string]any{"cell_type": "code", "metadata": map[string]any{"tags": tags}, "source": source, "outputs": []any{}, "execution_count": nil})
	}
	data, err := json.Marshal(map[string]any{"nbformat": 4, "nbformat_minor": 4, "metadata": map[string]any{}, "cells": list})
	if err != nil {
		t.Fatal(err)
	}
	nb, err := client.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	nb.Path = name + ".ipynb"
	return nb
}

func catalogue(t *testing.T) *host.Catalogue {
	t.Helper()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	tools, err := host.FindToolchain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := host.OpenCatalogue(t.Context(), tools, root, hostPackages)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The programs print what the notebooks do, and are as gofmt and go vet want them.
func TestProgramsDoWhatNotebooksDo(t *testing.T) {
	c := catalogue(t)
	dir := t.TempDir()
	imports := map[string]bool{}
	programs := map[string]*Program{}
	for name, cells := range cases {
		p, err := Write(t.Context(), writeNotebook(t, name, cells), c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		programs[name] = p
		folder := filepath.Join(dir, goName(name))
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range p.Files {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range p.Imports {
			imports[path] = true
		}
	}
	build(t, c, dir, slices.Sorted(maps.Keys(imports)))

	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	options := session.Options{ModuleDir: root, Packages: hostPackages, Dir: work}
	s, err := session.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, cells := range cases {
		if programs[name] == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			// The case before may have changed the folder.
			if err := errors.Join(s.SetEnvironment(t.Context(), work, nil), s.Reset(t.Context())); err != nil {
				t.Fatal(err)
			}
			e, err := command.New(s, command.Options{Dir: work, ModuleDir: root})
			if err != nil {
				t.Fatal(err)
			}
			var want printed
			for i, source := range cells {
				tag, rest, _ := strings.Cut(source, "]")
				if tag == "["+client.TagSkip {
					continue
				}
				mayFail := tag == "["+client.TagMayFail
				if mayFail {
					source = rest
				}
				if r := e.Execute(t.Context(), session.Cell{Number: i + 1, Source: source}, &want); r.Err != nil && !mayFail {
					t.Fatalf("cell %d: %v", i+1, r.Err)
				}
			}
			program := exec.CommandContext(t.Context(), filepath.Join(dir, "bin", goName(name)))
			program.Dir = work
			var stderr strings.Builder
			program.Stderr = &stderr
			got, err := program.Output()
			// The one difference: types are main's.
			if wanted := notice.ReplaceAllString(strings.ReplaceAll(want.String(), "cell.", "main."), ""); err != nil || string(got) != wanted {
				t.Errorf("%v\nthe program prints\n%s\nthe notebook\n%s\nstderr %s", err, got, want.String(), stderr.String())
				for _, file := range slices.Sorted(maps.Keys(programs[name].Files)) {
					t.Logf("%s\n%s", file, programs[name].Files[file])
				}
			}
		})
	}
}

// build builds the programs below dir into dir/bin.
func build(t *testing.T, c *host.Catalogue, dir string, imports []string) {
	t.Helper()
	modules, err := c.Modules(t.Context(), imports...)
	if err != nil {
		t.Fatal(err)
	}
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range modules { // the tests' module is Fovea itself: nothing stands for it
		if m.Path == home.Module {
			modules[i].Replace = root
		}
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"go.mod": GoMod("notebook.local/test", "test", modules), "go.sum": GoSum(string(sums), modules)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"build", "-o", "bin/", "./..."}, {"vet", "./..."}} {
		command := exec.CommandContext(t.Context(), "go", args...)
		command.Dir = dir
		command.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN="+host.Release)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func TestWhatIsLeftIsTold(t *testing.T) {
	p, err := Write(context.Background(), writeNotebook(t, "left", []string{
		"!*go get example.com/m\nx := 1", "%vars", "os.Exit(3)", "%%script", "%track ../m",
		"func f() {}\nfunc g() { f() }", "func f() {}",
	}), catalogue(t))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, l := range p.Left {
		lines = append(lines, l.String())
	}
	text := strings.Join(lines, "\n")
	for _, want := range []string{"cell 1: !*go get example.com/m: ", "cell 2: %vars: it is about", "cell 3: os.Exit: ", "cell 4: %%script: ", "cell 5: %track ../m: "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if renamed := strings.Join(p.Renamed, "; "); !strings.Contains(renamed, "f of cell 7 is called f2") || !strings.Contains(renamed, "g of cell 7 is called g2") {
		t.Errorf("renamed: %s", renamed)
	}
	if text := p.Files["cell1.go"]; !strings.Contains(text, "// !*go get example.com/m: ") {
		t.Errorf("no comment in\n%s", text)
	}
}

func TestACellThatDoesNotCompileIsNamed(t *testing.T) {
	_, err := Write(context.Background(), writeNotebook(t, "bad", []string{"x := 1", "y := x + \"a\""}), catalogue(t))
	if err == nil || !strings.Contains(err.Error(), "cell 2: In[2]:1:") {
		t.Errorf("got %v", err)
	}
}
