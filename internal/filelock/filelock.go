//go:build unix

// Package filelock keeps two processes from doing the same work in the same place at once.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"fovea/internal/atomicfile"
)

// Lock waits until this process alone holds the lock file at path and returns the function that gives it back.
// The lock belongs to the open file, so it ends with the process, however that dies. Waiting, if not nil, is called
// once when another process holds the lock. The lock also keeps goroutines of one process apart.
func Lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, atomicfile.Explain(err, filepath.Dir(path))
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, atomicfile.Explain(fmt.Errorf("open the lock file: %w", err), filepath.Dir(path))
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && sameFile(f, path) {
			order()
			return func() {
				order()
				os.Remove(path) // while the lock is held: who waits sees by sameFile that its file is gone
				f.Close()
			}, nil
		}
		f.Close()
		if err == nil || errors.Is(err, syscall.EINTR) {
			continue // the holder before us removed the file between our open and our lock
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

var mutex sync.Mutex

// order tells Go's memory model what the system call already ensures: one holder's writes are seen by the next.
func order() {
	mutex.Lock()
	defer mutex.Unlock()
}

func sameFile(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}
