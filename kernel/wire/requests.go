package wire

import (
	"encoding/json"
	"errors"
)

// Empty is the content of requests that ask for nothing in particular.
type Empty struct{}

// ExecuteRequest asks to run code.
type ExecuteRequest struct {
	Code            string            `json:"code"`
	Silent          bool              `json:"silent"`        // no output, no count, no history
	StoreHistory    bool              `json:"store_history"` // and count
	UserExpressions map[string]string `json:"user_expressions"`
	AllowStdin      bool              `json:"allow_stdin"`
	StopOnError     bool              `json:"stop_on_error"` // an error aborts the requests that wait behind it
}

// InspectRequest asks about the name at a position. CursorPos counts code points.
type InspectRequest struct {
	Code        string `json:"code"`
	CursorPos   int    `json:"cursor_pos"`
	DetailLevel int    `json:"detail_level"`
}

// Validate checks the position and the level.
func (r *InspectRequest) Validate() error {
	if r.DetailLevel < 0 || r.DetailLevel > 1 {
		return errors.New("detail_level must be 0 or 1")
	}
	return checkCursor(r.CursorPos)
}

// CompleteRequest asks for what could follow at a position. CursorPos counts code points.
type CompleteRequest struct {
	Code      string `json:"code"`
	CursorPos int    `json:"cursor_pos"`
}

// Validate checks the position.
func (r *CompleteRequest) Validate() error { return checkCursor(r.CursorPos) }

func checkCursor(pos int) error {
	if pos < 0 {
		return errors.New("cursor_pos is negative")
	}
	return nil
}

// HistoryRequest asks for cells of the past.
type HistoryRequest struct {
	Output  bool   `json:"output"`
	Raw     bool   `json:"raw"`
	Access  string `json:"hist_access_type"` // range, tail or search
	Session int    `json:"session"`          // range: the session; 0 or negative: counted back from this one
	Start   int    `json:"start"`            // range: the first line
	Stop    *int   `json:"stop"`             // range: the line after the last; nil: all
	N       *int   `json:"n"`                // tail, search: at most so many
	Pattern string `json:"pattern"`          // search: with * and ?
	Unique  bool   `json:"unique"`           // search: each source once
}

// Validate checks the access type.
func (r *HistoryRequest) Validate() error {
	return oneOf("hist_access_type", r.Access, "range", "tail", "search")
}

// IsCompleteRequest asks whether code can run as it is.
type IsCompleteRequest struct {
	Code string `json:"code"`
}

// CommInfoRequest asks for the open comms, those of one target or all.
type CommInfoRequest struct {
	Target string `json:"target_name"`
}

// ShutdownRequest asks the kernel to end. Restart says that a new one follows.
type ShutdownRequest struct {
	Restart bool `json:"restart"`
}

// CommOpen opens a comm, a channel between something in the kernel and something on the page.
type CommOpen struct {
	ID     string          `json:"comm_id"`
	Target string          `json:"target_name"`
	Data   json.RawMessage `json:"data"`
}

// Validate checks the id.
func (c *CommOpen) Validate() error { return checkComm(c.ID) }

// CommMessage is the content of comm_msg and comm_close.
type CommMessage struct {
	ID   string          `json:"comm_id"`
	Data json.RawMessage `json:"data"`
}

// Validate checks the id.
func (c *CommMessage) Validate() error { return checkComm(c.ID) }

func checkComm(id string) error {
	if id == "" {
		return errors.New("comm_id is empty")
	}
	return nil
}

// InputRequest asks the user for a line.
type InputRequest struct {
	Prompt   string `json:"prompt"`
	Password bool   `json:"password"` // do not show what is typed
}

// InputReply is the line.
type InputReply struct {
	Value string `json:"value"`
}
