// Package view describes values in a line: type, shape, place, size, and what they begin with. It reads values and calls
// no code of theirs, but for types that are known to allow it: tensors and stores of GoMLX, which it knows by their methods.
package view

import (
	"fmt"
	"image"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A Value describes one value.
type Value struct {
	Type    string `json:"type"`              // of what an interface holds
	Shape   string `json:"shape,omitempty"`   // such as "3 × 224 × 224", "5" for five elements, "12 variables"
	Device  string `json:"device,omitempty"`  // where a tensor lies; "" for other values
	Preview string `json:"preview,omitempty"` // the value, or its beginning
	Stats   string `json:"stats,omitempty"`   // least, greatest and mean of numbers
	Bytes   int64  `json:"bytes"`             // that it takes, with what it points to
	AtLeast bool   `json:"atLeast,omitempty"` // not all of it was counted
}

// Of describes what a pointer points to. Where something else may be writing, busy, maps are not read: that would end
// the process.
func Of(pointer any, busy bool) (v Value) {
	defer func() {
		if fault := recover(); fault != nil { // a value that is torn
			v.Preview = fmt.Sprintf("(cannot be read: %v)", fault)
		}
	}()
	value := reflect.ValueOf(pointer).Elem()
	v.Type = value.Type().String()
	for value.Kind() == reflect.Interface && !value.IsNil() {
		value = value.Elem()
		v.Type = value.Type().String()
	}
	if describeTensor(&v, value) || describeStore(&v, value) {
		return v
	}
	s := sizer{busy: busy, seen: map[seen]bool{}}
	v.Bytes = int64(value.Type().Size()) + s.beyond(value)
	v.AtLeast = s.stopped
	v.Shape = shape(value)
	v.Stats = stats(value)
	p := previewer{busy: busy, left: maxPreview}
	p.value(value, 0)
	v.Preview = p.text()
	return v
}

// opaque reports whether a struct is a library's own affair: it has unexported fields, which goroutines of the library may be
// writing.
func opaque(t reflect.Type) bool {
	if strings.HasPrefix(t.PkgPath(), "cell/c") {
		return false
	}
	for i := range t.NumField() {
		if f := t.Field(i); !f.IsExported() && !strings.HasPrefix(f.PkgPath, "cell/c") {
			return true
		}
	}
	return false
}

// shape says how many there are.
func shape(v reflect.Value) string {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		if img, ok := picture(v); ok {
			return img
		}
		v = v.Elem()
	}
	if img, ok := picture(v); ok {
		return img
	}
	switch v.Kind() {
	case reflect.Map:
		return strconv.Itoa(v.Len())
	case reflect.Chan:
		return fmt.Sprintf("%d/%d", v.Len(), v.Cap())
	case reflect.String:
		return strconv.Itoa(v.Len())
	}
	var parts []string
	for v.Kind() == reflect.Slice || v.Kind() == reflect.Array {
		parts = append(parts, strconv.Itoa(v.Len()))
		if v.Len() == 0 || !even(v) {
			break
		}
		v = v.Index(0)
	}
	return strings.Join(parts, " × ")
}

// even reports whether all elements of a list of lists are of one length. It looks at the first thousand.
func even(v reflect.Value) bool {
	if k := v.Type().Elem().Kind(); k != reflect.Slice && k != reflect.Array {
		return false
	}
	for i := range min(v.Len(), 1000) {
		if v.Index(i).Len() != v.Index(0).Len() {
			return false
		}
	}
	return true
}

// picture is the size of one of package image's pictures.
func picture(v reflect.Value) (string, bool) {
	if !v.CanInterface() {
		return "", false
	}
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() != "image" {
		return "", false
	}
	img, ok := v.Interface().(image.Image)
	if !ok {
		return "", false
	}
	size := img.Bounds().Size()
	return fmt.Sprintf("%d × %d", size.X, size.Y), true
}

// ownText is the text of values whose methods may be called.
func ownText(v reflect.Value) (string, bool) {
	if !v.CanInterface() || v.Kind() == reflect.Pointer && v.IsNil() {
		return "", false
	}
	switch v := v.Interface().(type) {
	case time.Time:
		return v.Format("2006-01-02 15:04:05.999 MST"), true
	case time.Duration:
		return v.String(), true
	case time.Month:
		return v.String(), true
	case time.Weekday:
		return v.String(), true
	case *big.Int:
		if v.BitLen() > 1000 {
			return fmt.Sprintf("(%d bits)", v.BitLen()), true
		}
		return v.String(), true
	case *url.URL:
		return v.String(), true
	case netip.Addr:
		return v.String(), true
	case reflect.Type:
		return v.String(), true
	}
	return "", false
}
