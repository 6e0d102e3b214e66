//go:build unix

package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x", "lock")
	var wg sync.WaitGroup
	counter := 0 // not atomic on purpose: the race detector sees a lock that doesn't hold
	for range 8 {
		wg.Go(func() {
			unlock, err := Lock(context.Background(), path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			n := counter
			time.Sleep(time.Millisecond)
			counter = n + 1
			unlock()
		})
	}
	wg.Wait()
	if counter != 8 {
		t.Errorf("counter is %d, want 8: two held the lock at once", counter)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file was left behind: %v", err)
	}
}

func TestLockIsCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(context.Background(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	waited := 0
	if _, err := Lock(ctx, path, func() { waited++ }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if waited != 1 {
		t.Errorf("waiting was called %d times, want once", waited)
	}
}
