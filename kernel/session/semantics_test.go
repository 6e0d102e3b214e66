//go:build linux

package session

import (
	"strings"
	"testing"
)

// A step is one cell of a case, and what it must do. Empty fields but source are not checked, except that a cell
// without err must end well.
type step struct {
	source string
	stdout string
	result string
	err    string // "Name: part of the message"
	note   string // part of a note
}

var cases = []struct {
	name  string
	steps []step
}{
	{"values live", []step{
		{source: "x := 41"},
		{source: "x + 1", result: "42"},
		{source: "x++; y, z := x*2, \"z\"", result: ""},
		{source: "fmt.Println(x, y, z)", stdout: "42 84 z\n"},
		{source: "var a, b = 1, 2.5\nvar c []string\nc = append(c, \"q\")"},
		{source: "fmt.Println(a, b, c)", stdout: "1 2.5 [q]\n"},
	}},
	{"types and methods", []step{
		{source: "type point struct { x, y int; tag string }\nfunc (p *point) norm1() int { return p.x + p.y }\npt := &point{1, 2, \"a\"}\npts := map[string]*point{\"a\": pt}\nfmt.Printf(\"%+v %T\\n\", *pt, pt)",
			stdout: "{x:1 y:2 tag:a} *cell.point\n"},
		{source: "pt.x = 10\nfor i := range 3 { pt.y += i }\npt.norm1()", result: "15"},
		{source: "func scale(p *point, k int) { p.x *= k; p.y *= k }\nscale(pt, 3)\nfmt.Println(pt.x, pt.y, pts[\"a\"] == pt)", stdout: "30 15 true\n"},
		{source: "// a new method for an old type: variables move\nfunc (p *point) String() string { return fmt.Sprintf(\"<%d,%d>\", p.x, p.y) }\nfmt.Println(pt)\nvar st fmt.Stringer = pt\nst.String()",
			stdout: "<30,15>\n", result: "<30,15>", note: "pt has moved"},
		{source: "type point struct { x, y, z int }\nfmt.Println(*pt, pts[\"a\"] == pt)", stdout: "{30 15 0} true\n", note: "fields of point: dropped tag; zero in the new version: z"},
		{source: "pt = &point{1,2,3}\nfmt.Println(*pt, len(pts))", stdout: "{1 2 3} 1\n"},
	}},
	{"fields come and go", []step{
		{source: "type inner struct { n int; s []string }\ntype node struct { name string; next *node; in inner; m map[string]inner; a [2]inner; old int; size int; e error; f func() inner }\nnd := node{name: \"a\", in: inner{1, []string{\"s\"}}, m: map[string]inner{\"k\": {2, nil}}, size: 3, e: io.EOF, f: func() inner { return inner{} }}\nnd.a[1].n = 4\nnd.next = &node{name: \"b\", next: &nd}\nlist := []*node{nd.next, nil, nd.next}\nvar none []node\nvar held any = nd"},
		{source: "type inner struct { n int; s []string; extra bool }\ntype node struct { size float64; name string; in inner; next *node; m map[string]inner; a [2]inner; e error; f func() inner }",
			note: "fields of node: dropped old, size, f; zero in the new version: size, f"},
		{source: "fmt.Println(nd.name, nd.in.n, nd.in.s, nd.m[\"k\"].n, nd.a[1].n, nd.size, nd.e, nd.f == nil, none == nil)", stdout: "a 1 [s] 2 4 0 EOF true true\n"},
		{source: "fmt.Println(nd.next.name, nd.next.next.name, list[0] == nd.next, list[1] == nil, list[0] == list[2], nd.next.next == &nd)", stdout: "b a true true true true\n"},
		{source: "_, same := held.(node)\nsame", result: "false"},
		{source: "type kind struct { n int }\nk := kind{1}\nks := []kind{k}"},
		{source: "type kind []int\nfmt.Println(k == nil, ks == nil)", stdout: "true true\n", note: "k is reset"},
	}},
	{"embedded types", []step{
		{source: "type base struct { ID int; name string }\nfunc (b base) hello() string { return b.name }\ntype Outer struct { base; *strings.Builder }\no := Outer{base: base{1, \"n\"}, Builder: &strings.Builder{}}"},
		{source: "o.WriteString(\"w\")\nfmt.Println(o.hello(), o.ID, o.base.name, o.String())", stdout: "n 1 n w\n"},
		{source: "type failing struct { error }\nf := failing{errors.New(\"e\")}\nf.error.Error() + f.Error()", result: "ee"},
		{source: "type greeter interface { hello() string }\nvar g greeter = o\ng.hello()", result: "n"},
	}},
	{"generics", []step{
		{source: "func Map[T, U any](xs []T, f func(T) U) []U { var out []U; for _, x := range xs { out = append(out, f(x)) }; return out }\ntype Stack[T any] struct { items []T }\nfunc (s *Stack[T]) Push(x T) { s.items = append(s.items, x) }\nfunc (s *Stack[T]) Len() int { return len(s.items) }"},
		{source: "var stk Stack[string]\nstk.Push(\"q\"); stk.Push(\"r\")\nfmt.Println(Map([]int{1,2,3}, func(i int) string { return strings.Repeat(\"z\", i) }), stk.Len())", stdout: "[z zz zzz] 2\n"},
		{source: "fmt.Println(stk.items, stk.Len())", stdout: "[q r] 2\n"},
		{source: "type pair[K comparable, V any] struct { k K; v V }\nps := []pair[string, *Stack[int]]{{\"a\", &Stack[int]{}}}\nps[0].v.Push(4)"},
		{source: "fmt.Printf(\"%v %T\", ps[0].v.items, ps[0].k)", stdout: "[4] string"},
	}},
	{"generic types of the library", []step{
		{source: "import \"sync/atomic\"\nvar ap atomic.Pointer[string]\nv := \"x\"\nap.Store(&v)\nfmt.Println(*ap.Load(), fmt.Sprintf(\"%T\", &ap))", stdout: "x *atomic.Pointer[string]\n"},
		{source: "import \"net/netip\"\nad := netip.MustParseAddr(\"::1%eth0\")\nfmt.Println(ad, reflect.TypeOf(ad).Field(1).Type.NumMethod())", stdout: "::1%eth0 1\n"},
		{source: "import \"unique\"\nh := unique.Make(\"abc\")\nh.Value()", result: "abc"},
		{source: "import \"iter\"\nvar q iter.Seq[int] = func(y func(int) bool) { for i := 0; i < 3; i++ { if !y(i) { return } } }\nsum := 0\nfor v := range q { sum += v }\nfmt.Println(sum, slices.Collect(q))", stdout: "3 [0 1 2]\n"},
	}},
	{"callers are compiled again", []step{
		{source: "helper := func() int { return 7 }\nfunc g() int { return f0() + 1 }\nfunc f0() int { return 1 }"},
		{source: "g()", result: "2"},
		{source: "func f0() int { return 100 }", note: "g of In[1] compiled again"},
		{source: "g()", result: "101"},
		{source: "func f0() string { return \"now a string\" }", err: "CompileError: In[1] does not fit"},
		{source: "g()", result: "101"},
		{source: "func g() string { return f0() + \"!\" }\nfunc f0() string { return \"now a string\" }\ng()", result: "now a string!"},
		{source: "const N = 3\nfunc triple(x int) int { return N*x }\nhelper()", result: "7"},
		{source: "const N = 4", note: "triple of"},
		{source: "triple(2)", result: "8"},
	}},
	{"variables declared again", []step{
		{source: "x := 5\nfunc usex() float64 { return float64(x) * 2 }"},
		{source: "x := 6\nusex()", result: "12"},
		{source: "x := x + 1\nx", result: "7"},
		{source: "x := 2.5", note: "usex of In[1] compiled again"},
		{source: "usex()", result: "5"},
		{source: "x := \"str\"", err: "CompileError: "},
		{source: "usex()", result: "5"},
		{source: "y := []int{1}\nz := y"},
		{source: "y := fmt.Sprint(y, len(y))\ny", result: "[1] 1"},
		{source: "z, y := len(y), z\nfmt.Sprint(z, y)", result: "5 [1]"},
		{source: "f := func(x int) int { return x }\nf := 1", err: "CompileError: cannot use 1"},
		{source: "w := 5\nw := \"five\"", err: "CompileError: cannot use \"five\""},
		{source: "fmt.Println(late)\nlate := 1", err: "CompileError: undefined: late"},
	}},
	{"a package's name may be taken", []step{
		{source: "import \"strings\"\nstrings := strings.Fields(\"a b\")\nlen(strings)", result: "2"},
		{source: "strings[1]", result: "b"},
		{source: "import \"strings\"\nstrings.ToUpper(\"x\")", result: "X", note: "strings means the package"},
	}},
	{"imports", []step{
		{source: "import (\n\tstr \"strings\"\n\t. \"math\"\n\t_ \"net/url\"\n\t\"encoding/json\"\n)"},
		{source: "fmt.Println(str.ToUpper(\"a\"), Sqrt(Abs(-16)), Pi > 3)", stdout: "A 4 true\n"},
		{source: "type t struct { A int; b int; C string `json:\"c,omitempty\"`; d string }\nv := t{1, 2, \"x\", \"y\"}\nb, err := json.Marshal(v)\nstring(b)", result: `{"A":1,"c":"x"}`},
		{source: "json.Unmarshal([]byte(`{\"A\":5,\"b\":9}`), &v)\nfmt.Printf(\"%+v\", v)", stdout: "{A:5 b:2 C:x d:y}"},
		{source: "import \"no/such/package\"", err: "PackageError: package no/such/package is not in std"},
		{source: "import \"github.com/nobody/nothing\"", err: "PackageError: cannot find module providing package github.com/nobody/nothing"},
		{source: "import \"C\"", err: "CompileError: a cell cannot contain C code"},
		{source: "len(Sprint())", err: "CompileError: undefined: Sprint"},
	}},
	{"packages that come later", []step{
		{source: "a := 1"},
		{source: "import \"encoding/csv\"\nw := csv.NewWriter(os.Stdout)\nw.Write([]string{\"a\", \"b\"})\nw.Flush()\na", stdout: "a,b\n", result: "1", note: "loaded encoding/csv"},
		{source: "import (\n\t\"container/heap\"\n\t\"image/color\"\n)\ntype ints []int\nfunc (h ints) Len() int { return len(h) }\nfunc (h ints) Less(i, j int) bool { return h[i] < h[j] }\nfunc (h ints) Swap(i, j int) { h[i], h[j] = h[j], h[i] }\nfunc (h *ints) Push(x any) { *h = append(*h, x.(int)) }\nfunc (h *ints) Pop() any { old := *h; x := old[len(old)-1]; *h = old[:len(old)-1]; return x }\nh := &ints{5, 2, 8}\nheap.Init(h)\nheap.Pop(h)", result: "2"},
	}},
	{"goroutines and channels", []step{
		{source: "ch := make(chan int)\ncounter := 0\nack := make(chan bool)\ngo func() { for v := range ch { counter += v }; ack <- true }()"},
		{source: "for i := 0; i < 10; i++ { ch <- i }\nclose(ch)\n<-ack\ncounter", result: "45"},
		{source: "var wg sync.WaitGroup\nfunc add(p *int, d ...int) { defer wg.Done(); for _, x := range d { *p += x } }\nwg.Add(1)\nn := 1\ngo add(&n, 2, 3)\nwg.Wait()\nn", result: "6"},
		{source: "func gadd[T int|float64](p *T, d T) { defer wg.Done(); *p += d }\nwg.Add(1)\nf := 1.5\ngo gadd(&f, 2)\nwg.Wait()\nf", result: "3.5"},
	}},
	{"interfaces and constants", []step{
		{source: "const N = 3\ntype Shape interface { Area() float64 }\ntype Sq struct{ S float64 }\nfunc (s Sq) Area() float64 { return s.S * s.S }\nshapes := []Shape{Sq{2}, Sq{N}}\nconst (\n\tred = iota\n\tgreen\n)"},
		{source: "s := 0.0\nfor _, sh := range shapes { if q, ok := sh.(Sq); ok { s += q.Area() } }\nfmt.Println(s, N, green)", stdout: "13 3 1\n"},
		{source: "func (s Sq) Double() Sq { return Sq{2*s.S} }\nshapes = append(shapes, Sq{1}.Double())\nlen(shapes)", result: "3"}, // the two older ones keep the old type
	}},
	{"statements", []step{
		{source: "if v, err := strconv.Atoi(\"12\"); err == nil { fmt.Println(\"v\", v) } else { fmt.Println(err) }\na, err := strconv.Atoi(\"zz\")\nb, err := strconv.Atoi(\"7\")\nfmt.Println(a, b, err)", stdout: "v 12\n0 7 <nil>\n"},
		{source: "package main\n\ndefer fmt.Println(\"deferred\")\nswitch b { case 7: fmt.Println(\"seven\") }\nif b == 7 { return }\nfmt.Println(\"never\")", stdout: "seven\ndeferred\n"},
		{source: "outer:\nfor i := range 3 { for j := range 3 { if j == 1 { continue outer }; if i == 2 { break outer }; fmt.Print(i, j, \" \") } }", stdout: "0 0 1 0 "},
		{source: "func init() { fmt.Println(\"init ran\") }", stdout: "init ran\n"},
		{source: "_ = err\nvar _ fmt.Stringer\n// only a comment at the end"},
		{source: "// nothing but a comment"},
		{source: ""},
	}},
	{"what is shown", []step{
		{source: "1 + 1", result: "2"},
		{source: "x := 3\nx;", result: ""},
		{source: "len(\"abc\")", result: "3"},
		{source: "float32(2)", result: "2"},
		{source: "strconv.Atoi(\"12\")", result: "12"},
		{source: "strconv.Atoi(\"q\")", result: "0\nstrconv.Atoi: parsing \"q\": invalid syntax"},
		{source: "fmt.Println(\"p\")", stdout: "p\n", result: ""},
		{source: "errors.New(\"bad\")", result: "bad"},
		{source: "var err error\nerr", result: ""},
		{source: "struct{ a int; b string }{1, \"x\"}", result: ""},
		{source: "func noValue() {}\nnoValue()", result: ""},
		{source: "strings.ToUpper(\"ü\")", result: "Ü"},
	}},
	{"errors have their place", []step{
		{source: "a := 1\nb := undefinedName + a", err: "CompileError: undefined: undefinedName"},
		{source: "func f( {", err: "CompileError: this bracket is never closed"},
		{source: "x := )", err: "CompileError: unexpected )"},
		{source: "x = \"unterminated", err: "CompileError: string literal not terminated"},
		{source: "func f() int { }", err: "CompileError: missing return"},
		{source: "1 +", err: "CompileError: "},
		{source: "func f() { unused := 1 }", err: "CompileError: declared and not used: unused"},
		{source: "5\nfmt.Println()", err: "CompileError: is not used"},
		{source: "a", err: "CompileError: undefined: a"}, // nothing of the failed cells has stayed
	}},
}

func TestSemantics(t *testing.T) {
	for _, loader := range loaders {
		t.Run(loader, func(t *testing.T) {
			if loader == "plugin" && testing.Short() {
				t.Skip("plugins take half a second a cell")
			}
			s := openTest(t, Options{Loader: loader})
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					if err := s.Restart(t.Context()); err != nil {
						t.Fatal(err)
					}
					s.front.Forget()
					r := &runner{T: t, s: s}
					for _, step := range c.steps {
						r.step(step)
					}
				})
			}
		})
	}
}

func (r *runner) step(c step) {
	r.Helper()
	result, out := r.run(r.Context(), c.source)
	if c.err != "" {
		name, message, _ := strings.Cut(c.err, ": ")
		if result.Err == nil || result.Err.Name != name || !strings.Contains(result.Err.Message, message) {
			r.Fatalf("In[%d] %q: error %v, want %s", r.n, c.source, result.Err, c.err)
		}
		return
	}
	if result.Err != nil {
		r.Fatalf("In[%d] %q: %v\n%s", r.n, c.source, result.Err, strings.Join(result.Err.Traceback, "\n"))
	}
	if got := out.stdout.String(); got != c.stdout {
		r.Errorf("In[%d] %q: printed %q, want %q", r.n, c.source, got, c.stdout)
	}
	if c.result != "" && out.result != c.result {
		r.Errorf("In[%d] %q: value %q, want %q", r.n, c.source, out.result, c.result)
	}
	if notes := strings.Join(result.Notes, "\n"); !strings.Contains(notes, c.note) {
		r.Errorf("In[%d] %q: notes %q, want %q", r.n, c.source, notes, c.note)
	}
	if got := out.stderr.String(); got != "" {
		r.Errorf("In[%d] %q: stderr %q", r.n, c.source, got)
	}
}
