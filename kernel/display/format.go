package display

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of format.
const (
	maxElements = 100 // of a slice, array or map; a longer one shows its first and last
	maxDepth    = 8   // of nested values, which also ends cycles
	lineWidth   = 100 // characters; what is longer goes on lines of its own
)

// format writes a value much like %+v, but with type names, line breaks where a line would be long, and limits: fmt
// would print all of a slice of ten million.
func format(v any) string {
	f := formatter{budget: maxText}
	return f.value(reflect.ValueOf(v), 0, true)
}

type formatter struct {
	budget int // characters that may still be written: depth and width alone allow an exponential tree
	indent int // levels of lists around the value; pointers add depth, but no level
}

func (f *formatter) value(v reflect.Value, depth int, typed bool) string {
	s := f.form(v, depth, typed)
	f.budget -= len(s)
	return s
}

func (f *formatter) form(v reflect.Value, depth int, typed bool) string {
	if !v.IsValid() {
		return "<nil>"
	}
	if depth > 0 {
		if s, ok := method(v); ok {
			return s
		}
	}
	if depth > maxDepth || f.budget <= 0 {
		return "…"
	}
	name := ""
	if typed {
		name = v.Type().String()
	}
	switch v.Kind() {
	case reflect.String:
		if depth == 0 {
			return v.String()
		}
		return strconv.Quote(cut(v.String()))
	case reflect.Pointer:
		if v.IsNil() {
			return "nil"
		}
		return "&" + f.value(v.Elem(), depth+1, true)
	case reflect.Interface:
		if v.IsNil() {
			return "nil"
		}
		return f.value(v.Elem(), depth+1, true)
	case reflect.Struct:
		var parts []string
		f.indent++
		for i := range v.NumField() {
			parts = append(parts, v.Type().Field(i).Name+": "+f.value(v.Field(i), depth+1, false))
		}
		f.indent--
		return join(v.Type().String()+"{", parts, "}", ", ", f.indent)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.IsNil() {
			return "nil"
		}
		return f.list(v, depth)
	case reflect.Map:
		if v.IsNil() {
			return "nil"
		}
		return f.mapping(v, depth, name)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		if v.IsNil() {
			return "nil"
		}
		return "<" + v.Type().String() + ">"
	case reflect.Float32:
		return strconv.FormatFloat(v.Float(), 'g', -1, 32)
	default:
		return fmt.Sprint(v) // fmt prints the value that a reflect.Value holds, unexported fields too
	}
}

func (f *formatter) list(v reflect.Value, depth int) string {
	n, name := v.Len(), ""
	if depth == 0 || n > maxElements {
		name = fmt.Sprintf("%s (%d) ", v.Type(), n)
	}
	elementTyped := v.Type().Elem().Kind() == reflect.Interface
	var parts []string
	f.indent++
	for i := range n {
		if n > maxElements && i >= maxElements-10 && i < n-10 {
			if i == maxElements-10 {
				parts = append(parts, "…")
			}
			continue
		}
		parts = append(parts, f.value(v.Index(i), depth+1, elementTyped))
		if f.budget <= 0 {
			parts = append(parts, "…")
			break
		}
	}
	f.indent--
	return join(name+"[", parts, "]", " ", f.indent)
}

func (f *formatter) mapping(v reflect.Value, depth int, name string) string {
	keys := v.MapKeys()
	slices.SortFunc(keys, compareKeys)
	var parts []string
	f.indent++
	for i, key := range keys {
		if i == maxElements || f.budget <= 0 {
			parts = append(parts, fmt.Sprintf("… (%d more)", len(keys)-i))
			break
		}
		parts = append(parts, f.value(key, depth+1, false)+": "+f.value(v.MapIndex(key), depth+1, false))
	}
	f.indent--
	return join(name+"{", parts, "}", ", ", f.indent)
}

func compareKeys(a, b reflect.Value) int {
	switch {
	case a.CanInt() && b.CanInt():
		return cmp.Compare(a.Int(), b.Int())
	case a.CanUint() && b.CanUint():
		return cmp.Compare(a.Uint(), b.Uint())
	case a.CanFloat() && b.CanFloat():
		return cmp.Compare(a.Float(), b.Float())
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// method uses a nested value's own text where it may be asked: values of unexported fields may not.
func method(v reflect.Value) (s string, ok bool) {
	if !v.CanInterface() || (v.Kind() == reflect.Pointer && v.IsNil()) {
		return "", false
	}
	defer func() {
		if recover() != nil {
			s, ok = "(its text panicked)", true
		}
	}()
	switch v := v.Interface().(type) {
	case error:
		return cut(v.Error()), true
	case fmt.Stringer:
		return cut(v.String()), true
	}
	return "", false
}

func cut(s string) string {
	const limit = 1000
	if len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// join puts the parts on one line when they fit, else on lines of their own; short parts, such as numbers, share lines.
func join(open string, parts []string, end, separator string, level int) string {
	line := open + strings.Join(parts, separator) + end
	if utf8.RuneCountInString(line) <= lineWidth && !strings.Contains(line, "\n") {
		return line
	}
	indent := strings.Repeat("  ", level+1)
	var out strings.Builder
	out.WriteString(open)
	column := lineWidth
	for _, part := range parts {
		n := utf8.RuneCountInString(part) + len(separator)
		if column+n > lineWidth || strings.Contains(part, "\n") {
			out.WriteString("\n" + indent)
			column = 0
		}
		out.WriteString(part)
		out.WriteString(strings.TrimRight(separator, " "))
		out.WriteString(" ")
		column += n
		if separator != " " { // fields and entries, which have names, get a line each
			column = lineWidth
		}
	}
	out.WriteString("\n" + indent[2:] + end)
	lines := strings.Split(out.String(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}
