package assist

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// memoryLimit bounds the heap of gopls softly: beyond it the collector works harder.
const memoryLimit = "1GiB"

// startTime is how long gopls may take to answer its first request.
const startTime = 30 * time.Second

// settings of gopls: what a cell has no use for is switched off.
var settings = map[string]any{
	"matcher":                        "CaseInsensitive", // the prefixes that notebooks' users know
	"completionBudget":               "400ms",
	"deepCompletion":                 false, // x.y for x takes the whole budget
	"completeUnimported":             false, // a cell cannot be edited elsewhere than at the cursor
	"completeFunctionCalls":          false,
	"experimentalPostfixCompletions": false,
	"usePlaceholders":                false,
	"staticcheck":                    false,
	"diagnosticsTrigger":             "Save", // never: they are asked for
	"pullDiagnostics":                true,
	"hoverKind":                      "FullDocumentation",
	"linksInHover":                   false,
	"symbolScope":                    "workspace",
	"semanticTokens":                 false,
	"vulncheck":                      "Off",
	"expandWorkspaceToModule":        false,
	"codelenses":                     map[string]bool{"generate": false, "tidy": false, "upgrade_dependency": false, "vendor": false},
	"analyses":                       analyses,
	"env":                            map[string]string{"GOPROXY": "off", "GOFLAGS": "-mod=mod -buildvcs=false"},
}

// analyses are off: they read all of a package's dependencies. The compiler's errors remain.
var analyses = func() map[string]bool {
	off := map[string]bool{}
	for _, name := range []string{"appends", "asmdecl", "assign", "atomic", "atomicalign", "bools", "buildtag", "cgocall", "composites", "copylocks", "deepequalerrors", "defers", "deprecated", "directive", "embed", "errorsas", "fillreturns", "framepointer", "gofix", "hostport", "httpresponse", "ifaceassert", "infertypeargs", "inline", "loopclosure", "lostcancel", "maprange", "modernize", "nilfunc", "nilness", "nonewvars", "noresultvalues", "printf", "shadow", "shift", "sigchanyzer", "simplifycompositelit", "simplifyrange", "simplifyslice", "slog", "sortslice", "stdmethods", "stdversion", "stringintconv", "structtag", "testinggoroutine", "tests", "timeformat", "unmarshal", "unreachable", "unsafeptr", "unusedfunc", "unusedparams", "unusedresult", "unusedvariable", "unusedwrite", "usesgenerics", "waitgroup", "yield"} {
		off[name] = false
	}
	return off
}()

// A process is a gopls that answers.
type process struct {
	*conn
	utf8   bool          // columns count bytes
	exited chan struct{} // when it has ended
	kill   func()

	// Guarded by the Assistant's mutex.
	version int
	texts   map[string]string // of the open files, by URI
	module  string            // the times of go.mod and go.sum, as gopls knows them
}

// startProcess starts gopls for the files of a module and waits until it answers.
func startProcess(ctx context.Context, program, dir string) (*process, error) {
	command := exec.Command(program, "serve")
	command.Dir = dir
	command.Env = append(environment(os.Environ()), "GOMEMLIMIT="+memoryLimit)
	command.WaitDelay = time.Second
	alone(command)
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	command.Stderr = &tail{} // for the report of its end
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{exited: make(chan struct{}), texts: map[string]string{}, module: moduleStamp(dir)}
	p.kill = func() { killGroup(command.Process) }
	p.conn = newConn(out, in, answerServer)
	go func() {
		<-p.closed // Wait must not come before the last read
		in.Close() // gopls ends when its input does
		stop := time.AfterFunc(time.Second, p.kill)
		command.Wait() // how it ended matters less than that it did
		stop.Stop()
		killGroup(command.Process) // the go commands that it had started
		close(p.exited)
	}()
	if err := p.initialize(ctx, dir); err != nil {
		p.close(err)
		<-p.exited
		return nil, fmt.Errorf("it does not answer: %w\n%s", err, command.Stderr)
	}
	return p, nil
}

func (p *process) initialize(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	k, err := p.start("initialize", map[string]any{
		"processId": os.Getpid(), // gopls ends with it
		"rootUri":   fileURI(dir),
		"capabilities": map[string]any{
			"general":   map[string]any{"positionEncodings": []string{"utf-8", "utf-16"}},
			"workspace": map[string]any{"configuration": true},
			"textDocument": map[string]any{
				"completion":    map[string]any{"completionItem": map[string]any{"snippetSupport": false, "documentationFormat": []string{"markdown"}}},
				"hover":         map[string]any{"contentFormat": []string{"markdown"}},
				"signatureHelp": map[string]any{"signatureInformation": map[string]any{"documentationFormat": []string{"markdown"}}},
			},
		},
		"initializationOptions": settings,
	})
	if err != nil {
		return err
	}
	var result struct {
		Capabilities struct {
			PositionEncoding string `json:"positionEncoding"`
		} `json:"capabilities"`
	}
	if err := k.wait(ctx, &result); err != nil {
		return err
	}
	p.utf8 = result.Capabilities.PositionEncoding == "utf-8"
	return p.notify("initialized", struct{}{})
}

// answerServer answers what gopls asks its client.
func answerServer(method string, params json.RawMessage) any {
	if method != "workspace/configuration" {
		return nil
	}
	var asked struct {
		Items []any `json:"items"`
	}
	if err := json.Unmarshal(params, &asked); err != nil {
		return nil
	}
	answers := make([]any, len(asked.Items))
	for i := range answers {
		answers[i] = settings
	}
	return answers
}

// show makes gopls see a file's text. Nothing is written to disk.
func (p *process) show(uri, text string) error {
	old, open := p.texts[uri]
	if open && old == text {
		return nil
	}
	p.version++
	p.texts[uri] = text
	if !open {
		return p.notify("textDocument/didOpen", map[string]any{
			"textDocument": map[string]any{"uri": uri, "languageId": "go", "version": p.version, "text": text}})
	}
	return p.notify("textDocument/didChange", map[string]any{
		"textDocument":   map[string]any{"uri": uri, "version": p.version},
		"contentChanges": []any{map[string]string{"text": text}}})
}

// lookAtModule tells gopls when go.mod or go.sum has changed on disk, as when a cell's import has been fetched.
func (p *process) lookAtModule(dir string) error {
	stamp := moduleStamp(dir)
	if stamp == p.module {
		return nil
	}
	p.module = stamp
	var changes []any
	for _, name := range moduleNames {
		changes = append(changes, map[string]any{"uri": fileURI(filepath.Join(dir, name)), "type": 2}) // changed
	}
	return p.notify("workspace/didChangeWatchedFiles", map[string]any{"changes": changes})
}

var moduleNames = []string{"go.mod", "go.sum"}

func moduleStamp(dir string) (stamp string) {
	for _, name := range moduleNames {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			stamp += fmt.Sprintln(info.Size(), info.ModTime().UnixNano())
		}
	}
	return stamp
}

func (p *process) stop() { p.close(io.EOF); <-p.exited }

func fileURI(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-1000):]
	return len(p), nil
}

func (t *tail) String() string { return string(t.b) }
