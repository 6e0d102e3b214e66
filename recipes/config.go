package recipes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Override returns config with assignments of the form key=value applied. Keys are the field names of the
// configuration in JSON, compared without case; "a.b" reaches into a nested struct. Values are JSON; a string needs no quotes, and
// a list may be written as 1,2,3. Unknown keys and values of another type are errors that list the fields.
func Override[C any](config C, assignments []string) (C, error) {
	var zero C
	// Through JSON, so that config's own slices and maps stay as they are.
	data, err := json.Marshal(config)
	if err != nil {
		return zero, err
	}
	var changed C
	if err := json.Unmarshal(data, &changed); err != nil {
		return zero, err
	}
	for _, a := range assignments {
		key, value, ok := strings.Cut(a, "=")
		if !ok || key == "" {
			return zero, fmt.Errorf("%q is not of the form key=value", a)
		}
		field, err := findField(reflect.ValueOf(&changed).Elem(), key)
		if err != nil {
			return zero, err
		}
		if err := assign(field, value); err != nil {
			return zero, fmt.Errorf("%s wants %s, not %q", key, wanted(field.Type()), value)
		}
	}
	return changed, nil
}

// Fields describes the fields of a configuration for help texts: name, type and current value, one string each.
func Fields(config any) []string {
	v := reflect.ValueOf(config)
	if v.Kind() != reflect.Struct {
		return nil
	}
	var out []string
	for i := range v.NumField() {
		name, ok := fieldName(v.Type().Field(i))
		if !ok {
			continue
		}
		value, _ := json.Marshal(v.Field(i).Interface())
		out = append(out, fmt.Sprintf("%s (%s, now %s)", name, typeName(v.Field(i).Type()), value))
	}
	return out
}

func findField(v reflect.Value, key string) (reflect.Value, error) {
	head, rest, nested := strings.Cut(key, ".")
	if v.Kind() != reflect.Struct {
		return reflect.Value{}, fmt.Errorf("%q: there are no fields inside a %s", key, typeName(v.Type()))
	}
	for i := range v.NumField() {
		name, ok := fieldName(v.Type().Field(i))
		if !ok || !strings.EqualFold(name, head) {
			continue
		}
		if nested {
			return findField(v.Field(i), rest)
		}
		return v.Field(i), nil
	}
	return reflect.Value{}, fmt.Errorf("the configuration has no field %q; it has:\n  %s", head, strings.Join(Fields(v.Interface()), "\n  "))
}

// fieldName is the name of a field in JSON, and false for a field that JSON doesn't hold.
func fieldName(f reflect.StructField) (string, bool) {
	if !f.IsExported() {
		return "", false
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return "", false
	}
	if name == "" {
		name = strings.ToLower(f.Name[:1]) + f.Name[1:]
	}
	return name, true
}

func assign(field reflect.Value, value string) error {
	target := reflect.New(field.Type())
	attempts := []string{value}
	switch field.Kind() {
	case reflect.String:
		quoted, _ := json.Marshal(value)
		attempts = []string{string(quoted)}
	case reflect.Slice, reflect.Array:
		attempts = append(attempts, "["+value+"]")
		if field.Type().Elem().Kind() == reflect.String {
			list, _ := json.Marshal(strings.Split(value, ","))
			attempts = append(attempts, string(list))
		}
	}
	var err error
	for _, text := range attempts {
		if err = strictJSON([]byte(text), target.Interface()); err == nil {
			field.Set(target.Elem())
			return nil
		}
	}
	return err
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "whole number"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Slice, reflect.Array:
		return "list of " + plural(t.Elem())
	}
	return t.String()
}

func plural(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true and false"
	case reflect.Slice, reflect.Array:
		return "lists of " + plural(t.Elem())
	}
	return typeName(t) + "s"
}

// wanted says what a value should have been, with an example where the form is not plain.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return typeName(t)
	case reflect.Slice, reflect.Array:
		if elem := t.Elem().Kind(); elem == reflect.Slice || elem == reflect.Array {
			return "a " + typeName(t) + " in JSON, such as [[1,2],[3]]"
		}
		return "a " + typeName(t) + " with commas between"
	}
	return "a " + typeName(t)
}

// strictJSON reads exactly one JSON value and refuses fields that v doesn't have.
func strictJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
