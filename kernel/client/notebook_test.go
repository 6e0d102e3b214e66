package client

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const emptyCell = `{"cell_type":"code","metadata":{},"outputs":[],"execution_count":null,"source":""}`

func notebook(cells ...string) string {
	return `{"cells":[` + strings.Join(cells, ",") + `],"metadata":{},"nbformat":4,"nbformat_minor":5}`
}

func TestBadFiles(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "tour.ipynb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, content, want string }{
		{"empty", " \n", "the file is empty"},
		{"truncated", string(whole[:len(whole)/2]), "cut off"},
		{"not JSON", "{\n\"cells\": [\n oops\n]}", "not JSON: line 3"},
		{"web page", "<!DOCTYPE html><html>", "web page"},
		{"merge", "{\n<<<<<<< HEAD\n\"cells\": []\n=======\n}", "unresolved merge"},
		{"two values", notebook() + notebook(), "after the notebook's end"},
		{"a list", "[1,2]", "holds a list"},
		{"other JSON", `{"name":"x"}`, "field nbformat"},
		{"format 3", `{"nbformat":3,"nbformat_minor":0,"worksheets":[]}`, "jupyter nbconvert --to notebook --nbformat 4"},
		{"format 5", `{"nbformat":5,"cells":[]}`, "newer"},
		{"no cells", `{"nbformat":4}`, "the field cells is missing"},
		{"cell type", notebook(emptyCell, `{"cell_type":"graph","source":""}`), "cell 2 of 2: its cell_type is graph"},
		{"source", notebook(`{"cell_type":"code","source":7}`), "its source is a number"},
		{"outputs", notebook(`{"cell_type":"code","source":"","outputs":{}}`), "its outputs are an object"},
		{"cell is text", notebook(`"hello"`), "it is text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.ipynb")
			if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			if !errors.Is(err, ErrNotebook) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an ErrNotebook about %q in %s", err, c.want, path)
			}
		})
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.ipynb")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Read(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
}

func TestCheckGo(t *testing.T) {
	code := strings.Replace(emptyCell, `"source":""`, `"source":"x := 1"`, 1)
	for _, c := range []struct{ name, content, want string }{
		{"no language named", notebook(code), ""},
		{"another kernel's Go", `{"cells":[` + code + `],"metadata":{"kernelspec":{"language":"go","name":"gonb"},"language_info":{"name":"Go"}},"nbformat":4}`, ""},
		{"Python", `{"cells":[` + code + `],"metadata":{"kernelspec":{"language":"python","display_name":"Python 3"}},"nbformat":4}`, `kernel "Python 3"`},
		{"no cells", notebook(), "no code cells"},
		{"only text", notebook(`{"cell_type":"markdown","source":"# x"}`, emptyCell), "no code cells"},
	} {
		nb, err := Parse([]byte(c.content))
		if err != nil {
			t.Fatal(err)
		}
		err = nb.CheckGo()
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrNotebook) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	if _, err := Parse([]byte("\uFEFF" + notebook(emptyCell))); err != nil {
		t.Error(err)
	}
}

func TestTitle(t *testing.T) {
	for source, want := range map[string]string{
		"x := 1\ny := 2":                   "x := 1",
		"\n// Train it.\nmodel := train()": "Train it.",
		"%%\nimport (\n\t\"fmt\"\n\n\tg \"a/b\"\n)\nfmt.Println(1)": "fmt.Println(1)",
		"import \"fmt\"": "import \"fmt\"",
		"// f does.\nfunc f() {\n\treturn\n}\n\nx := f()": "x := f()",
		"// f does.\nfunc f() {\n\treturn\n}":             "func f()",
		"// only a comment":                               "only a comment",
	} {
		if got := (&Cell{Source: source}).Title(); got != want {
			t.Errorf("title of %q is %q, want %q", source, got, want)
		}
	}
}

func TestSection(t *testing.T) {
	nb := readTour(t)
	var titles []string
	for i, c := range nb.Cells {
		if c.Type == "code" {
			titles = append(titles, nb.Title(i))
		}
	}
	want := []string{"A tour of what a page can show · Settings", "Streams · for i := range epochs {", "Streams · display.Show(figure)", "neverRun()", ""}
	if got := titles[:5]; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriteLeavesNothingHalfWritten(t *testing.T) {
	nb := readTour(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "out.ipynb")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	nb.Set(func() {}, "fovea", "unwritable") // as a broken output of a cell would be
	if err := nb.Write(path); err == nil {
		t.Error("a function was written as JSON")
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the old file became %q", got)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("the folder holds %v", entries)
	}
	if os.Geteuid() == 0 {
		return // root may write everywhere
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	if err := readTour(t).Write(filepath.Join(locked, "out.ipynb")); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestParameters(t *testing.T) {
	nb := readTour(t)
	parse := func(s string) Parameter {
		p, err := ParseParameter(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for range 2 { // the second time it replaces the cell of the first
		if err := nb.Inject([]Parameter{parse("epochs=5"), parse("name=12 wide"), parse("rate = 1e-3")}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := nb.Cells[2].Source, "// Parameters\nepochs = 5\nname = \"12 wide\"\nrate = 1e-3"; got != want || !nb.Cells[2].HasTag(TagInjected) {
		t.Errorf("injected %q, want %q", got, want)
	}
	if nb.Cells[3].HasTag(TagInjected) {
		t.Error("injected twice")
	}
	if nb.Cells[2].doc["id"] == nil {
		t.Error("the new cell has no id")
	}
	for _, c := range []struct{ parameter, want string }{
		{"epoch=5", "no parameter epoch; it has epochs, name, rate"},
		{"epochs=five times", "no Go expression"},
	} {
		if err := readTour(t).Inject([]Parameter{parse(c.parameter)}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.parameter, err, c.want)
		}
	}
	for _, bad := range []string{"epochs", "2x=1", "=1", "a b=1"} {
		if _, err := ParseParameter(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	plain, err := Parse([]byte(notebook(emptyCell)))
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.Inject([]Parameter{{"x", "1"}}); err == nil || !strings.Contains(err.Error(), "none of its code cells has the tag") {
		t.Errorf("without a tagged cell: %v", err)
	}
}

func TestGoValue(t *testing.T) {
	for _, c := range []struct {
		value string
		kind  declaredKind
		want  string
	}{
		{"5", kindOther, "5"},
		{"5", kindText, `"5"`},
		{`"5"`, kindText, `"5"`},
		{"[]int{1, 2}", kindOther, "[]int{1, 2}"},
		{"5*time.Second", kindOther, "5*time.Second"},
		{"true", kindUnknown, "true"},
		{"-1.5", kindUnknown, "-1.5"},
		{"hello", kindUnknown, `"hello"`},
		{"a b", kindUnknown, `"a b"`},
		{`"a b"`, kindUnknown, `"a b"`},
	} {
		if got, err := goValue(c.value, c.kind); err != nil || got != c.want {
			t.Errorf("%s (%d): got %s, %v; want %s", c.value, c.kind, got, err, c.want)
		}
	}
}
