package front

import (
	"go/token"
	"strings"
)

// Cells are packages, so a name that a later cell uses must be exported. Lower-case names get a mark in front: an
// upper-case letter that nobody types. A second mark keeps names that the rewriter makes up apart from the user's.
const (
	userMark = "\U00010400"
	ownMark  = "\U00010401"
	oldMark  = ownMark + "old_" // see oldName
)

var unmark = strings.NewReplacer(oldMark, "", userMark, "", ownMark, "")

// Unmark removes the marks from what a cell prints, or the compiler says.
func Unmark(s string) string {
	if !strings.Contains(s, userMark[:3]) {
		return s
	}
	return unmark.Replace(s)
}

// exported is the name under which a cell's package exports name.
func exported(name string) string {
	if name == "_" || token.IsExported(name) {
		return name
	}
	return userMark + name
}

// Names in the packages that the rewriter makes.
const (
	runName  = ownMark + "Run"
	keepName = ownMark + "Keep"
	rtName   = ownMark + "rt"
	trampPkg = ownMark + "tramp"
	unsafeID = ownMark + "unsafe"
)
