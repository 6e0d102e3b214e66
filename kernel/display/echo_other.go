//go:build !linux

package display

import (
	"fmt"
	"os"
	"runtime"
)

// hideTyping refuses: a password that shows while it is typed is worse than none.
func hideTyping(f *os.File) (show func(), err error) {
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func() {}, nil // no terminal: nothing shows
	}
	return nil, fmt.Errorf("a terminal on %s cannot be kept from showing the password: use a notebook, or pipe it in", runtime.GOOS)
}
