package display

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"image"
	"image/png"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Bundle holds one thing in several forms, by MIME type; the front end picks the richest that it can show.
// Binary types (image/png) hold []byte, JSON types any value that encoding/json takes, all others a string.
type Bundle struct {
	Data     map[string]any
	Metadata map[string]any
}

// MIMEBundle returns b.Data: a Bundle shows itself.
func (b Bundle) MIMEBundle() map[string]any { return b.Data }

// types lists the bundle's MIME types in a fixed order.
func (b Bundle) types() []string { return slices.Sorted(maps.Keys(b.Data)) }

// A Bundler knows how to show itself. Keys and values are those of Bundle.Data; include "text/plain", which is what
// terminals and searches see.
type Bundler interface {
	MIMEBundle() map[string]any
}

// maxText bounds the text of a value that is shown: a notebook with a tensor of millions printed in it cannot be opened.
const maxText = 20_000

// BundleOf returns what v looks like:
//
//	Bundle, Bundler    themselves
//	image.Image        a PNG
//	[][]string         a table whose first row is the header
//	string             the text as it is
//	error              its message
//	fmt.Stringer       its String
//	anything else      like %+v, with types and line breaks; long slices, maps and text are cut, and say so
func BundleOf(v any) (b Bundle) {
	defer func() {
		// A method of the value failed, not the cell: show that instead.
		if r := recover(); r != nil {
			b = text(fmt.Sprintf("(%T: showing it panicked: %v)", v, r))
		}
	}()
	switch v := v.(type) {
	case nil:
		return text("<nil>")
	case Bundle:
		return v
	case string:
		return text(v)
	case [][]string:
		if len(v) > 0 {
			return bundle(Table(v[0], v[1:]))
		}
	}
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
		return text(fmt.Sprintf("(%T)(nil)", v))
	}
	switch v := v.(type) {
	case Bundler:
		return bundle(v)
	case image.Image:
		return picture(v)
	case error:
		return text(v.Error())
	case fmt.Stringer:
		return text(v.String())
	}
	return text(format(v))
}

// BundleOfAll returns what several values, such as the results of one call, look like together.
// A nil error at the end, which says that all went well, is left out.
func BundleOfAll(values ...any) Bundle {
	if n := len(values); n > 1 && values[n-1] == nil {
		values = values[:n-1]
	}
	if len(values) == 1 {
		return BundleOf(values[0])
	}
	var plainText []string
	var rich strings.Builder
	isRich := false
	for _, v := range values {
		b := BundleOf(v)
		t, _ := b.Data["text/plain"].(string)
		plainText = append(plainText, t)
		fragment, ok := b.HTML()
		isRich = isRich || ok
		fmt.Fprintf(&rich, "<div>%s</div>\n", fragment)
	}
	all := text(strings.Join(plainText, "\n"))
	if isRich {
		all.Data["text/html"] = rich.String()
	}
	return all
}

func bundle(v Bundler) Bundle {
	if b, ok := v.(Bundle); ok {
		return b
	}
	data := v.MIMEBundle()
	if len(data) == 0 {
		return text(format(v))
	}
	b := Bundle{Data: maps.Clone(data)}
	if _, ok := b.Data["text/plain"]; !ok {
		b.Data["text/plain"] = fmt.Sprintf("<%T>", v)
	}
	if m, ok := v.(interface{ MIMEMetadata() map[string]any }); ok {
		b.Metadata = m.MIMEMetadata()
	}
	return b
}

func text(s string) Bundle {
	if len(s) > maxText {
		cut := maxText
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = fmt.Sprintf("%s…\n(%d more bytes)", s[:cut], len(s)-cut)
	}
	return Bundle{Data: map[string]any{"text/plain": strings.ToValidUTF8(s, "\uFFFD")}}
}

func picture(img image.Image) Bundle {
	var out bytes.Buffer
	size := img.Bounds().Size()
	if size.X <= 0 || size.Y <= 0 {
		return text(fmt.Sprintf("(%T of %d×%d pixels)", img, size.X, size.Y))
	}
	if err := png.Encode(&out, img); err != nil {
		return text(fmt.Sprintf("(%T of %d×%d pixels: %v)", img, size.X, size.Y, err))
	}
	return Bundle{Data: map[string]any{
		"image/png":  out.Bytes(),
		"text/plain": fmt.Sprintf("picture of %d×%d pixels", size.X, size.Y),
	}}
}

// Text shows s as it is, without the limit that BundleOf sets.
func Text(s string) Bundler {
	return Bundle{Data: map[string]any{"text/plain": strings.ToValidUTF8(s, "\uFFFD")}}
}

// HTML shows a fragment of a page.
func HTML(s string) Bundler {
	return Bundle{Data: map[string]any{"text/html": s, "text/plain": withoutTags(s)}}
}

// Markdown shows formatted text; front ends typeset $…$ and $$…$$ as formulas.
func Markdown(s string) Bundler {
	return Bundle{Data: map[string]any{"text/markdown": s, "text/plain": s}}
}

// Latex shows a formula, written as LaTeX with its dollar signs.
func Latex(s string) Bundler {
	return Bundle{Data: map[string]any{"text/latex": s, "text/plain": s}}
}

// SVG shows a vector picture.
func SVG(s string) Bundler {
	return Bundle{Data: map[string]any{"image/svg+xml": s, "text/plain": fmt.Sprintf("SVG picture of %d bytes", len(s))}}
}

// PNG shows an encoded picture.
func PNG(data []byte) Bundler { return encoded("image/png", data) }

// JPEG shows an encoded picture.
func JPEG(data []byte) Bundler { return encoded("image/jpeg", data) }

func encoded(mime string, data []byte) Bundler {
	name := strings.ToUpper(strings.TrimPrefix(mime, "image/"))
	return Bundle{Data: map[string]any{mime: data, "text/plain": fmt.Sprintf("%s picture of %d bytes", name, len(data))}}
}

// JavaScript runs code in the page, where the front end trusts the notebook.
func JavaScript(code string) Bundler {
	return Bundle{Data: map[string]any{"application/javascript": code, "text/plain": "JavaScript"}}
}

// JSON shows a value as a tree that can be folded.
func JSON(v any) Bundler {
	raw, err := json.Marshal(v)
	if err != nil {
		return text(fmt.Sprintf("(%T as JSON: %v)", v, err))
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, raw, "", "  "); err != nil {
		return text(fmt.Sprintf("(%T as JSON: %v)", v, err))
	}
	return Bundle{Data: map[string]any{"application/json": json.RawMessage(raw), "text/plain": indented.String()}}
}

// Data shows bytes or text of any MIME type, for front ends that know it.
func Data(mime string, data any) (Bundler, error) {
	if mime == "" || !strings.Contains(mime, "/") {
		return nil, fmt.Errorf("display: %q is no MIME type", mime)
	}
	if data == nil {
		return nil, errors.New("display: no data")
	}
	return Bundle{Data: map[string]any{mime: data, "text/plain": "<" + mime + ">"}}, nil
}

var (
	hidden = regexp.MustCompile(`(?is)<(script|style)\b.*?</(script|style)>`)
	breaks = regexp.MustCompile(`(?i)<(br|/p|/div|/tr|/li|/h[1-6])\b[^>]*>`)
	tags   = regexp.MustCompile(`(?s)<[^>]*>`)
	blank  = regexp.MustCompile(`\n\s*\n+`)
)

// withoutTags is a page fragment's text, well enough for a terminal.
func withoutTags(s string) string {
	s = hidden.ReplaceAllString(s, "")
	s = breaks.ReplaceAllString(s, "\n")
	s = strings.ReplaceAll(html.UnescapeString(tags.ReplaceAllString(s, "")), "\u00a0", " ")
	return strings.TrimSpace(blank.ReplaceAllString(s, "\n"))
}
