package display

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"
)

type loop struct {
	Name string
	Next *loop
}

type hiddenFields struct {
	at  time.Duration
	img image.Image
}

type panics struct{}

func (panics) String() string { panic("no") }

type silent struct{}

func (*silent) MIMEBundle() map[string]any { return nil }

func TestBundleOf(t *testing.T) {
	ring := &loop{Name: "a"}
	ring.Next = ring
	long := make([]float64, 1_000_000)
	var none *silent
	for _, c := range []struct {
		name string
		v    any
		want string // the text, or its start when it ends in …
	}{
		{"nil", nil, "<nil>"},
		{"nil pointer", none, "(*display.silent)(nil)"},
		{"empty bundle", &silent{}, "&display.silent{}"},
		{"string", "a\nb", "a\nb"},
		{"int", 42, "42"},
		{"float32", float32(0.1), "0.1"},
		{"error", errors.New("no such layer"), "no such layer"},
		{"stringer", 1500 * time.Millisecond, "1.5s"},
		{"panicking stringer", panics{}, "(display.panics: showing it panicked: no)"},
		{"slice", []int{1, 2, 3}, "[]int (3) [1 2 3]"},
		{"strings", []string{"a b", "c"}, `[]string (2) ["a b" "c"]`},
		{"long slice", long, "[]float64 (1000000) [\n  0 0 0…"},
		{"nested map", map[string][]int{"b": {2}, "a": nil}, `map[string][]int{"a": nil, "b": [2]}`},
		{"any", map[string]any{"x": 1, "y": []any{"z"}}, `map[string]interface {}{"x": 1, "y": ["z"]}`},
		{"struct", hiddenFields{at: 3, img: nil}, "display.hiddenFields{at: 3, img: nil}"},
		{"cycle", ring, "&display.loop{\n  Name: \"a\",\n  Next: &display.loop{Name: \"a\", Next: &…"},
		{"nested stringer", []time.Duration{time.Second}, "[]time.Duration (1) [1s]"},
		{"func", strings.ToUpper, "<func(string) string>"},
		{"long text", strings.Repeat("é", 20_000), strings.Repeat("é", 10_000) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := BundleOf(c.v).Data["text/plain"].(string)
			if start, isStart := strings.CutSuffix(c.want, "…"); isStart {
				if !strings.HasPrefix(got, start) {
					t.Errorf("got %.200q, want a start of %.200q", got, start)
				}
			} else if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if len(got) > maxText+1000 {
				t.Errorf("%d bytes of text", len(got))
			}
		})
	}
}

// Depth and width limits alone would allow a tree of 100^8 leaves.
func TestFormatOfAWideTree(t *testing.T) {
	var tree any = 1
	for range 7 {
		level := make([]any, 50)
		for i := range level {
			level[i] = tree
		}
		tree = level
	}
	start := time.Now()
	if got := format(tree); len(got) > 20*maxText {
		t.Errorf("%d bytes", len(got))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestPictures(t *testing.T) {
	b := BundleOf(image.NewGray(image.Rect(0, 0, 3, 2)))
	data, ok := b.Data["image/png"].([]byte)
	if !ok {
		t.Fatalf("no PNG in %v", b.types())
	}
	decoded, err := png.Decode(bytes.NewReader(data))
	if err != nil || decoded.Bounds().Dx() != 3 {
		t.Errorf("decoded %v, %v", decoded, err)
	}
	if got, want := b.Data["text/plain"], "picture of 3×2 pixels"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if _, ok := BundleOf(image.NewGray(image.Rect(0, 0, 0, 2))).Data["image/png"]; ok {
		t.Error("an empty image became a PNG")
	}
}

func TestBundleOfAll(t *testing.T) {
	if got := BundleOfAll(7, nil).Data["text/plain"]; got != "7" {
		t.Errorf("a value and no error: %q", got)
	}
	if got := BundleOfAll(7, errors.New("late")).Data["text/plain"]; got != "7\nlate" {
		t.Errorf("a value and an error: %q", got)
	}
	b := BundleOfAll("<b>", image.NewGray(image.Rect(0, 0, 1, 1)))
	page, _ := b.Data["text/html"].(string)
	if !strings.Contains(page, "&lt;b&gt;") || !strings.Contains(page, "data:image/png;base64,") {
		t.Errorf("page %q", page)
	}
}

func TestHTMLHasText(t *testing.T) {
	got := HTML("<style>p{}</style><h1>A &amp; B</h1><p>one<br>two</p><script>x()</script>").MIMEBundle()["text/plain"]
	if want := "A & B\none\ntwo"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTableEscapes(t *testing.T) {
	page := Table([]string{"a<b"}, [][]string{{"1", "extra & more"}}).MIMEBundle()["text/html"].(string)
	for _, want := range []string{"a&lt;b", "extra &amp; more", `text-align:right">1<`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
}
