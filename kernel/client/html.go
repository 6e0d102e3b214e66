package client

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/chroma/v2"
	chromahtml "github.com/alecthomas/chroma/v2/formatters/html"
	"github.com/alecthomas/chroma/v2/lexers"
	"github.com/alecthomas/chroma/v2/styles"
)

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Parse(pageSource))

type page struct {
	Title    string
	File     string
	Facts    []string // date, duration, backend
	Headings []heading
	Cells    []pageCell
	Code     template.CSS // colours of highlighted code, light then dark
}

type pageCell struct {
	Type    string
	Number  string // "3", "" when the cell was not run
	Time    string
	Body    template.HTML
	Outputs []pageOutput
}

type pageOutput struct {
	Class string // "text", "error", "rich" or "picture"
	Body  template.HTML
}

// HTML makes one page of the notebook that needs nothing else: pictures are inside it, nothing is fetched, no script
// runs. It reads well on a phone, on paper, in the light and in the dark.
func HTML(nb *Notebook) ([]byte, error) {
	p := page{Title: nb.Name(), File: nb.Name() + ".ipynb", Code: codeCSS()}
	if nb.Path == "" {
		p.Title, p.File = "Notebook", ""
	}
	md := newMarkdown(nb.Path)
	var total time.Duration
	var first time.Time
	for _, c := range nb.Cells {
		switch c.Type {
		case "markdown":
			body, err := md.render(c)
			if err != nil {
				return nil, fmt.Errorf("page of %s: %w", nb.Path, err)
			}
			p.Cells = append(p.Cells, pageCell{Type: c.Type, Body: template.HTML(body)})
		case "code":
			if strings.TrimSpace(c.Source) == "" && len(c.output) == 0 {
				continue
			}
			cell := pageCell{Type: c.Type, Body: highlight(c.Source, "go")}
			if n, err := integerOf(c.doc["execution_count"]); err == nil {
				cell.Number = fmt.Sprint(n)
			}
			if d, ok := c.Duration(); ok {
				cell.Time = Seconds(d)
				total += d
			}
			if at, ok := c.started(); ok && (first.IsZero() || at.Before(first)) {
				first = at
			}
			for _, o := range c.output {
				if out := pageOutputOf(o.doc, md); out.Body != "" {
					cell.Outputs = append(cell.Outputs, out)
				}
			}
			p.Cells = append(p.Cells, cell)
		}
		// Raw cells are meant for other converters.
	}
	if len(md.headings) > 0 {
		p.Title = md.headings[0].Text
	}
	if len(md.headings) > 3 {
		p.Headings = md.headings[1:]
	}
	if !first.IsZero() {
		p.Facts = append(p.Facts, first.UTC().Format("2 January 2006, 15:04 UTC"), Seconds(total))
	}
	if backend := nb.Get("fovea", "backend"); backend != "" {
		p.Facts = append(p.Facts, backend)
	}
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("page of %s: %w", nb.Path, err)
	}
	return out.Bytes(), nil
}

func integerOf(v any) (int, error) {
	if n, ok := v.(int); ok {
		return n, nil
	}
	return integer(v)
}

// pageOutputOf picks the richest form of an output that a page without scripts can show.
func pageOutputOf(doc map[string]any, md *markdown) pageOutput {
	switch doc["output_type"] {
	case "stream":
		s, _ := multiline(doc["text"])
		class := "text"
		if doc["name"] == "stderr" {
			class = "text stderr"
		}
		return textOutput(class, s)
	case "error":
		return textOutput("text error", errorText(doc))
	}
	data, metadata := object(doc, "data"), object(doc, "metadata")
	get := func(mime string) string {
		s, _ := multiline(data[mime])
		return s
	}
	if s := get("text/html"); s != "" {
		return pageOutput{"rich", template.HTML(s)}
	}
	for _, mime := range []string{"image/png", "image/jpeg", "image/gif", "image/webp"} {
		if s := get(mime); s != "" {
			return pageOutput{"picture", img(mime, strings.Join(strings.Fields(s), ""), get("text/plain"), object(metadata, mime))}
		}
	}
	if s := get("image/svg+xml"); s != "" {
		// As a picture of its own: inline, the names inside one drawing would clash with those of the next.
		return pageOutput{"picture", img("image/svg+xml", base64.StdEncoding.EncodeToString([]byte(s)), get("text/plain"), object(metadata, "image/svg+xml"))}
	}
	if s := get("text/markdown"); s != "" {
		if body, err := md.fragment(s); err == nil {
			return pageOutput{"rich", template.HTML(body)}
		}
	}
	if s := get("text/latex"); s != "" {
		return pageOutput{"rich", template.HTML(`<p class="math">` + template.HTMLEscapeString(s) + `</p>`)}
	}
	s := get("text/plain")
	if s == "" {
		if v, ok := data["application/json"]; ok {
			if raw, err := json.MarshalIndent(v, "", "  "); err == nil {
				s = string(raw)
			}
		}
	}
	return textOutput("text", s)
}

func textOutput(class, s string) pageOutput {
	s = strings.TrimRight(s, "\n")
	if s == "" {
		return pageOutput{}
	}
	return pageOutput{class, template.HTML("<pre>" + ansiHTML(s) + "</pre>")}
}

// errorText is an error output's traceback, or its message when it has none.
func errorText(doc map[string]any) string {
	name, _ := doc["ename"].(string)
	message, _ := doc["evalue"].(string)
	head := name + ": " + message
	list, _ := doc["traceback"].([]any)
	var trace []string
	for _, line := range list {
		if s, ok := line.(string); ok {
			trace = append(trace, s)
		}
	}
	body := strings.Join(trace, "\n")
	if body == "" || strings.Contains(stripANSI(body), message) {
		if body != "" {
			return body
		}
		return head
	}
	return head + "\n" + body
}

func img(mime, base64Data, alt string, metadata map[string]any) template.HTML {
	size := ""
	for _, side := range []string{"width", "height"} {
		if n, ok := number(metadata[side]); ok && n > 0 && n < 1e5 {
			size += fmt.Sprintf(` %s="%.0f"`, side, n)
		}
	}
	return template.HTML(fmt.Sprintf(`<img alt="%s"%s src="data:%s;base64,%s">`,
		template.HTMLEscapeString(alt), size, mime, template.HTMLEscapeString(base64Data)))
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case float64:
		return v, true
	case int:
		return float64(v), true
	}
	return 0, false
}

var formatter = chromahtml.New(chromahtml.WithClasses(true), chromahtml.TabWidth(4))

// highlight colours source text of a language that chroma knows; other text comes as it is.
func highlight(source, language string) template.HTML {
	plain := template.HTML("<pre>" + template.HTMLEscapeString(source) + "</pre>")
	lexer := lexers.Get(language)
	if lexer == nil {
		return plain
	}
	tokens, err := chroma.Coalesce(lexer).Tokenise(nil, source)
	if err != nil {
		return plain
	}
	var out bytes.Buffer
	if err := formatter.Format(&out, styles.Get("github"), tokens); err != nil {
		return plain
	}
	return template.HTML(out.String())
}

var codeCSS = sync.OnceValue(func() template.CSS {
	var light, dark bytes.Buffer
	for style, out := range map[string]*bytes.Buffer{"github": &light, "github-dark": &dark} {
		if err := formatter.WriteCSS(out, styles.Get(style)); err != nil {
			panic(fmt.Sprintf("colours of style %s: %v", style, err)) // the styles are part of the program
		}
	}
	// Each in a block of its own: a style leaves out what it doesn't colour, and would take that from the other.
	return template.CSS(fmt.Sprintf("@media print, (prefers-color-scheme: light) {\n%s}\n@media screen and (prefers-color-scheme: dark) {\n%s}\n", light.String(), dark.String()))
})
