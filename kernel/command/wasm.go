package command

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"fovea/internal/atomicfile"
	"fovea/kernel/display"
	"fovea/kernel/session"
)

//go:embed wasm.js
var wasmScript string

func (c *call) wasmCommand(s special, args []string) error {
	if len(args) > 0 {
		return failed("%%wasm takes no arguments; the program's stand behind %%%% or %%args")
	}
	c.wasm, c.wasmLine = true, s.line
	return nil
}

// runWasm compiles the cell's Go, with what it needs of earlier cells, for the browser, and shows it there. It runs on the page, apart
// from all values.
func (c *call) runWasm(lines []string) *session.CellError {
	if c.test || c.exec != "" {
		return c.explainAt(failed("%%wasm builds a program: %%test and %%exec have no place beside it"), c.wasmLine, "%wasm")
	}
	imports := standardNames()
	if own, err := c.engine.session.Imports(c.ctx); err == nil {
		maps.Copy(imports, own)
	}
	if c.main >= 0 {
		lines[c.main] = "func main() {"
		lines = append(lines, "}")
	}
	div := "gonb_wasm_" + rand.Text()
	place, err := c.engine.wasmPlace()
	if err != nil {
		return c.explainAt(err, c.wasmLine, "%wasm")
	}
	source := wasmProgram(strings.Join(lines, "\n"), c.engine.declared, imports)
	source += fmt.Sprintf("\nconst (\n\tGonbWasmDir = %q\n\tGonbWasmUrl = %q\n\tGonbWasmDivId = %q\n)\n", place.dir, place.url, div)
	binary, err := c.buildWasm(source)
	var e *session.CellError
	if errors.As(err, &e) {
		return e
	}
	if err == nil {
		err = c.showWasm(binary, place, div)
	}
	return c.explainAt(err, c.wasmLine, "%wasm")
}

// buildWasm compiles a program in the cells' module.
func (c *call) buildWasm(source string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "fovea-wasm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	main, out := filepath.Join(dir, "cell.go"), filepath.Join(dir, "cell.wasm")
	if err := os.WriteFile(main, []byte(source), 0o600); err != nil {
		return nil, err
	}
	ctx, release := c.engine.running(c.ctx)
	defer release()
	var printed collect
	build := program{args: []string{"go", "build", "-ldflags=-s -w", "-o", out, main}, dir: c.engine.module,
		env: append(c.engine.environ(), "PWD="+c.engine.module, "GOOS=js", "GOARCH=wasm")}
	err = build.run(ctx, &printed)
	var exit *exec.ExitError
	switch {
	case errors.Is(err, errStopped):
		return nil, &session.CellError{Name: session.Interrupted, Message: "the build was interrupted"}
	case errors.As(err, &exit):
		text := strings.TrimSpace(strings.ReplaceAll(printed.String(), dir+string(filepath.Separator), ""))
		text = strings.TrimPrefix(text, "# command-line-arguments\n")
		message, _, _ := strings.Cut(text, "\n")
		return nil, &session.CellError{Name: session.CompileError, Message: "%wasm: " + message, Traceback: append(strings.Split(text, "\n"),
			"(lines are those of the program that was made of this cell and the declarations that it uses; live values are not on the page)")}
	case err != nil:
		return nil, err
	}
	return os.ReadFile(out)
}

// collect keeps what a program prints.
type collect struct {
	strings.Builder
	nothing
}

func (c *collect) Stream(_, text string) { c.WriteString(text) }

// A wasmPlace is where the page finds files, when Jupyter serves them.
type wasmPlace struct{ dir, url string }

// wasmPlace finds a folder below that of Jupyter's server, as GoNB has it; none: the program is put into the page.
func (e *Engine) wasmPlace() (wasmPlace, error) {
	root := e.getenv("GONB_JUPYTER_ROOT")
	if root == "" {
		return wasmPlace{}, nil
	}
	if e.wasmID == "" {
		e.wasmID = strings.ToLower(rand.Text()[:12])
	}
	place := wasmPlace{filepath.Join(root, "jupyter_files", e.wasmID), "/files/jupyter_files/" + e.wasmID}
	if err := os.MkdirAll(place.dir, 0o700); err != nil {
		return wasmPlace{}, nil // a server whose folder is not ours
	}
	return place, nil
}

// showWasm shows what runs the program on the page.
func (c *call) showWasm(binary []byte, place wasmPlace, div string) error {
	support, err := c.wasmSupport()
	if err != nil {
		return err
	}
	options := map[string]any{"argv": append([]string{"js"}, c.args...), "div": div}
	if place.dir != "" {
		name := "cell-" + strconv.Itoa(c.cell.Number) + ".wasm"
		if err := errors.Join(atomicfile.WriteBytes(filepath.Join(place.dir, "wasm_exec.js"), support),
			atomicfile.WriteBytes(filepath.Join(place.dir, name), binary)); err != nil {
			return err
		}
		options["files"], options["program"] = strings.TrimPrefix(place.url, "/"), name
	} else {
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is a good one
		w.Write(binary)
		if err := w.Close(); err != nil {
			return err
		}
		options["support"], options["data"] = string(support), base64.StdEncoding.EncodeToString(packed.Bytes())
	}
	text, err := json.Marshal(options) // which escapes < and >, so that the text ends no script
	if err != nil {
		return err
	}
	html := fmt.Sprintf("<div id=%q></div><script>(%s)(%s)</script>", div, strings.TrimSpace(wasmScript), text)
	c.out.Display(display.Message{Kind: display.KindDisplay, Bundle: display.Bundle{Data: map[string]any{
		"text/html": html, "text/plain": fmt.Sprintf("a program of %.1f MB for the browser", float64(len(binary))/1e6)}}})
	return nil
}

// wasmSupport is the script that the Go release needs to run on a page. It has moved in Go 1.24.
func (c *call) wasmSupport() ([]byte, error) {
	command := exec.CommandContext(context.WithoutCancel(c.ctx), "go", "env", "GOROOT")
	command.Dir, command.Env = c.engine.module, c.engine.environ()
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	root := strings.TrimSpace(string(out))
	for _, dir := range []string{"lib", "misc"} {
		if text, err := os.ReadFile(filepath.Join(root, dir, "wasm", "wasm_exec.js")); err == nil {
			return text, nil
		}
	}
	return nil, fmt.Errorf("%%wasm: there is no wasm_exec.js in %s: neither in lib/wasm nor in misc/wasm", root)
}
