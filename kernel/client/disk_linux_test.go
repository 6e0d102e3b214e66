package client

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no small file system to fill: %v", err)
	}
	defer syscall.Unmount(dir, 0)
	path := filepath.Join(dir, "out.ipynb")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	nb := readTour(t)
	nb.Cells[0].Source = strings.Repeat("a long notebook\n", 10_000)
	for _, write := range []func(string) error{nb.Write, nb.WriteHTML} {
		if err := write(path); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "full") {
			t.Errorf("got %v", err)
		}
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "old" {
		t.Errorf("the old file holds %q, %v", content, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}
