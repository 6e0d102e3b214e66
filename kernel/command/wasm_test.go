//go:build linux

package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fovea/kernel/display"
	"fovea/kernel/session"
)

func TestWasmProgram(t *testing.T) {
	e := &Engine{}
	for _, cell := range []string{
		"import m \"math\"\ntype Circle struct{ R float64 }\nfunc (c *Circle) Area() float64 { return m.Pi * square(c.R) }",
		"func square(x float64) float64 { return x * x }\nfunc unused() { os.Exit(1) }",
		"var table map[string]int\nfunc init_table() { table = map[string]int{} }\nfunc init_other() { other() }",
		"const (\n\tA = iota\n\tB\n)\nx := 3",
		"func square(x float64) float64 { return x*x + 0 }",
	} {
		e.remember(cell)
	}
	got := wasmProgram("func main() {\n\tfmt.Println((&Circle{2}).Area(), len(table), B)\n}", e.declared, standardNames())
	want := `package main

import "fmt"
import m "math"

func main() {
	fmt.Println((&Circle{2}).Area(), len(table), B)
}

type Circle struct{ R float64 }

func (c *Circle) Area() float64 { return m.Pi * square(c.R) }

var table map[string]int

func init() { table = map[string]int{} }

const (
	A = iota
	B
)

func square(x float64) float64 { return x*x + 0 }
`
	// Imports are written with their names, and order does not matter.
	got = regexp.MustCompile(`import fmt "fmt"`).ReplaceAllString(got, `import "fmt"`)
	got = regexp.MustCompile(`import m +"math"`).ReplaceAllString(got, `import m "math"`)
	if got != want {
		t.Errorf("the program is\n%s\nwant\n%s", got, want)
	}
}

// page keeps the HTML that a cell shows.
type page struct {
	recorder
	html string
}

func (p *page) Display(m display.Message) { p.html += fmt.Sprint(m.Bundle.Data["text/html"]) }

// The script on the page runs the program. Node has what it needs of a page, but for the box.
func TestWasmOnAPage(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node, which runs programs for the browser")
	}
	if testing.Short() {
		t.Skip("compiles for the browser")
	}
	b := open(t)
	b.ok("func greet(name string) string { return \"hello, \" + name }")
	var out page
	r := b.engine.Execute(t.Context(), session.Cell{Number: 2, Source: "%wasm\n%% page\nfmt.Println(greet(os.Args[1]), len(GonbWasmDivId) > 10)"}, &out)
	if r.Err != nil {
		t.Fatal(r.Err, r.Err.Traceback)
	}
	_, script, _ := strings.Cut(out.html, "<script>")
	script, _, _ = strings.Cut(script, "</script>")
	file := filepath.Join(t.TempDir(), "page.cjs")
	head := "globalThis.document = {getElementById: (id) => ({append: (text) => console.log(text)})};\nglobalThis.fs ??= require('fs');\n"
	if err := os.WriteFile(file, []byte(head+script), 0o600); err != nil {
		t.Fatal(err)
	}
	printed, err := exec.Command(node, file).CombinedOutput()
	if err != nil || string(printed) != "hello, page true\n" {
		t.Errorf("%v: %s", err, printed)
	}
	if e := b.fails("%wasm\n%%\nnothing()", "undefined: nothing"); e.Name != "CompileError" {
		t.Errorf("%+v", e)
	}
}
