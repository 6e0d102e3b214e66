// Package front turns the source of a cell into the source of a Go package, and keeps account of what is live: names,
// their types, and which cell's package holds each.
//
// A cell's text is cut into chunks (split.go): imports, declarations and statements. They are laid out as one file that
// go/types checks against the live names (layout.go, check.go); its errors carry positions in the cell. What changes
// with the cell is found first (generations.go): callers of a function that is defined anew, users of a type that is.
// Then the chunks are rewritten (rewrite.go) and put into a package of their own (generate.go): variables at package
// level, statements in a function. Nothing is remembered before the caller says Commit.
package front
