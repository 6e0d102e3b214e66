package session

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fovea/internal/filelock"
)

// A session's files lie in a folder that it holds a lock in for as long as it lives. A session that was killed cannot
// remove its folder; the next one that opens does.
const (
	folderPrefix = "fovea-session-"
	folderLock   = "lock"
	settled      = time.Minute    // a younger folder may be between its making and its lock
	abandoned    = 24 * time.Hour // a folder without a lock file
)

// newFolder makes the folder of a session. remove takes it away again.
func newFolder(ctx context.Context) (dir string, remove func() error, err error) {
	sweep(os.TempDir())
	dir, err = os.MkdirTemp("", folderPrefix)
	if err != nil {
		return "", nil, err
	}
	unlock, err := filelock.Lock(ctx, filepath.Join(dir, folderLock), nil)
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return dir, func() error {
		defer unlock() // after: until then the folder is nobody else's to remove
		return os.RemoveAll(dir)
	}, nil
}

// sweep removes the folders of this user's sessions that have ended without doing so.
func sweep(parent string) {
	found, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*"))
	for _, dir := range found {
		// The parent is a place where anybody may put something of that name: a link, or a folder of somebody else.
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < settled {
			continue
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Getuid() {
			continue
		}
		fd, err := unix.Open(filepath.Join(dir, folderLock), unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			if err == unix.ENOENT && time.Since(info.ModTime()) > abandoned {
				os.RemoveAll(dir) // what cannot be removed stays for the next one
			}
			continue
		}
		if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		unix.Close(fd)
	}
}
