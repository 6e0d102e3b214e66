//go:build linux || darwin

// Package official loads cells with the standard library's package plugin: slower than package load, but it leans on
// nothing internal.
package official

// #include <stdio.h>
import "C"

import "plugin"

// Loader loads cells that were linked with -buildmode=plugin.
type Loader struct{}

// Load implements worker.Loader.
func (Loader) Load(path, name string) error {
	_, err := plugin.Open(path)
	return err
}

// Flush implements worker.Loader.
func (Loader) Flush() { C.fflush(nil) }
