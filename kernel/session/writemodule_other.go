//go:build !linux

package session

// WriteModule is Linux's only.
func WriteModule(Options, string) (string, error) { return "", errPlatform }
