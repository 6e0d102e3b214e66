package view

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// GoMLX's values are known by what they can do: this package does not depend on it.
type (
	// A tensor has values on a device, here, or both.
	tensor interface {
		Ok() bool
		HasLocal() bool
		IsShared() bool
		IsOnAnyDevice() bool
		ByteSize() int64
		Summary(precision int) string
		ConstFlatData(func(flat any)) error
	}

	// A store has the variables of a model.
	store interface {
		NumVariables() int
		NumParameters() int
		ByteSize() int64
	}
)

// patience is how long a tensor may be locked by somebody else.
const patience = 100 * time.Millisecond

// describeTensor describes a tensor. Its numbers are looked at only where that moves none of them.
func describeTensor(v *Value, value reflect.Value) bool {
	if value.Kind() != reflect.Pointer || value.IsNil() || !value.CanInterface() || strings.HasPrefix(value.Type().Elem().PkgPath(), "cell/c") {
		return false
	}
	t, ok := value.Interface().(tensor)
	if !ok {
		return false
	}
	done := make(chan Value, 1)
	go func() {
		described := Value{Type: v.Type}
		defer func() {
			if fault := recover(); fault != nil {
				described.Preview = fmt.Sprintf("(cannot be read: %v)", fault)
			}
			done <- described
		}()
		readTensor(&described, t)
	}()
	select {
	case *v = <-done:
	case <-time.After(patience):
		v.Preview = "(in use)"
	}
	return true
}

func readTensor(v *Value, t tensor) {
	if !t.Ok() {
		v.Preview = "(finalized)"
		return
	}
	v.Bytes = t.ByteSize()
	r := reflect.ValueOf(t)
	if shape := call(r, "Shape"); shape.Kind() == reflect.Struct {
		if d := shape.FieldByName("Dimensions"); d.Kind() == reflect.Slice {
			parts := make([]string, 0, d.Len())
			for i := range d.Len() {
				parts = append(parts, fmt.Sprint(d.Index(i)))
			}
			v.Shape = strings.Join(parts, " × ")
			if len(parts) == 0 {
				v.Shape = "scalar"
			}
		}
	}
	if dtype := call(r, "DType"); dtype.IsValid() {
		v.Type += " of " + strings.ToLower(fmt.Sprint(dtype.Interface()))
	}
	free := t.HasLocal() || t.IsShared()
	var places []string
	if t.HasLocal() {
		places = append(places, "local")
	}
	if t.IsOnAnyDevice() {
		place := "device"
		if backend := call(r, "Backend"); backend.IsValid() && !backend.IsNil() {
			if b, ok := backend.Interface().(interface{ Name() string }); ok {
				place = b.Name()
			}
			if b, ok := backend.Interface().(interface{ HasSharedBuffers() bool }); ok && b.HasSharedBuffers() {
				free = true // what is on the device can be read where it is
			}
		}
		if number := call(r, "Device"); number.IsValid() && number.CanInt() {
			place += ":" + strconv.FormatInt(number.Int(), 10)
		}
		places = append(places, place)
	}
	v.Device = strings.Join(places, " + ")
	if !free {
		v.Preview = "(not copied from the device)"
		return
	}
	if err := t.ConstFlatData(func(flat any) {
		f := reflect.ValueOf(flat)
		v.Stats = stats(f)
		p := previewer{left: maxPreview}
		p.value(f, 0)
		v.Preview = p.text()
	}); err != nil {
		v.Preview = fmt.Sprintf("(cannot be read: %v)", err)
	}
}

// call calls a method without arguments and returns its first result; none when there is no such method.
func call(v reflect.Value, method string) reflect.Value {
	m := v.MethodByName(method)
	if !m.IsValid() || m.Type().NumIn() != 0 || m.Type().NumOut() == 0 {
		return reflect.Value{}
	}
	results := m.Call(nil)
	if last := results[len(results)-1]; len(results) == 2 && last.Kind() == reflect.Interface && !last.IsNil() {
		return reflect.Value{} // an error
	}
	return results[0]
}

// describeStore describes the variables of a model.
func describeStore(v *Value, value reflect.Value) bool {
	if value.Kind() != reflect.Pointer || value.IsNil() || !value.CanInterface() || strings.HasPrefix(value.Type().Elem().PkgPath(), "cell/c") {
		return false
	}
	s, ok := value.Interface().(store)
	if !ok {
		return false
	}
	v.Shape = fmt.Sprintf("%d variables", s.NumVariables())
	v.Preview = fmt.Sprintf("%s parameters", grouped(s.NumParameters()))
	v.Bytes = s.ByteSize()
	return true
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
