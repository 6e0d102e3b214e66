//go:build !linux

package gonb

// Env is empty: there are no pipes on this system.
func Env(string) []string { return nil }

// Hooks are what Serve needs of the process around it.
type Hooks struct {
	Ask func(prompt string, password bool)
}

// Serve does nothing on this system.
func Serve(Hooks) error { return nil }
