// Package tramp is linked into every cell. In plugin mode cmd/link wants runtime.addmoduledata to be text of the module
// itself, while a cell has no runtime of its own: it jumps to the host library's.
package tramp
