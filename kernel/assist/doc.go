// Package assist completes, inspects, checks and formats cells while they are written. It asks gopls, Go's language server,
// in a process of its own, about a package that is on no disk: one file declares the session's live names with their types,
// the other holds the cell. A [Document] maps positions between a cell and that file.
//
// An answer never waits long. Where gopls is not installed, still reads the packages, or has died and is started again, the
// error is [ErrUnavailable], and the kernel completes live names by itself. Nothing here waits for a cell that runs.
//
// gopls is looked for at $FOVEA_GOPLS, in PATH, and where [Install] puts it. It keeps the types of all packages that cells may
// use in memory: about 350 MB with GoMLX, bounded softly by GOMEMLIMIT.
package assist
