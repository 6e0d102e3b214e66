package rt

import (
	"path"
	"runtime"
	"strings"

	"fovea/kernel/worker/message"
)

// maxFrames bounds what is told of a deep recursion.
const maxFrames = 200

// frames returns the stack of the panic that is being recovered, innermost call first, without the runtime's part.
func frames() []message.Frame {
	var pcs [maxFrames]uintptr
	n := runtime.Callers(2, pcs[:])
	calls := runtime.CallersFrames(pcs[:n])
	var out []message.Frame
	raised := false
	for {
		f, more := calls.Next()
		switch {
		case f.Function == "runtime.gopanic" || f.Function == "runtime.Goexit":
			raised, out = true, nil // a panic in a deferred call: what comes before belongs to it
		case !raised || strings.HasPrefix(f.Function, "runtime."):
		case strings.HasSuffix(f.Function, ".(*Run).call"):
			return out
		default:
			name := path.Base(f.File)
			if !strings.HasPrefix(name, "In[") {
				name = f.File
			}
			out = append(out, message.Frame{Function: f.Function, File: name, Line: f.Line})
		}
		if !more {
			return out
		}
	}
}

// IsCell reports whether a frame is of cell code.
func IsCell(f message.Frame) bool { return strings.HasPrefix(f.File, "In[") }
