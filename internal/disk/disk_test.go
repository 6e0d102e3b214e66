//go:build unix

package disk

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSize(t *testing.T) {
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755)
	os.WriteFile(filepath.Join(dir, "x"), make([]byte, 1000), 0o644)
	os.WriteFile(filepath.Join(dir, "a", "b", "y"), make([]byte, 234), 0o644)
	os.Symlink(filepath.Join(dir, "x"), filepath.Join(dir, "link"))
	if got := Size(dir); got != 1234 {
		t.Errorf("Size = %d, want 1234", got)
	}
	if got := Size(filepath.Join(dir, "missing")); got != 0 {
		t.Errorf("Size of a missing folder = %d", got)
	}
}

func TestFree(t *testing.T) {
	if free, ok := Free(t.TempDir()); ok && free <= 0 {
		t.Errorf("Free = %d", free)
	}
	if _, ok := Free("/no/such/folder"); ok {
		t.Error("a missing folder has free space")
	}
}
