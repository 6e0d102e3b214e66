package rt

import (
	"bytes"
	"fmt"
	"os"
	"sync"

	"fovea/kernel/display"
)

var result struct {
	sync.Mutex
	frame []byte
}

// Show is called with the values of a cell's last expression.
func Show(values ...any) { keep(display.BundleOfAll(values...)) }

// ShowError is called with the results of a last call that is there for its effect, such as fmt.Println:
// only an error is worth showing.
func ShowError(values ...any) {
	if n := len(values); n > 0 && values[n-1] != nil {
		keep(display.BundleOf(values[n-1]))
	}
}

func keep(b display.Bundle) {
	var frame bytes.Buffer
	if err := display.WriteMessage(&frame, display.Message{Kind: display.KindDisplay, Bundle: b}); err != nil {
		fmt.Fprintln(os.Stderr, "the cell's value cannot be shown:", err)
		return
	}
	result.Lock()
	defer result.Unlock()
	result.frame = frame.Bytes()
}

// TakeResult returns and forgets what was shown.
func TakeResult() []byte {
	result.Lock()
	defer result.Unlock()
	f := result.frame
	result.frame = nil
	return f
}
