package home

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestRoot(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	if !isRoot(root) {
		t.Errorf("Root() = %s, which is not the source", root)
	}
	t.Setenv("FOVEA_ROOT", t.TempDir())
	if _, err := Root(); err == nil || !strings.Contains(err.Error(), "FOVEA_ROOT") {
		t.Errorf("an empty FOVEA_ROOT: error %v", err)
	}
}

func TestFoldersFollowTheEnvironment(t *testing.T) {
	base := t.TempDir()
	t.Setenv("FOVEA_CACHE", "")
	t.Setenv("FOVEA_SHARE", "")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(base, "cache"))
	t.Setenv("XDG_DATA_HOME", filepath.Join(base, "data"))
	for name, c := range map[string]struct {
		of   func(...string) (string, error)
		want string
	}{
		"cache": {Cache, filepath.Join(base, "cache", "fovea", "x")},
		"share": {Share, filepath.Join(base, "data", "fovea", "x")},
	} {
		if got, err := c.of("x"); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
	t.Setenv("FOVEA_CACHE", filepath.Join(base, "mine"))
	if got, _ := Cache("data"); got != filepath.Join(base, "mine", "data") {
		t.Errorf("FOVEA_CACHE is not followed: %s", got)
	}
	t.Setenv("FOVEA_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := Cache(); err == nil || !strings.Contains(err.Error(), "FOVEA_CACHE") {
		t.Errorf("without a home: error %v", err)
	}
}
