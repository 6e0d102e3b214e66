//go:build unix

// Package disk tells how full a disk is and what takes the room.
package disk

import (
	"io/fs"
	"path/filepath"
	"syscall"
)

// Free returns the bytes that this user may still write on the disk that holds dir; ok is false where the file system
// doesn't tell.
func Free(dir string) (bytes int64, ok bool) {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}

// Size adds up the files below dir. Files that vanish meanwhile, or can't be seen, don't count.
func Size(dir string) int64 {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}
