package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"fovea/kernel/assist"
)

// setUpGopls installs gopls where there is none. The kernel works without it, so a failure is told and no error.
func setUpGopls(ctx context.Context, log io.Writer) error {
	if _, err := assist.Find(); err == nil {
		return nil
	}
	fmt.Fprintf(log, "building gopls %s, which completes and explains cells (a minute or two, once) …\n", assist.Version)
	begun := time.Now()
	path, err := assist.Install(ctx)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		fmt.Fprintf(log, "%v\nThe kernel will complete live names only. Try again with 'fovea kernel install'.\n", err)
	default:
		fmt.Fprintf(log, "gopls is at %s (%.0f s)\n", path, time.Since(begun).Seconds())
	}
	return nil
}
