// Package notebooks_test runs every notebook of this folder whole, through Fovea's own kernel.
package notebooks_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// quick says what makes a notebook short, and what its run must show.
var quick = map[string]struct {
	parameters []string
	pictures   int
	prints     []string // regular expressions
}{
	"gonb-tour.ipynb": {nil, 1, []string{`47² = 2209`, `apples\s+bread\s+milk`, `ooo\nother arguments: \[\]`, `(?s)computing …\nfirst:  328\nsecond: 328`, `--- PASS: TestArea/radius_1`, `4 primes below ten`}},
	"backbones.ipynb": {[]string{"epochs=1", "examples=640", "units=1"}, 10, []string{
		`stochasticdepth drops whole residual branches`, `residual\s+\d+ parameters`, `FractalNet\s+test accuracy +\d+\.\d ±`,
		`nothing taken out: plain \d+\.\d %, residual \d+\.\d %, stochastic depth \d+\.\d %`, `block4/pointwise`,
		`MobileNet: test accuracy \d+\.\d %`,
	}},
	"seeing.ipynb": {[]string{"epochs=1", "examples=1000", "asked=4", "samples=4", "steps=8"}, 15, []string{
		`test accuracy \d+\.\d % on 600 pictures`, `Smooth Grad-CAM\+\+ +class activation`, `\d+ methods explained 4 pictures each`,
		`Gradient: depends on the weights`, `Guided backpropagation: does not change when \d of 5 layers are random`,
		`the object takes \d+ % of the area`, `no tap "conv9": the network has conv1, conv2, conv3, conv4`,
	}},
	"what-networks-learn.ipynb": {[]string{"steps=40", "examples=1000"}, 10, []string{
		`held-out accuracy \d+\.\d %, guessing 10\.0 %`, `correlation with the formula -?\d\.\d\d`, `layers: \[conv1 conv2 conv3 conv4 \w+\]`,
		`kept on average over all angles: plain \d+ %, log-polar \d+ %`,
	}},
	"quickstart.ipynb": {[]string{"epochs=1"}, 8, []string{`test accuracy \d+\.\d %`, `after \d+ steps`, `128 pictures classified in`}},
}

type notebook struct {
	Cells []struct {
		Type     string `json:"cell_type"`
		Metadata struct {
			Tags []string `json:"tags"`
		} `json:"metadata"`
		Count   *int `json:"execution_count"`
		Outputs []struct {
			Type string                     `json:"output_type"`
			Name string                     `json:"ename"`
			Data map[string]json.RawMessage `json:"data"`
			Text json.RawMessage            `json:"text"`
		} `json:"outputs"`
	} `json:"cells"`
}

func TestNotebooks(t *testing.T) {
	fovea := os.Getenv("FOVEA_COMMAND")
	if fovea == "" {
		t.Skip("FOVEA_COMMAND does not name the fovea command; `make test` builds it and sets this")
	}
	files, err := filepath.Glob("*.ipynb")
	if err != nil || len(files) == 0 {
		t.Fatalf("no notebooks: %v", err)
	}
	for _, file := range files {
		for _, backend := range []string{"", "go"} {
			name := file
			if backend != "" {
				name += " on " + backend
			}
			t.Run(name, func(t *testing.T) {
				if backend != "" && testing.Short() {
					t.Skip("the pure-Go backend is slow")
				}
				run(t, fovea, file, backend)
			})
		}
	}
}

func run(t *testing.T, fovea, file, backend string) {
	want, ok := quick[file]
	if !ok {
		t.Fatalf("%s is not in the table of this test: say what makes it quick and what it must show", file)
	}
	out := t.TempDir()
	args := []string{"run", file, "--html", "-o", out}
	for _, p := range want.parameters {
		args = append(args, "-p", p)
	}
	command := exec.Command(fovea, args...)
	if backend != "" {
		command.Env = append(os.Environ(), "GOMLX_BACKEND="+backend)
	}
	if log, err := command.CombinedOutput(); err != nil {
		t.Fatalf("fovea %s: %v\n%s", strings.Join(args, " "), err, log)
	}
	content, err := os.ReadFile(filepath.Join(out, file))
	if err != nil {
		t.Fatal(err)
	}
	var nb notebook
	if err := json.Unmarshal(content, &nb); err != nil {
		t.Fatal(err)
	}
	pictures, text := 0, ""
	for i, cell := range nb.Cells {
		if cell.Type == "code" && cell.Count == nil {
			t.Errorf("cell %d was not run", i)
		}
		for _, o := range cell.Outputs {
			if o.Type == "error" && !slices.Contains(cell.Metadata.Tags, "raises-exception") {
				t.Errorf("cell %d ended with %s", i, o.Name)
			}
			if _, ok := o.Data["image/png"]; ok {
				pictures++
			}
			text += joined(o.Text)
		}
	}
	if pictures < want.pictures {
		t.Errorf("%d pictures, want at least %d", pictures, want.pictures)
	}
	for _, pattern := range want.prints {
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("no cell printed %q; the text is:\n%s", pattern, text)
		}
	}
	page, err := os.ReadFile(filepath.Join(out, strings.TrimSuffix(file, ".ipynb")+".html"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(page), "data:image/png;base64,"); n < want.pictures {
		t.Errorf("the page holds %d pictures, want at least %d", n, want.pictures)
	}
}

// joined reads a text that the notebook format holds as a string or as a list of lines.
func joined(raw json.RawMessage) string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one
	}
	var lines []string
	json.Unmarshal(raw, &lines) //nolint:errcheck // what is neither has no text
	return strings.Join(lines, "")
}
