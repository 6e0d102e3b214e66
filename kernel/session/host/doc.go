// Package host builds what a session's worker is made of, with the go command and its tools: the host library, which
// holds all packages that cells import, the worker program, one small library for each cell, and further libraries for
// packages that come later.
//
// There are two ways. The fast one links the packages once into libhost.so; a cell is then compiled against their export
// data and linked against a stub of libhost.so that has just the symbols which the cell names, in some 20 ms. The plugin
// way is the official -buildmode=plugin, which links all packages into each cell.
//
// Host libraries are kept in a cache by content, so that the second session starts at once.
package host
