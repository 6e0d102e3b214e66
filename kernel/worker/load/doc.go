// Package load brings a compiled cell into the running worker in a fraction of a millisecond.
//
// It does what package plugin does when it opens a plugin, with two differences: an index of all types is kept instead
// of being built again for each library (milliseconds with a large host library), and a library without a plugin path,
// as -buildmode=shared makes it, is accepted. For that it leans on internals of the runtime, which change from one
// release of Go to the next: the layout of moduledata and the functions that moduledata_goXY.go and load.go name by
// linkname. So there is one moduledata file for each release, and for a release without one there is no Loader here; the
// session uses package official then: the semantic tests of kernel/session pass that way with go1.27.1, which has no table
// here. Before a toolchain is trusted, the session runs a self-check with it.
//
// To add a release: compare runtime/symtab.go (type moduledata), runtime/plugin.go (plugin_lastmoduleinit) and
// runtime/type.go (typelinksinit, typesEqual) with the last one's, write moduledata_goXY.go, widen the constraint of
// load.go, and run the tests of kernel/session with that toolchain.
package load
