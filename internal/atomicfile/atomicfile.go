// Package atomicfile writes files that are either whole or not there at all.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// WriteFile calls write with a temporary file in the folder of path and renames it to path when write and the disk
// agree that all is well. On any failure, a panic of write included, path stays as it was and the temporary file is
// removed. The folder is made when it is missing. The file's mode is 0644, or that of the file that it replaces.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Explain(err, dir)
	}
	// In the same folder, since a rename is atomic only within one file system.
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return Explain(err, dir)
	}
	done := false
	defer func() {
		if !done {
			f.Close()
			os.Remove(f.Name())
		}
	}()

	if err := write(f); err != nil {
		return Explain(fmt.Errorf("write %s: %w", path, err), dir)
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	// Without the sync a power cut may leave an empty file under the final name.
	if err := f.Sync(); err != nil {
		return Explain(err, dir)
	}
	if err := f.Close(); err != nil {
		return Explain(err, dir)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	done = true
	return nil
}

// WriteBytes is WriteFile for content that is already in memory.
func WriteBytes(path string, content []byte) error {
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// Explain adds what to do to an error that says the disk is full or the folder can't be written; other errors pass
// through. The result still wraps err.
func Explain(err error, dir string) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: the disk that holds %s is full: free some space there and try again", err, dir)
	case errors.Is(err, syscall.EROFS), errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: %s can't be written by this user: change its rights or choose another folder", err, dir)
	}
	return err
}
