package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A kind describes the content of one message type.
type kind struct {
	content  func() any // a new one, holding what missing fields mean
	required []string   // fields that must be there
}

func of[T any](required ...string) kind {
	return kind{func() any { return new(T) }, required}
}

// kinds holds every message type of the specification, version 5.5, except the debugger's.
var kinds = map[string]kind{
	// shell
	"execute_request": {func() any {
		return &ExecuteRequest{StoreHistory: true, AllowStdin: true, StopOnError: true}
	}, []string{"code"}},
	"execute_reply":       of[ExecuteReply]("status", "execution_count"),
	"inspect_request":     of[InspectRequest]("code", "cursor_pos"),
	"inspect_reply":       of[InspectReply]("status", "found", "data", "metadata"),
	"complete_request":    of[CompleteRequest]("code", "cursor_pos"),
	"complete_reply":      of[CompleteReply]("status", "matches", "cursor_start", "cursor_end", "metadata"),
	"history_request":     of[HistoryRequest]("hist_access_type"),
	"history_reply":       of[HistoryReply]("status", "history"),
	"is_complete_request": of[IsCompleteRequest]("code"),
	"is_complete_reply":   of[IsCompleteReply]("status"),
	"connect_request":     of[Empty](),
	"connect_reply":       of[ConnectReply]("status", "shell_port", "iopub_port", "stdin_port", "hb_port", "control_port"),
	"comm_info_request":   of[CommInfoRequest](),
	"comm_info_reply":     of[CommInfoReply]("status", "comms"),
	"kernel_info_request": of[Empty](),
	"kernel_info_reply": of[KernelInfoReply]("status", "protocol_version", "implementation",
		"implementation_version", "language_info", "banner"),

	// control
	"shutdown_request":        of[ShutdownRequest]("restart"),
	"shutdown_reply":          of[ShutdownReply]("status", "restart"),
	"interrupt_request":       of[Empty](),
	"interrupt_reply":         of[OK]("status"),
	"create_subshell_request": of[Empty](),
	"create_subshell_reply":   of[Subshell]("status", "subshell_id"),
	"delete_subshell_request": of[Subshell]("subshell_id"),
	"delete_subshell_reply":   of[OK]("status"),
	"list_subshell_request":   of[Empty](),
	"list_subshell_reply":     of[SubshellList]("status", "subshell_id"),

	// comms, in both directions
	"comm_open":  of[CommOpen]("comm_id", "target_name", "data"),
	"comm_msg":   of[CommMessage]("comm_id", "data"),
	"comm_close": of[CommMessage]("comm_id"),

	// iopub
	"stream":              of[Stream]("name", "text"),
	"display_data":        of[DisplayData]("data", "metadata"),
	"update_display_data": of[DisplayData]("data", "metadata", "transient"),
	"execute_input":       of[ExecuteInput]("code", "execution_count"),
	"execute_result":      of[ExecuteResult]("execution_count", "data", "metadata"),
	"error":               of[Error]("ename", "evalue", "traceback"),
	"status":              of[Status]("execution_state"),
	"clear_output":        of[ClearOutput]("wait"),
	"iopub_welcome":       of[Welcome]("subscription"),

	// stdin
	"input_request": of[InputRequest]("prompt", "password"),
	"input_reply":   of[InputReply]("value"),
}

// ErrUnknownType is the error of a message type that the specification does not have.
var ErrUnknownType = errors.New("unknown message type")

// Body reads and validates the content of a message: a pointer to the struct of its type, or *ErrorReply for a reply
// whose status is not ok.
func (m *Message) Body() (any, error) {
	k, ok := kinds[m.Header.Type]
	if !ok {
		return nil, fmt.Errorf("%w %.100q", ErrUnknownType, m.Header.Type)
	}
	body, err := k.read(m.Content, strings.HasSuffix(m.Header.Type, "_reply"))
	if err != nil {
		return nil, fmt.Errorf("content of %s: %w", m.Header.Type, err)
	}
	return body, nil
}

func (k kind) read(content []byte, reply bool) (any, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(content, &fields); err != nil {
		return nil, err
	}
	if reply && slices.Contains([]string{`"error"`, `"aborted"`}, string(fields["status"])) {
		k = of[ErrorReply]("status", "ename", "evalue", "traceback")
	}
	for _, name := range k.required {
		if _, ok := fields[name]; !ok {
			return nil, fmt.Errorf("%s is missing", name)
		}
	}
	body := k.content()
	if err := json.Unmarshal(content, body); err != nil {
		return nil, err
	}
	if v, ok := body.(interface{ Validate() error }); ok {
		return body, v.Validate()
	}
	return body, nil
}

// oneOf is the check of a field that has a fixed set of values.
func oneOf(field, value string, values ...string) error {
	if slices.Contains(values, value) {
		return nil
	}
	return fmt.Errorf("%s is %.50q, one of %s is allowed", field, value, strings.Join(values, ", "))
}
