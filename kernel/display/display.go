// Package display shows values richly from a notebook cell, or from any program that a cell calls.
//
//	display.Show(img)                         // a picture, under the cell
//	display.Show(display.Markdown("# Done"))  // any MIME type
//	display.Update("loss", figure)            // replaces what Update or ShowID showed under that name
//	bar := display.NewProgress("training", 1000)
//
// The same code runs in three places and shows what that place can show: under Fovea's kernel and under GoNB it draws in
// the notebook; in a plain program it prints text. Every function may be called from any goroutine.
package display

import (
	"fmt"
	"os"
)

// Kinds of Message.
const (
	KindDisplay = "display" // a new output
	KindUpdate  = "update"  // replaces the outputs that were shown under the same ID
	KindClear   = "clear"   // removes the cell's outputs
)

// A Message is one thing that a cell asks its front end to show.
type Message struct {
	Kind   string // KindDisplay, KindUpdate or KindClear
	Bundle Bundle // what to show; empty for KindClear
	ID     string // the display's name, by which later updates find it; "" for none
	Wait   bool   // KindClear: keep the old outputs until the next one arrives, so that nothing flickers

	Comm *CommMessage // of a comm's kinds, whose ID is the comm's; nothing is shown then
}

// Show shows each value as an output of its own, in order.
// See BundleOf for how a value is turned into something to see.
func Show(values ...any) {
	for _, v := range values {
		send(Message{Kind: KindDisplay, Bundle: BundleOf(v)})
	}
}

// ShowID shows v as a new output under a name, for Update to replace.
func ShowID(id string, v any) {
	shown.mark(id)
	send(Message{Kind: KindDisplay, Bundle: BundleOf(v), ID: id})
}

// Update replaces what was shown under the name id. The first Update of a name in a cell shows a new output there, so that
// a loop needs no special first step and a cell that is run again shows its output again; the outputs that other cells
// have under that name follow.
//
// Each call draws: callers that update in a tight loop choose how often.
func Update(id string, v any) {
	b := BundleOf(v)
	first, elsewhere := shown.mark(id)
	if first {
		send(Message{Kind: KindDisplay, Bundle: b, ID: id})
	}
	if !first || elsewhere {
		send(Message{Kind: KindUpdate, Bundle: b, ID: id})
	}
}

// BeginCell says that a new cell starts: names that Update has shown in earlier cells are shown again in this one.
// The kernel calls it; other code has no need to.
func BeginCell() { shown.begin() }

// Cells counts the cells that have begun in this process.
func Cells() int {
	shown.mu.Lock()
	defer shown.mu.Unlock()
	return shown.cells
}

// Clear removes what the running cell has shown so far. With wait, the old outputs stay until the next one arrives.
// Outside a Fovea notebook it does nothing.
func Clear(wait bool) {
	send(Message{Kind: KindClear, Wait: wait})
}

// Sync returns when everything shown so far has reached the kernel. Programs that run under GoNB call it before they
// end, since GoNB does not wait for what is still on its way; elsewhere it returns at once.
func Sync() {
	current().sync()
}

func send(m Message) {
	if err := current().send(m); err != nil {
		reportOnce.Do(func() { fmt.Fprintln(os.Stderr, "display: outputs can no longer be shown:", err) })
	}
}
