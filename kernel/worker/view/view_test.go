package view

import (
	"bytes"
	"errors"
	"image"
	"math"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"
)

type pair struct {
	X int
	N *pair
}

func TestOf(t *testing.T) {
	ring := &pair{X: 1}
	ring.N = ring
	long := make([]int32, 5000)
	long[7] = -3
	for name, c := range map[string]struct {
		pointer any
		want    Value
	}{
		"number":  {new(int), Value{Type: "int", Preview: "0", Bytes: 8}},
		"text":    {ptr("größe"), Value{Type: "string", Shape: "7", Preview: `"größe"`, Bytes: 23}},
		"slice":   {ptr([]float64{1, 2, 6}), Value{Type: "[]float64", Shape: "3", Preview: "[1 2 6]", Stats: "1 … 6, mean 3", Bytes: 48}},
		"nan":     {ptr([]float32{1, float32(math.NaN())}), Value{Type: "[]float32", Shape: "2", Preview: "[1 NaN]", Stats: "1 … 1, mean 1, 1 NaN", Bytes: 32}},
		"matrix":  {ptr([][]int{{1, 2}, {3, 4}, {5, 6}}), Value{Type: "[][]int", Shape: "3 × 2", Preview: "[[1 2] [3 4] [5 6]]", Stats: "1 … 6, mean 3.5", Bytes: 24 + 72 + 48}},
		"ragged":  {ptr([][]int{{1}, {}}), Value{Type: "[][]int", Shape: "2", Preview: "[[1] []]", Bytes: 24 + 48 + 8}},
		"long":    {&long, Value{Type: "[]int32", Shape: "5000", Preview: "[0 0 0 0 0 0 0 -3 0 0 0 0 …]", Stats: "-3 … 0, mean -0.0006", Bytes: 24 + 20000}},
		"nil":     {new([]int), Value{Type: "[]int", Shape: "0", Preview: "nil", Bytes: 24}},
		"map":     {ptr(map[string]int{"b": 2, "a": 1}), Value{Type: "map[string]int", Shape: "2", Preview: `{"a":1 "b":2}`, Bytes: 8 + 2*24 + 2}},
		"keys":    {ptr(map[int]bool{10: true, 9: false}), Value{Type: "map[int]bool", Shape: "2", Preview: "{9:false 10:true}", Bytes: 8 + 18}},
		"ring":    {&ring, Value{Type: "*view.pair", Preview: "&{X:1 N:&{X:1 N:&…}}", Bytes: 8 + 16}},
		"image":   {ptr(image.NewGray(image.Rect(1, 1, 4, 3))), Value{Type: "*image.Gray", Shape: "3 × 2", Preview: "&{Pix:[0 0 0 0 0 0] Stride:3 Rect:{Min:{X:1 Y:1} Max:{X:4 Y:3}}}", Bytes: 8 + 64 + 6}},
		"any":     {ptr[any](2.5), Value{Type: "float64", Preview: "2.5", Bytes: 8}},
		"error":   {ptr(errors.New("went wrong")), Value{Type: "*errors.errorString", Preview: "went wrong", Bytes: 24, AtLeast: true}},
		"time":    {ptr(90 * time.Second), Value{Type: "time.Duration", Preview: "1m30s", Bytes: 8}},
		"big":     {ptr(big.NewInt(1).Lsh(big.NewInt(1), 70)), Value{Type: "*big.Int", Preview: "1180591620717411303424", Bytes: 8 + 32, AtLeast: true}},
		"library": {ptr(bytes.NewBufferString("abc")), Value{Type: "*bytes.Buffer", Preview: "&{…}", Bytes: 8 + 40, AtLeast: true}},
		"lock":    {new(sync.Mutex), Value{Type: "sync.Mutex", Preview: "{…}", Bytes: 8}},
		"channel": {ptr(make(chan int, 5)), Value{Type: "chan int", Shape: "0/5", Preview: "chan int", Bytes: 8}},
	} {
		if got := Of(c.pointer, false); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// Large values are described in little time, in a short line.
func TestLarge(t *testing.T) {
	deep := make([]any, 1)
	for range 1000 {
		deep = []any{deep}
	}
	words := make([]string, 1<<20)
	table := map[int][]int{}
	for i := range 100000 {
		table[i] = []int{i}
	}
	text := strings.Repeat("ä", 1<<20)
	for _, pointer := range []any{&deep, &words, &table, &text} {
		begun := time.Now()
		v := Of(pointer, false)
		if n := len([]rune(v.Preview)); n > maxPreview {
			t.Errorf("%s: %d characters", v.Type, n)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("%s: %v", v.Type, took)
		}
	}
	if v := Of(&words, false); !v.AtLeast || v.Bytes < 16<<20 {
		t.Errorf("%+v", v)
	}
}

// Nobody iterates over a map that may be written.
func TestBusy(t *testing.T) {
	m := map[string][]int{"a": {1}}
	if v := Of(&m, true); v.Shape != "1" || !strings.Contains(v.Preview, "goroutine") || !v.AtLeast {
		t.Errorf("%+v", v)
	}
}
