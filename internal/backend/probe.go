package backend

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"

	"fovea/internal/atomicfile"
	"fovea/internal/home"
)

// probeEnv makes any program that links this package a prober: it runs the named plugin once and exits. That way a
// plugin's crash is a child's exit status, in a program as in a test binary, and no second executable is needed.
const probeEnv = "FOVEA_PROBE_PLUGIN"

func init() {
	if plugin := os.Getenv(probeEnv); plugin != "" {
		if err := tryPlugin(plugin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(probeAnswer)
		os.Exit(0)
	}
}

// probeAnswer is printed by a child that has computed the right result; an exit status alone could be another program's.
const probeAnswer = "fovea: the plugin computes"

// tryPlugin opens the plugin and computes x+1 and a small convolution, which on XLA:CPU takes the library's other paths.
func tryPlugin(plugin string) error {
	b, err := Open("xla:" + plugin)
	if err != nil {
		return err
	}
	defer b.Finalize()
	return tryBackend(b)
}

func tryBackend(b compute.Backend) error {
	sum, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node { return graph.AddScalar(x, 1) }, []float32{1, 2, 3})
	if err != nil {
		return fmt.Errorf("x+1: %w", err)
	}
	if got := sum.Value().([]float32); len(got) != 3 || got[0] != 2 || got[1] != 3 || got[2] != 4 {
		return fmt.Errorf("[1 2 3]+1 gave %v", got)
	}
	conv, err := graph.CallOnce(b, func(x, k *graph.Node) *graph.Node {
		return graph.Reshape(graph.Convolve(x, k).NoPadding().Done(), 2)
	}, [][][]float32{{{1}, {2}, {4}}}, [][][]float32{{{10}}, {{1}}}) // [B W C] and [width in out]
	if err != nil {
		return fmt.Errorf("a convolution: %w", err)
	}
	if got := conv.Value().([]float32); got[0] != 12 || got[1] != 24 {
		return fmt.Errorf("a convolution gave %v, want [12 24]", got)
	}
	return nil
}

// probe runs tryPlugin in a child process.
func probe(ctx context.Context, plugin string) error {
	if _, err := os.Stat(plugin); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("no answer for two minutes"))
	defer cancel()
	command := exec.CommandContext(ctx, self)
	command.Env = append(os.Environ(), probeEnv+"="+plugin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err = command.Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil && strings.Contains(stdout.String(), probeAnswer):
		return nil
	case err == nil:
		return fmt.Errorf("the test program %s answered nothing", self)
	}
	message := strings.TrimSpace(stderr.String())
	if first, _, _ := strings.Cut(message, "\n"); first != "" {
		message = first // what follows is the trace of where the error was made
	}
	return fmt.Errorf("it doesn't run here: %s (%w)", message, err)
}

// probeCached is probe, with a success remembered for as long as the file, the program's modules and the host are the
// same: starting XLA costs most of a second.
func probeCached(ctx context.Context, plugin string) error {
	info, err := os.Stat(plugin)
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	key := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %s %s", plugin, info.Size(), info.ModTime().UnixNano(), host, moduleVersions()))
	dir, err := home.Cache("probe")
	if err != nil {
		return err
	}
	note := filepath.Join(dir, fmt.Sprintf("%x.json", key[:8]))
	if _, err := os.Stat(note); err == nil {
		return nil
	}
	if err := probe(ctx, plugin); err != nil {
		return err
	}
	content, _ := json.Marshal(map[string]any{"plugin": plugin, "host": host, "works": true})
	// A cache that can't be written costs the next start a probe, no more.
	_ = atomicfile.WriteBytes(note, append(content, '\n'))
	return nil
}

// moduleVersions names the modules that speak to the plugin.
func moduleVersions() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var versions []string
	for _, m := range info.Deps {
		if strings.HasPrefix(m.Path, "github.com/gomlx/") {
			versions = append(versions, m.Path+"@"+m.Version)
		}
	}
	return strings.Join(versions, " ")
}
