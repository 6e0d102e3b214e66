package server

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"fovea/kernel/display"
	"fovea/kernel/session"
	"fovea/kernel/wire"
)

// questionLine is a name with one question mark or two at either end. It is never Go, nor the end of a string or a
// comment: the cell would be open then.
var questionLine = regexp.MustCompile(`^(?:(\?\??)[ \t]*([\pL_][\pL\p{Nd}_.]*)|([\pL_][\pL\p{Nd}_.]*)[ \t]*(\?\??))$`)

// question takes the last line off a cell when it asks what a name is, such as "strings.Cut?", as IPython's users type.
// detail is 1 for two question marks. Cells of another language, such as %%bash, ask nothing.
func question(code string) (rest, name string, detail int) {
	trimmed := strings.TrimRight(code, " \t\r\n")
	if strings.HasPrefix(strings.TrimLeft(trimmed, " \t\r\n"), "%%") {
		return code, "", 0
	}
	at := strings.LastIndexByte(trimmed, '\n') + 1
	m := questionLine.FindStringSubmatch(strings.TrimSpace(trimmed[at:]))
	if m == nil {
		return code, "", 0
	}
	return trimmed[:at], m[2] + m[3], len(m[1]+m[4]) - 1
}

// page answers a question beside the notebook.
func (s *Server) page(name string, detail int, out *output) *session.CellError {
	switch reply := s.inspect(&wire.InspectRequest{Code: name, CursorPos: utf8.RuneCountInString(name), DetailLevel: detail}).(type) {
	case wire.InspectReply:
		if reply.Found {
			out.Page(display.Bundle{Data: reply.Data})
			return nil
		}
		message := "nothing is known of " + name
		return &session.CellError{Name: "NotFound", Message: message, Traceback: []string{message}}
	case wire.ErrorReply:
		return &session.CellError{Name: reply.Name, Message: reply.Value, Traceback: []string{reply.Value}}
	}
	return nil
}
