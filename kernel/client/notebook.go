// Package client runs notebook files straight over a session, without Jupyter, and exports them as pages.
package client

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fovea/internal/atomicfile"
)

// A Notebook is an .ipynb file of format 4. What this package does not know is kept as it was: it reads and writes
// generic JSON, in the layout that Jupyter writes (sorted keys, one space of indentation), so that a file which Jupyter
// saved comes back byte for byte.
type Notebook struct {
	Path  string // where it was read from
	Cells []*Cell

	doc map[string]any // the whole file but its cells
}

// A Cell of a notebook.
type Cell struct {
	Type   string // "code", "markdown" or "raw"
	Source string

	doc    map[string]any // the cell as it stands in the file but its outputs
	source string         // what doc["source"] holds: a cell that nobody changed keeps its form
	output []*output
}

// An output in the notebook's form. Updates find it by its address.
type output struct{ doc map[string]any }

// ErrNotebook is wrapped by the errors of Read that are about the content of the file.
var ErrNotebook = errors.New("no notebook that can be run")

// Read reads a notebook and checks that it is one of format 4.
func Read(path string) (*Notebook, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("notebook %s: %w", path, os.ErrNotExist)
		}
		return nil, fmt.Errorf("notebook: %w", err)
	}
	nb, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	nb.Path = path
	return nb, nil
}

// Parse is Read for content in memory.
func Parse(data []byte) (*Notebook, error) {
	data = bytes.TrimPrefix(data, []byte("\uFEFF")) // some editors on Windows put a byte order mark there
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrNotebook)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // 1.0 stays 1.0
	var top any
	if err := decoder.Decode(&top); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotebook, explainJSON(data, err))
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: there is more text after the notebook's end", ErrNotebook)
	}
	doc, ok := top.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%w: the file is JSON, but holds %s instead of an object with cells", ErrNotebook, kindOf(top))
	}
	format, err := integer(doc["nbformat"])
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: the file is JSON without a notebook's field nbformat", ErrNotebook)
	case format < 4:
		return nil, fmt.Errorf("%w: it has notebook format %d, and only format 4 is read; convert it with 'jupyter nbconvert --to notebook --nbformat 4 FILE'", ErrNotebook, format)
	case format > 4:
		return nil, fmt.Errorf("%w: it has notebook format %d, newer than the format 4 that this version reads", ErrNotebook, format)
	}
	cells, ok := doc["cells"].([]any)
	if !ok {
		return nil, fmt.Errorf("%w: the field cells is %s, not a list", ErrNotebook, kindOf(doc["cells"]))
	}
	nb := &Notebook{doc: doc}
	for i, c := range cells {
		cell, err := parseCell(c)
		if err != nil {
			return nil, fmt.Errorf("%w: cell %d of %d: %s", ErrNotebook, i+1, len(cells), err)
		}
		nb.Cells = append(nb.Cells, cell)
	}
	return nb, nil
}

func parseCell(v any) (*Cell, error) {
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("it is %s, not an object", kindOf(v))
	}
	c := &Cell{doc: doc}
	c.Type, _ = doc["cell_type"].(string)
	if !slices.Contains([]string{"code", "markdown", "raw"}, c.Type) {
		return nil, fmt.Errorf("its cell_type is %v, not code, markdown or raw", doc["cell_type"])
	}
	if c.source, ok = multiline(doc["source"]); !ok {
		return nil, fmt.Errorf("its source is %s, not text", kindOf(doc["source"]))
	}
	c.Source = c.source
	if c.Type != "code" {
		return c, nil
	}
	outputs, ok := doc["outputs"].([]any)
	if !ok && doc["outputs"] != nil {
		return nil, fmt.Errorf("its outputs are %s, not a list", kindOf(doc["outputs"]))
	}
	for _, o := range outputs {
		doc, ok := o.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("an output is %s, not an object", kindOf(o))
		}
		c.output = append(c.output, &output{doc})
	}
	return c, nil
}

// explainJSON says where a file stops being JSON, and what usually has happened to it.
func explainJSON(data []byte, err error) string {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &syntax) && syntax.Offset >= int64(len(bytes.TrimSpace(data))) && bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")):
		return fmt.Sprintf("the file is cut off: its JSON does not end (%d bytes)", len(data))
	case bytes.Contains(data, []byte("\n<<<<<<< ")) || bytes.HasPrefix(data, []byte("<<<<<<< ")):
		return "the file holds the marks of an unresolved merge (<<<<<<<)"
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")):
		return "the file is a web page or XML, not JSON (was it downloaded from a page instead of its raw form?)"
	case errors.As(err, &syntax):
		before := data[:min(int(syntax.Offset), len(data))]
		line := bytes.Count(before, []byte("\n")) + 1
		return fmt.Sprintf("the file is not JSON: line %d: %v", line, err)
	}
	return fmt.Sprintf("the file is not JSON: %v", err)
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "missing"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "text"
	case bool:
		return "true or false"
	}
	return "a number"
}

func integer(v any) (int, error) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, errors.New("no number")
	}
	i, err := n.Int64()
	return int(i), err
}

// multiline reads text that the format keeps as one string or as a list of lines.
func multiline(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []any:
		var out strings.Builder
		for _, line := range v {
			s, ok := line.(string)
			if !ok {
				return "", false
			}
			out.WriteString(s)
		}
		return out.String(), true
	}
	return "", false
}

// lines is the form in which Jupyter writes text: a list of lines with their ends.
func lines(s string) []any {
	list := []any{}
	for line := range strings.Lines(s) {
		list = append(list, line)
	}
	return list
}

// Language is the programming language that the file names, lower-case, or "".
func (nb *Notebook) Language() string {
	metadata := object(nb.doc, "metadata")
	for _, name := range []string{text(metadata, "language_info", "name"), text(metadata, "kernelspec", "language")} {
		if name != "" {
			return strings.ToLower(name)
		}
	}
	return ""
}

// CheckGo returns an error when the notebook is written for another language, or has no code to run.
func (nb *Notebook) CheckGo() error {
	if language := nb.Language(); language != "" && language != "go" && language != "golang" {
		name := text(object(nb.doc, "metadata"), "kernelspec", "display_name")
		if name == "" {
			name = language
		}
		return fmt.Errorf("%w: %s is written for the kernel %q (language %s), and this kernel runs Go", ErrNotebook, nb.Path, name, language)
	}
	for _, c := range nb.Cells {
		if c.Type == "code" && strings.TrimSpace(c.Source) != "" {
			return nil
		}
	}
	return fmt.Errorf("%w: %s has no code cells", ErrNotebook, nb.Path)
}

// Set writes a value into the notebook's metadata, at a path of keys such as "fovea", "backend". The value is what
// encoding/json can write.
func (nb *Notebook) Set(value any, path ...string) {
	set(nb.doc, value, append([]string{"metadata"}, path...)...)
}

// Get reads a text from the notebook's metadata, "" when there is none.
func (nb *Notebook) Get(path ...string) string {
	return text(nb.doc, append([]string{"metadata"}, path...)...)
}

// Tags are the cell's tags.
func (c *Cell) Tags() []string {
	list, _ := object(c.doc, "metadata")["tags"].([]any)
	var tags []string
	for _, t := range list {
		if s, ok := t.(string); ok {
			tags = append(tags, s)
		}
	}
	return tags
}

// HasTag reports whether the cell has a tag.
func (c *Cell) HasTag(tag string) bool { return slices.Contains(c.Tags(), tag) }

// Title is the line that tells best what the cell does, for lists: the comment at its head, or its first statement
// behind imports and functions.
func (c *Cell) Title() string {
	comment, first, inside, end := "", "", false, ""
	for line := range strings.Lines(c.Source) {
		line = strings.TrimRight(line, " \t\r\n")
		if inside {
			inside = line != end
			continue
		}
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == "" || trimmed == "%%" || strings.HasPrefix(trimmed, "import ") && !strings.HasSuffix(trimmed, "("):
		case strings.HasPrefix(trimmed, "import"):
			inside, end = true, ")"
		case strings.HasPrefix(trimmed, "//"):
			if first == "" && comment == "" {
				comment = strings.TrimSpace(strings.TrimPrefix(trimmed, "//"))
			}
		case strings.HasPrefix(line, "func ") && strings.HasSuffix(line, "{"):
			// The comment above was the function's own.
			inside, end, comment = true, "}", ""
			if first == "" {
				first = trimmed
			}
		case comment != "":
			return comment
		default:
			return trimmed
		}
	}
	if comment != "" {
		return comment
	}
	if first != "" {
		return strings.TrimSuffix(first, " {")
	}
	line, _, _ := strings.Cut(strings.TrimSpace(c.Source), "\n")
	return strings.TrimSpace(line)
}

// section is the heading under which the cell at index i stands as the first code cell, or "".
func (nb *Notebook) section(i int) string {
	for i--; i >= 0 && nb.Cells[i].Type != "code"; i-- {
		heading, fenced := "", false
		for line := range strings.Lines(nb.Cells[i].Source) {
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
			}
			if text := strings.TrimLeft(line, "#"); !fenced && text != line && strings.HasPrefix(text, " ") {
				heading = strings.TrimSpace(text)
			}
		}
		if heading != "" {
			return heading
		}
	}
	return ""
}

// newCell makes a code cell; formats from 4.5 on want an id in it.
func (nb *Notebook) newCell(source string, tags ...string) *Cell {
	list := []any{}
	for _, t := range tags {
		list = append(list, t)
	}
	doc := map[string]any{"cell_type": "code", "metadata": map[string]any{"tags": list}, "execution_count": nil}
	if minor, err := integer(nb.doc["nbformat_minor"]); err == nil && minor >= 5 {
		var id [4]byte
		rand.Read(id[:]) // never fails
		doc["id"] = hex.EncodeToString(id[:])
	}
	return &Cell{Type: "code", Source: source, doc: doc}
}

// Bytes is the notebook as a file.
func (nb *Notebook) Bytes() ([]byte, error) {
	cells := []any{}
	for _, c := range nb.Cells {
		if c.Source != c.source || c.doc["source"] == nil {
			c.doc["source"] = lines(c.Source)
			c.source = c.Source
		}
		if c.Type == "code" {
			outputs := []any{}
			for _, o := range c.output {
				outputs = append(outputs, o.doc)
			}
			c.doc["outputs"] = outputs
		}
		cells = append(cells, c.doc)
	}
	nb.doc["cells"] = cells
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(nb.doc); err != nil {
		return nil, fmt.Errorf("notebook %s: %w", nb.Path, err)
	}
	return unescapeSeparators(out.Bytes()), nil
}

// unescapeSeparators writes U+2028 and U+2029 as they are, like Jupyter; encoding/json always escapes them.
func unescapeSeparators(data []byte) []byte {
	if !bytes.Contains(data, []byte(`\u202`)) {
		return data
	}
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			out = append(out, data[i])
			continue
		}
		switch rest := data[i:]; {
		case bytes.HasPrefix(rest, []byte(`\u2028`)):
			out = append(out, "\u2028"...)
			i += 5
		case bytes.HasPrefix(rest, []byte(`\u2029`)):
			out = append(out, "\u2029"...)
			i += 5
		default: // a pair such as \\ or \n: its second byte starts no escape
			out = append(out, data[i], data[i+1])
			i++
		}
	}
	return out
}

// Write writes the notebook to path: whole, or not at all.
func (nb *Notebook) Write(path string) error {
	data, err := nb.Bytes()
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, data)
}

// WriteHTML writes the notebook's page to path: whole, or not at all. See HTML.
func (nb *Notebook) WriteHTML(path string) error {
	page, err := HTML(nb)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, page)
}

// Name is the file's name without folder and ending.
func (nb *Notebook) Name() string {
	return strings.TrimSuffix(filepath.Base(nb.Path), ".ipynb")
}

// object returns doc[key] when it is an object, else nil, which reads as an empty one.
func object(doc map[string]any, key string) map[string]any {
	m, _ := doc[key].(map[string]any)
	return m
}

func text(doc map[string]any, path ...string) string {
	for _, key := range path[:len(path)-1] {
		doc = object(doc, key)
	}
	s, _ := doc[path[len(path)-1]].(string)
	return s
}

func set(doc map[string]any, value any, path ...string) {
	for _, key := range path[:len(path)-1] {
		next := object(doc, key)
		if next == nil {
			next = map[string]any{}
			doc[key] = next
		}
		doc = next
	}
	doc[path[len(path)-1]] = value
}
