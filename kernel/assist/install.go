package assist

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"fovea/internal/home"
	"fovea/kernel/session/host"
)

// Version is the release of gopls that Install takes: one that knows the language of the pinned toolchain.
const Version = "v0.21.1"

// ErrNotInstalled says that there is no gopls on this machine.
var ErrNotInstalled = errors.New("gopls is not installed: 'fovea kernel install' does it, or put gopls into PATH")

// Find returns the path of gopls: $FOVEA_GOPLS, or the one in PATH, or the installed one.
func Find() (string, error) {
	if path := os.Getenv("FOVEA_GOPLS"); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("FOVEA_GOPLS: %w", err)
		}
		return path, nil
	}
	if path, err := exec.LookPath("gopls"); err == nil {
		return path, nil
	}
	dir, err := home.Share("gopls", Version)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, program())
	if _, err := os.Stat(path); err != nil {
		return "", ErrNotInstalled
	}
	return path, nil
}

func program() string {
	if runtime.GOOS == "windows" {
		return "gopls.exe"
	}
	return "gopls"
}

// Install builds gopls of [Version] with the pinned toolchain and puts it into Fovea's folder, unless Find finds one.
// The go command fetches its source and checks it against the checksum database; that takes a minute or two, once.
func Install(ctx context.Context) (path string, err error) {
	if path, err := Find(); !errors.Is(err, ErrNotInstalled) {
		return path, err
	}
	dir, err := home.Share("gopls", Version)
	if err != nil {
		return "", err
	}
	// It comes into its place whole.
	fresh, err := os.MkdirTemp(dir, ".new-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	command := exec.CommandContext(ctx, "go", "install", "golang.org/x/tools/gopls@"+Version)
	command.Dir = fresh // not in a module
	command.Env = append(environment(os.Environ()), "GOBIN="+fresh, "GOFLAGS=-buildvcs=false", "GOTOOLCHAIN="+host.Release)
	if out, err := command.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("go install of gopls %s: %w\n%s", Version, err, strings.TrimSpace(string(out)))
	}
	path = filepath.Join(dir, program())
	return path, os.Rename(filepath.Join(fresh, program()), path)
}

// environment leaves out what would make the go command see another module or toolchain than the session does.
func environment(all []string) []string {
	var env []string
	for _, e := range all {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "GOFLAGS", "GOWORK", "GO111MODULE", "GOTOOLCHAIN", "GOROOT", "GOOS", "GOARCH", "GOBIN", "GOEXPERIMENT", "CGO_ENABLED", "GOMEMLIMIT":
		default:
			env = append(env, e)
		}
	}
	return append(env, "GOWORK=off", "GOTOOLCHAIN="+host.Release, "CGO_ENABLED=1")
}
