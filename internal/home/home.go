// Package home says where Fovea keeps things: its source, its caches, its installed parts.
package home

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Module is the path of Fovea's module.
const Module = "fovea"

// Root returns the folder of Fovea's source: $FOVEA_ROOT, or the folder that this program was built from.
// The kernel needs it, because a notebook's cells import Fovea's packages from source.
func Root() (string, error) {
	if dir := os.Getenv("FOVEA_ROOT"); dir != "" {
		if !isRoot(dir) {
			return "", fmt.Errorf("FOVEA_ROOT is %s, which holds no go.mod of module %s: point it at a clone of Fovea", dir, Module)
		}
		return filepath.Abs(dir)
	}
	if _, file, _, ok := runtime.Caller(0); ok {
		if dir := filepath.Dir(filepath.Dir(filepath.Dir(file))); isRoot(dir) {
			return dir, nil
		}
	}
	return "", errors.New("the source of Fovea was not found (was the clone moved after the build?): set FOVEA_ROOT to the clone, or build again there with 'make'")
}

func isRoot(dir string) bool {
	for _, name := range []string{"go.mod", filepath.Join("internal", "home", "home.go")} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// Cache returns a folder below the user's cache folder for what can be made again: data sets, host libraries.
// $FOVEA_CACHE replaces ~/.cache/fovea.
func Cache(elem ...string) (string, error) {
	return below("FOVEA_CACHE", os.UserCacheDir, elem)
}

// Share returns a folder below the user's data folder for what is installed: the XLA plugin, virtual environments.
// $FOVEA_SHARE replaces ~/.local/share/fovea.
func Share(elem ...string) (string, error) {
	return below("FOVEA_SHARE", userDataDir, elem)
}

func below(env string, user func() (string, error), elem []string) (string, error) {
	dir := os.Getenv(env)
	if dir == "" {
		base, err := user()
		if err != nil {
			return "", fmt.Errorf("no folder to keep files in: %w (set HOME or %s)", err, env)
		}
		dir = filepath.Join(base, "fovea")
	}
	dir, err := filepath.Abs(filepath.Join(append([]string{dir}, elem...)...))
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// userDataDir is the counterpart of os.UserCacheDir that the standard library lacks.
func userDataDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(user, "Library", "Application Support"), nil
	}
	return filepath.Join(user, ".local", "share"), nil
}
