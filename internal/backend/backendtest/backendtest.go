// Package backendtest gives tests the backends that are on the machine. It never installs or downloads anything.
package backendtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/gomlx/compute"

	"fovea/internal/backend"
)

// opened is one backend for the whole test binary: opening XLA takes part of a second.
type opened struct {
	compute.Backend
	choice backend.Choice
	err    error
}

var best = sync.OnceValue(func() opened {
	b, choice, err := backend.New(context.Background(), backend.Options{})
	return opened{b, choice, err}
})

var pureGo = sync.OnceValue(func() opened {
	b, err := backend.Open("go")
	return opened{Backend: b, err: err}
})

// ForTest returns the best backend that is already on the machine: what GOMLX_BACKEND names, an installed XLA, or the
// pure-Go one. It is shared by the tests of the binary: don't finalize it.
func ForTest(t testing.TB) compute.Backend {
	t.Helper()
	o := best()
	if o.err != nil {
		t.Fatal(o.err)
	}
	return o.Backend
}

// IsXLA says whether ForTest returns XLA, for tests that are too slow without.
func IsXLA() bool { return best().err == nil && best().choice.Plugin != "" }

// SkipWithoutXLA skips a test that needs XLA, with the reason why there is none, and else returns the XLA backend.
func SkipWithoutXLA(t testing.TB) compute.Backend {
	t.Helper()
	b := ForTest(t)
	if !IsXLA() {
		t.Skip(whyNoXLA())
	}
	return b
}

// Plugin returns the path of the XLA plugin that ForTest uses, "" for none.
func Plugin() string { return best().choice.Plugin }

func whyNoXLA() string {
	if config := os.Getenv(compute.ConfigEnvVar); config != "" {
		return fmt.Sprintf("no XLA: GOMLX_BACKEND is %s", config)
	}
	return "no XLA plugin on this machine: 'fovea doctor --install' installs one"
}

// EachForTest runs a subtest on the pure-Go backend and one on XLA; the latter is skipped, with the reason, where
// there is none.
func EachForTest(t *testing.T, f func(t *testing.T, b compute.Backend)) {
	t.Helper()
	t.Run("go", func(t *testing.T) {
		o := pureGo()
		if o.err != nil {
			t.Fatal(o.err)
		}
		f(t, o.Backend)
	})
	t.Run("xla", func(t *testing.T) { f(t, SkipWithoutXLA(t)) })
}
