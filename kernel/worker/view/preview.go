package view

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a preview.
const (
	maxPreview  = 120 // characters
	maxElements = 12
	maxNesting  = 4
)

// A previewer writes a value on one line, until there is no more room.
type previewer struct {
	b    strings.Builder
	busy bool
	left int
}

func (p *previewer) text() string {
	s := strings.ToValidUTF8(p.b.String(), "\uFFFD")
	if utf8.RuneCountInString(s) > maxPreview {
		s = string([]rune(s)[:maxPreview-1]) + "…"
	}
	return s
}

func (p *previewer) write(s string) {
	p.b.WriteString(s)
	p.left -= utf8.RuneCountInString(s)
}

func (p *previewer) value(v reflect.Value, depth int) {
	if p.left <= 0 {
		return
	}
	if !v.IsValid() {
		p.write("nil")
		return
	}
	if s, ok := ownText(v); ok {
		p.write(s)
		return
	}
	switch k := v.Kind(); {
	case depth > maxNesting:
		p.write("…")
	case k == reflect.String:
		p.write(quote(v.String()))
	case k == reflect.Float32:
		p.write(strconv.FormatFloat(v.Float(), 'g', 6, 32))
	case k == reflect.Float64:
		p.write(strconv.FormatFloat(v.Float(), 'g', 6, 64))
	case k == reflect.Pointer, k == reflect.Interface:
		if v.IsNil() {
			p.write("nil")
			return
		}
		if err, ok := plainError(v); ok {
			p.write(err)
			return
		}
		if k == reflect.Pointer {
			p.write("&")
		}
		p.value(v.Elem(), depth+1)
	case k == reflect.Struct:
		p.structure(v, depth)
	case k == reflect.Slice || k == reflect.Array:
		if k == reflect.Slice && v.IsNil() {
			p.write("nil")
			return
		}
		p.write("[")
		for i := range v.Len() {
			if i > 0 {
				p.write(" ")
			}
			if i == maxElements || p.left <= 0 {
				p.write("…")
				break
			}
			p.value(v.Index(i), depth+1)
		}
		p.write("]")
	case k == reflect.Map:
		p.mapping(v, depth)
	case k == reflect.Func || k == reflect.Chan || k == reflect.UnsafePointer:
		if v.IsNil() {
			p.write("nil")
			return
		}
		p.write(v.Type().String())
	default:
		p.write(fmt.Sprint(v)) // fmt prints the number that a reflect.Value holds
	}
}

func (p *previewer) structure(v reflect.Value, depth int) {
	if opaque(v.Type()) {
		p.write("{…}")
		return
	}
	p.write("{")
	for i := range v.NumField() {
		if i > 0 {
			p.write(" ")
		}
		if p.left <= 0 {
			p.write("…")
			break
		}
		p.write(v.Type().Field(i).Name + ":")
		p.value(v.Field(i), depth+1)
	}
	p.write("}")
}

func (p *previewer) mapping(v reflect.Value, depth int) {
	switch {
	case v.IsNil():
		p.write("nil")
		return
	case p.busy:
		p.write("{…} (a goroutine may be writing it)")
		return
	}
	// All keys of a large map would take long to sort; those of a small one come in order.
	entries := map[string]reflect.Value{}
	var keys []reflect.Value
	for i := v.MapRange(); i.Next() && len(keys) < 1000; {
		keys = append(keys, i.Key())
	}
	names := map[string]reflect.Value{}
	for _, k := range keys {
		q := previewer{left: 40}
		q.value(k, depth+1)
		name := q.text()
		names[name], entries[name] = k, v.MapIndex(k)
	}
	p.write("{")
	order := slices.SortedFunc(maps.Keys(names), func(a, b string) int { return compareKeys(names[a], names[b], a, b) })
	for i, name := range order {
		if i > 0 {
			p.write(" ")
		}
		if i == maxElements || p.left <= 0 {
			p.write("…")
			break
		}
		p.write(name + ":")
		p.value(entries[name], depth+1)
	}
	p.write("}")
}

func compareKeys(a, b reflect.Value, textA, textB string) int {
	switch {
	case a.CanInt() && b.CanInt() && a.Int() != b.Int():
		return map[bool]int{true: -1, false: 1}[a.Int() < b.Int()]
	case a.CanFloat() && b.CanFloat() && a.Float() != b.Float():
		return map[bool]int{true: -1, false: 1}[a.Float() < b.Float()]
	}
	return strings.Compare(textA, textB)
}

// plainError is the text of errors that errors.New and fmt.Errorf make.
func plainError(v reflect.Value) (string, bool) {
	if !v.CanInterface() {
		return "", false
	}
	err, ok := v.Interface().(error)
	if !ok {
		return "", false
	}
	switch reflect.TypeOf(err) {
	case reflect.TypeOf(errors.New("")), reflect.TypeOf(fmt.Errorf("%w", errors.New(""))):
		return err.Error(), true
	}
	return "", false
}

func quote(s string) string {
	if len(s) > 2*maxPreview {
		end := 2 * maxPreview
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		return strconv.Quote(s[:end]) + "…"
	}
	return strconv.Quote(s)
}
