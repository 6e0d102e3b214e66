package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// A FetchError says why packages could not be fetched.
type FetchError struct {
	Text    string
	Offline bool // nobody answered
}

func (e *FetchError) Error() string { return e.Text }

// Fetch finds the modules of packages and of all that they import, downloads what is not on this machine, and writes it
// into modfile and the go.sum beside. What the module has already keeps its version. progress gets a line for each step.
func (h *Host) Fetch(ctx context.Context, modfile string, env []string, progress func(line string), paths ...string) error {
	args := append([]string{"list", "-mod=mod", "-modfile=" + modfile, "-deps", "-f", `{{""}}`}, h.config.Flags...)
	command := exec.CommandContext(ctx, "go", append(append(args, "--"), paths...)...)
	command.Dir = h.moduleDir
	command.Env = h.fetchEnv(env)
	inGroup(command)
	stderr, err := command.StderrPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	var said []string
	last := ""
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "go: "); ok && mentions(rest, []string{"downloading ", "finding ", "found "}) {
			if rest != last { // it says some things twice
				progress(rest)
			}
			last = rest
		} else if strings.TrimSpace(line) != "" {
			said = append(said, line)
		}
	}
	err = command.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return h.explainFetch(ctx, env, strings.Join(said, "\n"), err)
	}
	return nil
}

// FetchFor is Fetch for the packages of a host that could not be opened without.
func FetchFor(ctx context.Context, t *Toolchain, c Config, modfile string, env []string, progress func(line string)) error {
	h := newHost(t, c)
	return h.Fetch(ctx, modfile, env, progress, h.roots()...)
}

// fetchEnv is the go command's environment with the user's say in where modules come from.
func (h *Host) fetchEnv(env []string) []string {
	return slices.Concat(h.tools.env, unfixed(env), []string{"GIT_TERMINAL_PROMPT=0"}) // nobody could answer
}

// away are the words of a network that does not answer.
var away = []string{"dial tcp", "no such host", "connection refused", "connection reset", "i/o timeout", "network is unreachable", "TLS handshake timeout",
	"Could not resolve host", "proxyconnect", "lookup disabled by GOPROXY=off", "no route to host"}

func (h *Host) explainFetch(ctx context.Context, env []string, text string, err error) error {
	if text == "" {
		return &ToolError{Tool: "go list", Err: err}
	}
	if !mentions(text, away) {
		if strings.Contains(text, "requires go >=") {
			text += fmt.Sprintf("\nThe kernel compiles with %s: ask for an older version of the module with !*go get MODULE@VERSION", h.tools.Version)
		}
		return &FetchError{Text: text}
	}
	command := exec.CommandContext(ctx, "go", "env", "GOPROXY")
	command.Dir, command.Env = h.moduleDir, h.fetchEnv(env)
	proxy, proxyErr := command.Output()
	if proxyErr != nil {
		return errors.Join(&FetchError{text, true}, proxyErr)
	}
	return &FetchError{fmt.Sprintf("%s\nasked: %s", text, strings.TrimSpace(string(proxy))), true}
}

// SetFlags sets Config.Flags for packages that come from now on.
func (h *Host) SetFlags(flags []string) { h.config.Flags = flags }
