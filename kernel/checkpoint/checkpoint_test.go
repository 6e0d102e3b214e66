package checkpoint

import (
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type node struct {
	Name string
	Next *node
	Kids []*node
}

type counter struct {
	Lock  sync.Mutex
	N     atomic.Int64
	Since time.Time
	Any   any
}

type handle struct{ bytes []byte }

func init() {
	Register(func(w io.Writer, h *handle) error { _, err := w.Write(h.bytes); return err },
		func(r io.Reader) (*handle, error) {
			b, err := io.ReadAll(r)
			return &handle{b}, err
		})
}

func open(t *testing.T) *os.File {
	f, err := os.Create(filepath.Join(t.TempDir(), "c"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// zero returns fresh variables of the same names and types.
func zero(variables []Variable) (fresh []Variable) {
	for _, v := range variables {
		fresh = append(fresh, Variable{v.Name, reflect.New(reflect.TypeOf(v.Pointer).Elem()).Interface()})
	}
	return fresh
}

func value(v Variable) any { return reflect.ValueOf(v.Pointer).Elem().Interface() }

// What is written comes back equal.
func TestValues(t *testing.T) {
	big := new(big.Int).Exp(big.NewInt(7), big.NewInt(100), nil)
	var text, nothing any = "ä", nil
	values := []any{true, int8(-3), 1 << 40, 2.5, float32(1) / 3, complex(1, -2), "größe", [3]uint16{1, 2, 3}, []float32{1, 2, 3}, []float32(nil), []int{},
		[][]string{{"a"}, nil, {}}, map[string][]int{"a": {1}, "b": nil}, map[string]int(nil), map[[2]int]bool{{1, 2}: true}, struct{ A, B any }{1, []any{"x", 2.5, nil}},
		map[string]any{"a": map[string]any{"b": []float64{1}}, "t": time.Unix(1, 2).UTC(), "d": time.Second}, time.Unix(1e9, 5).UTC(), big, []time.Duration{1, 2},
		(*node)(nil), &node{"a", &node{Name: "b"}, []*node{{Name: "c"}}}, []byte("bytes"), &text, &nothing, []bool{true, false}, (func())(nil)}
	var variables []Variable
	for i, v := range values {
		p := reflect.New(reflect.TypeOf(v))
		p.Elem().Set(reflect.ValueOf(v))
		variables = append(variables, Variable{string(rune('a' + i)), p.Interface()})
	}
	f := open(t)
	entries, err := Write(f, variables, Options{Automatic: true})
	if err != nil {
		t.Fatal(err)
	}
	fresh := zero(variables)
	back, err := Read(f, fresh, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range variables {
		if entries[i].Reason != "" || back[i].Reason != "" {
			t.Errorf("%T: %s %s", value(v), entries[i].Reason, back[i].Reason)
		} else if reflect.TypeOf(value(v)).Kind() != reflect.Func && !reflect.DeepEqual(value(v), value(fresh[i])) {
			t.Errorf("%T: %v, want %v", value(v), value(fresh[i]), value(v))
		}
	}
}

// What is shared stays shared, within a variable and between them.
func TestSharing(t *testing.T) {
	ring := &node{Name: "r"}
	ring.Next = &node{"s", ring, []*node{ring}}
	x := 5
	px, again := &x, &x
	data := []int{1, 2, 3}
	same := [][]int{data, data}
	table := map[string]int{"a": 1}
	tables := []map[string]int{table, table}
	h := &handle{[]byte(strings.Repeat("x", 200000))}
	handles := []*handle{h, h, nil}
	var c counter
	c.N.Store(7)
	c.Lock.Lock()
	c.Any = 3
	variables := []Variable{{"px", &px}, {"x", &x}, {"again", &again}, {"ring", &ring}, {"data", &data}, {"same", &same}, {"tables", &tables}, {"h", &h}, {"handles", &handles}, {"c", &c}}
	f := open(t)
	entries, err := Write(f, variables, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := entries[5].Needs; !reflect.DeepEqual(got, []string{"data"}) {
		t.Errorf("same needs %v", got)
	}
	ring, x, px, again, data, same, tables, h, handles = nil, 0, nil, nil, nil, nil, nil, nil, nil
	var c2 counter
	variables[9].Pointer = &c2
	back, err := Read(f, variables, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range back {
		if entries[i].Reason != "" || back[i].Reason != "" {
			t.Fatalf("%+v\n%+v", entries[i], back[i])
		}
	}
	if ring.Next.Next != ring || ring.Next.Kids[0] != ring || ring.Name != "r" {
		t.Error("the ring is broken")
	}
	if px != &x || again != &x || x != 5 {
		t.Error("pointers to a variable do not meet in it")
	}
	if &same[0][0] != &same[1][0] || &same[0][0] != &data[0] || data[2] != 3 {
		t.Error("slices are not shared")
	}
	if tables[0]["b"] = 2; tables[1]["b"] != 2 {
		t.Error("maps are not shared")
	}
	if handles[0] != h || handles[1] != h || handles[2] != nil || len(h.bytes) != 200000 {
		t.Error("values with a codec are not shared")
	}
	if c2.N.Load() != 7 || !c2.Lock.TryLock() || c2.Any != 3 {
		t.Error("counter")
	}
}

func TestRefusals(t *testing.T) {
	ch, f := make(chan int), func() {}
	holder := struct {
		A []any
	}{[]any{1, f}}
	file := os.Stderr
	long := &node{}
	for range maxDepth {
		long = &node{Next: long}
	}
	large := make([]int64, 1000)
	m := map[int]int{}
	h := &handle{}
	bad := &node{}
	badder := []any{bad, f}
	user := bad
	x, px := f, (*func())(nil)
	px = &x
	for _, c := range []struct {
		name    string
		pointer any
		want    string
		options Options
	}{
		{"ch", &ch, "is a channel", Options{}},
		{"f", &f, "is a function", Options{}},
		{"holder", &holder, ".A[1] holds a func()", Options{}},
		{"file", &file, "is a os.File, which has unexported fields", Options{}},
		{"long", &long, "nested too deeply", Options{}},
		{"large", &large, "too large to be kept without", Options{Automatic: true, Limit: 4000}},
		{"m", &m, "is a map, which cannot be read now: a goroutine", Options{NoMaps: "a goroutine runs"}},
		{"h", &h, "kept when it is asked for", Options{Automatic: true}},
		{"px", &px, "points to x, which cannot be kept", Options{}},
	} {
		out := open(t)
		kept := 7
		entries, err := Write(out, []Variable{{"badder", &badder}, {"user", &user}, {c.name, c.pointer}, {"kept", &kept}, {"x", &x}}, c.options)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(entries[2].Reason, c.want) {
			t.Errorf("%s: %q, want %q", c.name, entries[2].Reason, c.want)
		}
		if entries[1].Reason != "" || entries[3].Reason != "" {
			t.Errorf("%s: the others: %+v", c.name, entries)
		}
		// What failed has left nothing behind that others refer to.
		user, kept = nil, 0
		back, err := Read(out, []Variable{{"user", &user}, {"kept", &kept}, {c.name, c.pointer}}, nil)
		if err != nil || back[0].Reason != "" || user == nil || kept != 7 || back[2].Reason == "" {
			t.Errorf("%s: %v %+v %v %v", c.name, err, back, user, kept)
		}
		bad = user
		badder[0] = any(bad)
	}
}

func TestChangedType(t *testing.T) {
	f := open(t)
	x, y := 1, "y"
	if _, err := Write(f, []Variable{{"x", &x}, {"y", &y}}, Options{}); err != nil {
		t.Fatal(err)
	}
	var other float64
	y = ""
	back, err := Read(f, []Variable{{"x", &other}, {"y", &y}}, nil)
	if err != nil || !strings.Contains(back[0].Reason, "another type") || other != 0 || y != "y" {
		t.Errorf("%v %+v", err, back)
	}
}

func TestStop(t *testing.T) {
	large := make([]string, 1<<20)
	if _, err := Write(open(t), []Variable{{"large", &large}}, Options{Stop: func() bool { return true }}); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
}

// A file that was cut or changed is an error, not a fault.
func TestDamage(t *testing.T) {
	f := open(t)
	x := map[string]any{"a": []int{1, 2}, "b": &node{Name: "n"}}
	y := []any{"text", 3}
	if _, err := Write(f, []Variable{{"x", &x}, {"y", &y}}, Options{}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for _, damaged := range [][]byte{whole[:i], append(append(append([]byte{}, whole[:i]...), whole[i]^0x55), whole[i+1:]...)} {
			path := filepath.Join(t.TempDir(), "d")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = Read(d, zero([]Variable{{"x", &x}, {"y", &y}}), nil)
			d.Close()
		}
	}
}
