package view

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"unsafe"
)

// maxNodes bounds what is visited for one value's size.
const maxNodes = 20000

type seen struct {
	pointer unsafe.Pointer
	length  int
	typ     reflect.Type
}

// A sizer counts the memory that a value refers to, each piece once.
type sizer struct {
	busy    bool
	stopped bool // there is more
	nodes   int
	seen    map[seen]bool
}

func (s *sizer) fresh(p unsafe.Pointer, n int, t reflect.Type) bool {
	k := seen{p, n, t}
	if s.seen[k] {
		return false
	}
	s.seen[k] = true
	return true
}

// beyond is the size of what a value refers to, without itself.
func (s *sizer) beyond(v reflect.Value) (bytes int64) {
	if s.nodes++; s.nodes > maxNodes {
		s.stopped = true
		return 0
	}
	switch v.Kind() {
	case reflect.String:
		return int64(v.Len())
	case reflect.Pointer:
		if v.IsNil() || !s.fresh(v.UnsafePointer(), 0, v.Type()) {
			return 0
		}
		return int64(v.Type().Elem().Size()) + s.beyond(v.Elem())
	case reflect.Interface:
		if v.IsNil() {
			return 0
		}
		return int64(v.Elem().Type().Size()) + s.beyond(v.Elem())
	case reflect.Slice:
		if v.IsNil() || !s.fresh(v.UnsafePointer(), v.Cap(), v.Type()) {
			return 0
		}
		return int64(v.Cap())*int64(v.Type().Elem().Size()) + s.elements(v)
	case reflect.Array:
		return s.elements(v)
	case reflect.Struct:
		if refers(v.Type()) && opaque(v.Type()) {
			s.stopped = true
			return 0
		}
		for i := range v.NumField() {
			bytes += s.beyond(v.Field(i))
		}
	case reflect.Map:
		if v.IsNil() || !s.fresh(v.UnsafePointer(), 0, v.Type()) {
			return 0
		}
		entry := int64(v.Type().Key().Size() + v.Type().Elem().Size())
		bytes = int64(v.Len()) * entry
		if s.busy {
			s.stopped = s.stopped || refers(v.Type().Key()) || refers(v.Type().Elem())
			return bytes
		}
		if refers(v.Type().Key()) || refers(v.Type().Elem()) {
			for i := v.MapRange(); i.Next() && !s.stopped; {
				bytes += s.beyond(i.Key()) + s.beyond(i.Value())
			}
		}
	}
	return bytes
}

func (s *sizer) elements(v reflect.Value) (bytes int64) {
	if !refers(v.Type().Elem()) {
		return 0
	}
	for i := 0; i < v.Len() && !s.stopped; i++ {
		bytes += s.beyond(v.Index(i))
	}
	return bytes
}

// refers reports whether values of a type can refer to more memory.
func refers(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k >= reflect.Bool && k <= reflect.Complex128:
		return false
	case k == reflect.Array:
		return refers(t.Elem())
	case k == reflect.Struct:
		for i := range t.NumField() {
			if refers(t.Field(i).Type) {
				return true
			}
		}
		return false
	}
	return true
}

// maxNumbers bounds the numbers whose statistics are worth a millisecond.
const maxNumbers = 1 << 20

// stats is the least, the greatest and the mean of a list of numbers; "" for other values, and for very long lists.
func stats(v reflect.Value) string {
	var n int
	var sum float64
	least, greatest := math.Inf(1), math.Inf(-1)
	bad := 0
	add := func(x float64) {
		if math.IsNaN(x) {
			bad++
			return
		}
		n++
		sum += x
		least, greatest = min(least, x), max(greatest, x)
	}
	var walk func(v reflect.Value) bool
	walk = func(v reflect.Value) bool {
		if v.Kind() != reflect.Slice && v.Kind() != reflect.Array || n+v.Len() > maxNumbers {
			return false
		}
		k := v.Type().Elem().Kind()
		for i := range v.Len() {
			e := v.Index(i)
			switch {
			case k >= reflect.Int && k <= reflect.Int64:
				add(float64(e.Int()))
			case k >= reflect.Uint && k <= reflect.Uintptr:
				add(float64(e.Uint()))
			case k == reflect.Float32 || k == reflect.Float64:
				add(e.Float())
			default:
				if !walk(e) {
					return false
				}
			}
		}
		return true
	}
	if !walk(v) || n+bad < 2 {
		return ""
	}
	if n == 0 {
		return fmt.Sprintf("%d NaN", bad)
	}
	text := fmt.Sprintf("%s … %s, mean %s", short(least), short(greatest), short(sum/float64(n)))
	if bad > 0 {
		text += fmt.Sprintf(", %d NaN", bad)
	}
	return text
}

func short(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }
