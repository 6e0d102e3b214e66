//go:build linux

package gonb

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMakePipes(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "pipes")
	pipes := []string{filepath.Join(fresh, "pipe"), filepath.Join(fresh, "back")}
	if err := makePipes(pipes...); err != nil {
		t.Fatal(err)
	}
	for _, p := range pipes {
		if info, err := os.Lstat(p); err != nil || info.Mode() != os.ModeNamedPipe|0o600 {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
	if err := makePipes(pipes...); err == nil {
		t.Error("pipes that are there are taken over")
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(fresh, link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{open, link, filepath.Join(open, "none", "deeper")} {
		if err := makePipes(filepath.Join(dir, "pipe2")); err == nil {
			t.Errorf("pipes in %s", dir)
		}
	}
}
