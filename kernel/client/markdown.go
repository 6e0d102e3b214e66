package client

import (
	"bytes"
	"encoding/base64"
	"mime"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	gmtext "github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

type heading struct {
	ID, Text string
	Level    int
}

// markdown renders the markdown of one notebook.
type markdown struct {
	engine   goldmark.Markdown
	ids      parser.IDs // of headings, unique over the whole page
	dir      string     // of the notebook: where its pictures lie
	headings []heading
}

func newMarkdown(path string) *markdown {
	return &markdown{
		engine: goldmark.New(
			goldmark.WithExtensions(extension.GFM, extension.Footnote),
			goldmark.WithParserOptions(parser.WithAutoHeadingID(),
				parser.WithInlineParsers(util.Prioritized(mathParser{}, 50))), // before emphasis, which would eat a_i and b_j
			// Authors write HTML in their notebooks; the page's policy keeps scripts from running.
			goldmark.WithRendererOptions(html.WithUnsafe(),
				renderer.WithNodeRenderers(util.Prioritized(nodes{}, 100))),
		),
		ids: &pageIDs{used: map[string]bool{}},
		dir: filepath.Dir(path),
	}
}

func (m *markdown) render(c *Cell) (string, error) {
	source := []byte(c.Source)
	tree := m.parse(source)
	attachments := object(c.doc, "attachments")
	err := ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			id, _ := n.AttributeString("id")
			name, _ := id.([]byte)
			m.headings = append(m.headings, heading{ID: string(name), Text: plainText(n, source), Level: n.Level})
		case *ast.Image:
			n.Destination = []byte(m.inline(string(n.Destination), attachments))
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return "", err
	}
	return m.write(tree, source)
}

// fragment renders markdown that a cell put out: its headings are not the document's.
func (m *markdown) fragment(s string) (string, error) {
	return m.write(m.parse([]byte(s)), []byte(s))
}

func (m *markdown) parse(source []byte) ast.Node {
	return m.engine.Parser().Parse(gmtext.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(m.ids))))
}

func (m *markdown) write(tree ast.Node, source []byte) (string, error) {
	var out bytes.Buffer
	err := m.engine.Renderer().Render(&out, source, tree)
	return out.String(), err
}

// inline turns the address of a picture in the cell's attachments or beside the notebook into the picture itself.
// Others stay as they are: the page may not fetch them, and shows their description.
func (m *markdown) inline(address string, attachments map[string]any) string {
	if name, ok := strings.CutPrefix(address, "attachment:"); ok {
		if unescaped, err := url.PathUnescape(name); err == nil {
			name = unescaped
		}
		for mimeType, data := range object(attachments, name) {
			if s, ok := multiline(data); ok {
				return "data:" + mimeType + ";base64," + strings.Join(strings.Fields(s), "")
			}
		}
		return address
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Path == "" || !filepath.IsLocal(filepath.FromSlash(u.Path)) {
		return address
	}
	kind := mime.TypeByExtension(filepath.Ext(u.Path))
	if !strings.HasPrefix(kind, "image/") {
		return address
	}
	data, err := os.ReadFile(filepath.Join(m.dir, filepath.FromSlash(u.Path)))
	if err != nil {
		return address
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)
}

func plainText(n ast.Node, source []byte) string {
	var out strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			out.Write(c.Segment.Value(source))
		case *ast.String:
			out.Write(c.Value)
		default:
			out.WriteString(plainText(c, source))
		}
	}
	return out.String()
}

// pageIDs gives each heading of the page a name of its own, also across cells.
type pageIDs struct{ used map[string]bool }

var notInID = regexp.MustCompile(`[^\p{L}\p{N}]+`)

func (p *pageIDs) Generate(value []byte, _ ast.NodeKind) []byte {
	base := strings.Trim(notInID.ReplaceAllString(strings.ToLower(string(value)), "-"), "-")
	if base == "" {
		base = "section"
	}
	id := base
	for n := 2; p.used[id]; n++ {
		id = base + "-" + string(rune('0'+n%10))
		if n >= 10 {
			id = base + strings.Repeat("-", n)
		}
	}
	p.used[id] = true
	return []byte(id)
}

func (p *pageIDs) Put(value []byte) { p.used[string(value)] = true }

// kindMath is a formula in dollar signs. The page shows its source: typesetting needs scripts or fonts.
var kindMath = ast.NewNodeKind("Math")

type formulaNode struct {
	ast.BaseInline
	source []byte
}

func (*formulaNode) Kind() ast.NodeKind              { return kindMath }
func (m *formulaNode) Dump(source []byte, level int) { ast.DumpHelper(m, source, level, nil, nil) }

type mathParser struct{}

func (mathParser) Trigger() []byte { return []byte{'$'} }

// formula is $…$ without spaces inside the signs, so that prices stay prices, or $$…$$.
var formula = regexp.MustCompile(`^(\$\$[^$]+\$\$|\$[^\s$](?:[^$\n]*[^\s$\\])?\$)(?:[^0-9]|$)`)

func (mathParser) Parse(_ ast.Node, block gmtext.Reader, _ parser.Context) ast.Node {
	line, _ := block.PeekLine()
	if match := formula.FindSubmatch(line); match != nil {
		block.Advance(len(match[1]))
		return &formulaNode{source: bytes.Clone(match[1])}
	}
	if !bytes.HasPrefix(line, []byte("$$")) {
		return nil
	}
	// A displayed formula may go over several lines of its paragraph.
	row, position := block.Position()
	var source []byte
	for {
		line, _ := block.PeekLine()
		if line == nil {
			block.SetPosition(row, position)
			return nil
		}
		from := 0
		if source == nil {
			from = 2
		}
		if end := bytes.Index(line[from:], []byte("$$")); end >= 0 {
			block.Advance(from + end + 2)
			return &formulaNode{source: append(source, line[:from+end+2]...)}
		}
		source = append(source, line...)
		block.AdvanceLine()
	}
}

// nodes renders formulas, and code blocks in the colours of the cells.
type nodes struct{}

func (nodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(kindMath, func(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			source := string(n.(*formulaNode).source)
			class := "math"
			if strings.HasPrefix(source, "$$") {
				class = "math display"
			}
			w.WriteString(`<span class="` + class + `">` + string(util.EscapeHTML([]byte(strings.Trim(source, "$")))) + `</span>`)
		}
		return ast.WalkContinue, nil
	})
	r.Register(ast.KindFencedCodeBlock, func(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			var code strings.Builder
			for i := range n.Lines().Len() {
				line := n.Lines().At(i)
				code.Write(line.Value(source))
			}
			w.WriteString(string(highlight(code.String(), string(n.(*ast.FencedCodeBlock).Language(source)))))
		}
		return ast.WalkContinue, nil
	})
}
