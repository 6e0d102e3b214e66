//go:build linux

package session

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The folders of killed sessions go; those of living ones, young ones, and what only looks like one stay.
func TestSweep(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	living, remove, err := newFolder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	var want = map[string]bool{filepath.Base(living): true}
	make := func(name string, locked bool, age time.Duration, stays bool) {
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if locked {
			if err := os.WriteFile(filepath.Join(dir, folderLock), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		old := time.Now().Add(-age)
		if err := os.Chtimes(dir, old, old); err != nil {
			t.Fatal(err)
		}
		want[name] = stays
	}
	make("fovea-session-killed", true, time.Hour, false)
	make("fovea-session-young", true, time.Second, true)
	make("fovea-session-unlocked", false, time.Hour, true)
	make("fovea-session-ancient", false, 48*time.Hour, false)
	make("other", true, time.Hour, true)
	if err := os.Symlink(elsewhere, filepath.Join(parent, "fovea-session-link")); err != nil {
		t.Fatal(err)
	}
	want["fovea-session-link"] = true
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(living, old, old); err != nil {
		t.Fatal(err)
	}
	sweep(parent)
	for name, stays := range want {
		if _, err := os.Lstat(filepath.Join(parent, name)); (err == nil) != stays {
			t.Errorf("%s: stays %v, want %v", name, err == nil, stays)
		}
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(living); err == nil {
		t.Error("the folder of a closed session is left")
	}
}

// A session that opens sweeps, and one that closes leaves nothing.
func TestSessionFolder(t *testing.T) {
	s := openTest(t, Options{}) // builds the host library before TMPDIR changes
	s.Close()
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	killed := filepath.Join(parent, folderPrefix+"killed")
	if err := os.Mkdir(killed, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(killed, folderLock), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(killed, old, old); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Options{})
	(&runner{T: t, s: s}).want("1+1", "2")
	left := func() int {
		found, err := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if n := left(); n != 1 {
		t.Errorf("%d folders while one session lives, want 1", n)
	}
	s.Close()
	if n := left(); n != 0 {
		t.Errorf("%d folders are left", n)
	}
}
