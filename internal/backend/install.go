package backend

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"fovea/internal/disk"
	"fovea/internal/download"
	"fovea/internal/filelock"
)

// installOnce makes the folder dir with build, which fills a folder beside it. Dir appears by a rename, once its
// plugin has computed something, so it is whole whenever it is there. Of several processes one builds; what a killed
// one left behind is swept away. Check says whether a plugin works; it is probe but in tests.
func installOnce(ctx context.Context, dir string, progress io.Writer, check func(context.Context, string) error, build func(staging string) error) (string, error) {
	parent := filepath.Dir(dir)
	unlock, err := filelock.Lock(ctx, filepath.Join(parent, ".lock"), func() {
		say(progress, "another process is installing XLA: waiting for it")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	plugin := installedPlugin(dir)
	if check(ctx, plugin) == nil {
		return plugin, nil // another process brought it meanwhile
	}
	stale, _ := filepath.Glob(filepath.Join(parent, ".building-*"))
	for _, s := range stale { // we hold the lock, so nobody builds there
		os.RemoveAll(s)
	}
	staging, err := os.MkdirTemp(parent, ".building-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(staging)
	start := time.Now()
	if err := os.Chmod(staging, 0o755); err != nil {
		return "", err
	}
	if err := build(staging); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", err
	}
	say(progress, "test: run x+1 and a convolution")
	if err := check(ctx, installedPlugin(staging)); err != nil {
		return "", fmt.Errorf("the plugin was made, but %w", err)
	}
	if err := os.RemoveAll(dir); err != nil { // one that no longer works
		return "", err
	}
	if err := os.Rename(staging, dir); err != nil {
		return "", err
	}
	say(progress, "installed in %.0f s: %s in %s", time.Since(start).Seconds(), download.Bytes(disk.Size(dir)), dir)
	return plugin, nil
}

func say(w io.Writer, format string, args ...any) {
	if w != nil {
		fmt.Fprintf(w, format+"\n", args...)
	}
}

// writeFile copies r to a new file.
func writeFile(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
