//go:build linux

package session

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fovea/internal/home"
)

// Packages that come one after the other use each other's and the host library's types, whatever compiler made them.
func TestLaterPackages(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"go.mod": "module example.test/later\n\ngo 1.26\n",
		"shape/shape.go": `package shape
import ("errors"; "fmt"; "maps"; "slices"; "sync/atomic"; "time")
type Named interface{ Name() string }
type Box[T any] struct { Value T; Ring [3]*T }
func (b Box[T]) Name() string { return fmt.Sprintf("box of %T", b.Value) }
type Pair struct { Box[int]; At time.Time; Err error }
var Table = map[string]Pair{"one": {Box: Box[int]{Value: 1}}}
var Count atomic.Int64
var errOwn = errors.New("own")
func Fail() error { return fmt.Errorf("wrapped: %w", errOwn) }
func Own(err error) bool { return errors.Is(err, errOwn) }
func Keys() []string { return slices.Sorted(maps.Keys(Table)) }
func Up(n int64) int64
func init() { Count.Store(Up(41)) }
`,
		"shape/up_amd64.s": "#include \"textflag.h\"\nTEXT ·Up(SB), NOSPLIT, $0-16\n\tMOVQ n+0(FP), AX\n\tINCQ AX\n\tMOVQ AX, ret+8(FP)\n\tRET\n",
		"hard/hard.go": `package hard
// static int twice(int n) { return 2*n; }
import "C"
import "example.test/later/shape"
func Twice(n int) int { shape.Count.Add(1); return int(C.twice(C.int(n))) }
func Box(n int) shape.Named { return shape.Box[int]{Value: n} }
`,
		"both/both.go": `package both
import ("example.test/later/hard"; "example.test/later/shape")
func Four(n int) int { return hard.Twice(hard.Twice(n)) }
func IsBox(v any) bool { _, ok := v.(shape.Box[int]); return ok }
func Strings() shape.Box[string] { return shape.Box[string]{Value: "s"} }
`})
	r := openNotebook(t, filepath.Join(dir, "n.ipynb"))
	r.ok("x := 1")
	for range 2 { // built, then found and loaded again
		r.ok("import \"example.test/later/shape\"\np := shape.Table[\"one\"]")
		r.want("p.Name() + \" \" + shape.Keys()[0]", "box of int one")
		r.want("shape.Own(shape.Fail())", "true")
		r.want("shape.Count.Load()", "42")
		r.want("import \"example.test/later/hard\"\nhard.Twice(21)", "42")
		r.want("import \"example.test/later/both\"\nboth.Four(x+1)", "8")
		r.want("shape.Count.Load()", "45")
		r.want("both.IsBox(hard.Box(3)) && both.IsBox(p.Box)", "true")
		r.want("var n shape.Named = both.Strings()\nn.Name()", "box of string")
		// A value made before later packages came is of the same type as theirs.
		r.want("_, ok := n.(shape.Box[string])\nok", "true")
		if err := r.s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.ok("x := 1")
	}
	found, err := filepath.Glob(filepath.Join(filepath.Dir(r.s.host.Worker), "later-*"))
	if err != nil || len(found) > 0 {
		t.Errorf("left behind: %v %v", found, err)
	}
	if names := r.s.host.Later(); len(names) != 3 || !strings.HasPrefix(filepath.Base(names[0]), "liblater-") {
		t.Errorf("libraries that came late: %v", names)
	}
}

// A session opens with packages as they are now, although what the go command said of them is kept.
func TestListingFollowsSources(t *testing.T) {
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	cache, dir := t.TempDir(), t.TempDir()
	put := func(word string) {
		writeFiles(t, dir, map[string]string{"go.mod": "module example.test/own\n\ngo 1.26\n", "word/word.go": "package word\n\nconst Word = \"" + word + "\"\n"})
		time.Sleep(50 * time.Millisecond) // what has just been written is not kept
	}
	open := func() *runner {
		s, err := Open(t.Context(), Options{Root: root, Dir: dir, Notebook: filepath.Join(dir, "n.ipynb"), Cache: cache, Loader: "fast",
			Packages: []string{"fmt", "example.test/own/word"}, Log: testLog{t}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return &runner{T: t, s: s}
	}
	// kept is when the one listing was written.
	kept := func() time.Time {
		found, err := filepath.Glob(filepath.Join(cache, "listing-*.json"))
		if err != nil || len(found) != 1 {
			t.Fatalf("listings %v, want one; %v", found, err)
		}
		info, err := os.Stat(found[0])
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	const cell = "import \"example.test/own/word\"\nword.Word"
	put("one")
	open().want(cell, "one")
	asked := kept()
	open().want(cell, "one")
	if !kept().Equal(asked) {
		t.Error("the go command was asked again")
	}
	put("two") // of the same size
	r := open()
	r.want(cell, "two")
	if kept().Equal(asked) {
		t.Error("the listing was not written again")
	}
	put("three")
	if err := r.s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.want(cell, "three")
}
