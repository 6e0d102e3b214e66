package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fovea/kernel/display"
	"fovea/kernel/session"
)

func printed(text string) []*output {
	return []*output{{map[string]any{"output_type": "stream", "name": "stdout", "text": text}}}
}

func pictured(t *testing.T, p image.Image) []*output {
	t.Helper()
	var data bytes.Buffer
	if err := png.Encode(&data, p); err != nil {
		t.Fatal(err)
	}
	return []*output{{map[string]any{"output_type": "display_data", "data": map[string]any{
		"image/png": base64.StdEncoding.EncodeToString(data.Bytes()), "text/plain": "a picture"}}}}
}

func TestCompareText(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules.cfg")
	if err := os.WriteFile(rules, []byte("# rates\n[rate]\nregex: (\\d+) images a second\nreplace: RATE\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	sanitize, err := ReadSanitizer(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, stored, now string
		check             Check
		same              bool
	}{
		{"equal", "a\nb\n", "a\nb\n", Check{}, true},
		{"another word", "a\nb\n", "a\nc\n", Check{}, false},
		{"a line more", "a\n", "a\nb\n", Check{}, false},
		{"addresses", "at 0xc000012345\n", "at 0xc0000abcde\n", Check{}, true},
		{"small hexadecimal numbers are results", "0xff\n", "0xfe\n", Check{}, false},
		{"durations", "took 1.5s, 2m3s, 120µs\n", "took 12ms, 1h0m2s, 3 ms\n", Check{}, true},
		{"points in time", "2026-01-02T03:04:05Z start\n", "2027-11-12 13:14:15 start\n", Check{}, true},
		{"temporary files", "wrote /tmp/a123/x.txt\n", "wrote /tmp/b456/x.txt\n", Check{}, true},
		{"colours and spaces at the end", "\x1b[31mred\x1b[0m  \n", "red\n", Check{}, true},
		{"a bar as other frontends store it", "1 of 2\r2 of 2\n", "2 of 2\n", Check{}, true},
		{"numbers", "loss 0.500\n", "loss 0.504\n", Check{}, false},
		{"numbers within", "loss 0.500\n", "loss 0.504\n", Check{Numbers: 0.01}, true},
		{"numbers beyond", "loss 0.500\n", "loss 0.520\n", Check{Numbers: 0.01}, false},
		{"numbers of other words", "loss 0.500\n", "gain 0.500\n", Check{Numbers: 0.01}, false},
		{"own rules", "120 images a second\n", "7 images a second\n", Check{Sanitize: sanitize}, true},
		{"own rules keep the others", "120 images a second, 2s\n", "7 images a second, 3ms\n", Check{Sanitize: sanitize}, true},
	} {
		got := c.check.compare(printed(c.stored), printed(c.now))
		if (got == "") != c.same {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestRulesAreChecked(t *testing.T) {
	for content, want := range map[string]string{
		"regex: (":                            ":1: error parsing",
		"replace: x":                          "without a regex",
		"regex: a\n":                          "no replace",
		"regex: a\n[next]\n":                  ":2: the rule before",
		"[a]\nregexp: a\n":                    "neither regex nor replace",
		"nothing":                             "write 'regex",
		"[a]\nregex: a\nreplace: b\nregex: c": "no replace",
	} {
		path := filepath.Join(t.TempDir(), "rules")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadSanitizer(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", content, err, want)
		}
	}
}

func TestComparePictures(t *testing.T) {
	draw := func(shift int) image.Image {
		p := image.NewNRGBA(image.Rect(0, 0, 320, 240))
		draw.Draw(p, p.Bounds(), image.White, image.Point{}, draw.Src)
		draw.Draw(p, image.Rect(40+shift, 40, 140+shift, 140), image.NewUniform(color.NRGBA{200, 30, 30, 255}), image.Point{}, draw.Src)
		return p
	}
	noisy := draw(0).(*image.NRGBA)
	for i := 0; i < len(noisy.Pix); i += 4 {
		noisy.Pix[i] -= min(noisy.Pix[i], uint8(i%7))
	}
	small := image.NewNRGBA(image.Rect(0, 0, 32, 24))
	for _, c := range []struct {
		name   string
		a, b   image.Image
		shares map[float64]bool // Pictures → same
	}{
		{"the same", draw(0), draw(0), map[float64]bool{-1: true, 0: true, 1: true}},
		{"a hardly visible change", draw(0), noisy, map[float64]bool{-1: false, 0: true, 1: true}},
		{"a moved square", draw(0), draw(60), map[float64]bool{-1: false, 0: false, 0.2: true, 1: true}},
		{"another size", draw(0), small, map[float64]bool{0: false, 1: false}},
	} {
		for share, same := range c.shares {
			k := Check{Pictures: share}
			if got := k.compare(pictured(t, c.a), pictured(t, c.b)); (got == "") != same {
				t.Errorf("%s, %v: %q", c.name, share, got)
			}
		}
	}
}

func TestDiff(t *testing.T) {
	many := strings.Repeat("same\n", 10)
	k := &Check{}
	got := k.compare(printed("first\n"+many+"old\n"+many), printed("1st\n"+many+"new\nnewer\n"+many))
	want := `--- stored
+++ now
@@ -1,5 +1,5 @@
 [stdout]
-first
+1st
 same
 same
 same
@@ -10,7 +10,8 @@
 same
 same
 same
-old
+new
+newer
 same
 same
 same`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := k.compare(nil, printed("x\n")); got != "--- stored\n+++ now\n@@ -0,0 +1,2 @@\n+[stdout]\n+x" {
		t.Errorf("from nothing:\n%s", got)
	}
}

// A check runs everything and names the cells that put out something else.
func TestRunWithCheck(t *testing.T) {
	nb := codeNotebook(t, "same", "changed", "ignored", "skipped", "// NBVAL_IGNORE_OUTPUT\nignored", "fails as before", "shows")
	for i := range 6 {
		nb.Cells[i].output = printed("old\n")
	}
	nb.Cells[5].output = []*output{{map[string]any{"output_type": "error", "ename": "Panic", "evalue": "x", "traceback": []any{"a line that moves"}}}}
	nb.Cells[6].output = []*output{{map[string]any{"output_type": "display_data", "data": map[string]any{"text/plain": []any{"final"}}, "metadata": map[string]any{}}}}
	set(nb.Cells[2].doc, []any{TagIgnoreOutput}, "metadata", "tags")
	set(nb.Cells[3].doc, []any{TagNbvalSkip}, "metadata", "tags")
	set(nb.Cells[5].doc, []any{TagMayFail}, "metadata", "tags")
	say := func(s string) cellFunc {
		return well(func(out session.Output) { out.Stream("stderr", "notice\n"); out.Stream("stdout", s) })
	}
	engine := &fakeEngine{cells: map[string]cellFunc{
		"same": say("old\n"), "changed": say("new\n"), "ignored": say("new\n"), "skipped": say("new\n"), "// NBVAL": say("new\n"),
		"fails": fails("Panic", "x", "another line"),
		"shows": well(func(out session.Output) {
			out.Display(display.Message{Kind: display.KindDisplay, ID: "d", Bundle: display.BundleOf("first")})
			out.Display(display.Message{Kind: display.KindUpdate, ID: "d", Bundle: display.BundleOf("final")})
		}),
	}}
	report, err := Run(context.Background(), nb, engine, Options{Check: &Check{}})
	if err == nil || !strings.Contains(err.Error(), "cell 2 (changed) puts out something else") {
		t.Errorf("got %v", err)
	}
	if failed := report.Failures(); len(failed) != 1 || !strings.Contains(failed[0].Diff, "-old\n+new") {
		t.Errorf("%+v", failed)
	}
	if report.Errors() != nil {
		t.Error("an other output is told as an error of the cell")
	}
}
