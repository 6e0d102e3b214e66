package session

import "fovea/kernel/session/front"

// A Snapshot is what a cell may refer to, as Go source. Completion and inspection work with it.
type Snapshot = front.Snapshot

// An Import is a package and the name that it has in a cell.
type Import = front.Import
