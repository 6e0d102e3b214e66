package wire

// OK begins the reply to a request that went well.
type OK struct {
	Status string `json:"status"`
}

// Good is the value of every OK.
var Good = OK{Status: "ok"}

// Validate checks the status.
func (r OK) Validate() error { return oneOf("status", r.Status, "ok") }

// ErrorReply is the reply to a request that failed.
type ErrorReply struct {
	Status string `json:"status"`
	Error
}

// Failed makes an ErrorReply.
func Failed(name, value string, traceback ...string) ErrorReply {
	return ErrorReply{"error", Error{name, value, append([]string{}, traceback...)}}
}

// ExecuteReply is the reply to a cell that went well.
type ExecuteReply struct {
	OK
	Count           int            `json:"execution_count"`
	UserExpressions map[string]any `json:"user_expressions"`
	Payload         []any          `json:"payload"`
}

// ExecuteError is the reply to a cell that failed or was not run.
type ExecuteError struct {
	ErrorReply
	Count           int            `json:"execution_count"`
	UserExpressions map[string]any `json:"user_expressions"`
	Payload         []any          `json:"payload"`
}

// PagePayload shows something in the frontend's pager.
type PagePayload struct {
	Source string         `json:"source"` // "page"
	Data   map[string]any `json:"data"`
	Start  int            `json:"start"`
}

// InputPayload puts text into the cell that was run, or into the next one.
type InputPayload struct {
	Source  string `json:"source"` // "set_next_input"
	Text    string `json:"text"`
	Replace bool   `json:"replace"` // the cell that was run
}

// InspectReply is what is known of a name.
type InspectReply struct {
	OK
	Found    bool           `json:"found"`
	Data     map[string]any `json:"data"`
	Metadata map[string]any `json:"metadata"`
}

// CompleteReply lists what could stand between start and end, in code points.
type CompleteReply struct {
	OK
	Matches  []string       `json:"matches"`
	Start    int            `json:"cursor_start"`
	End      int            `json:"cursor_end"`
	Metadata map[string]any `json:"metadata"`
}

// HistoryReply holds triples: session, line, and the source or the pair of source and result.
type HistoryReply struct {
	OK
	History [][3]any `json:"history"`
}

// IsCompleteReply says what a frontend's Enter key should do. It has no status ok.
type IsCompleteReply struct {
	Status string `json:"status"` // complete, incomplete, invalid or unknown
	Indent string `json:"indent"` // for the next line, when incomplete
}

// Validate checks the status.
func (r *IsCompleteReply) Validate() error {
	return oneOf("status", r.Status, "complete", "incomplete", "invalid", "unknown")
}

// ConnectReply lists the ports.
type ConnectReply struct {
	OK
	Shell     int `json:"shell_port"`
	IOPub     int `json:"iopub_port"`
	Stdin     int `json:"stdin_port"`
	Heartbeat int `json:"hb_port"`
	Control   int `json:"control_port"`
}

// CommInfoReply lists the open comms by id.
type CommInfoReply struct {
	OK
	Comms map[string]CommInfo `json:"comms"`
}

// CommInfo describes a comm.
type CommInfo struct {
	Target string `json:"target_name"`
}

// KernelInfoReply describes the kernel.
type KernelInfoReply struct {
	OK
	ProtocolVersion       string       `json:"protocol_version"`
	Implementation        string       `json:"implementation"`
	ImplementationVersion string       `json:"implementation_version"`
	Language              LanguageInfo `json:"language_info"`
	Banner                string       `json:"banner"`
	Debugger              bool         `json:"debugger"`
	SupportedFeatures     []string     `json:"supported_features"`
	HelpLinks             []HelpLink   `json:"help_links"`
}

// LanguageInfo describes the language of the cells.
type LanguageInfo struct {
	Name           string `json:"name"`
	Version        string `json:"version"`
	MIMEType       string `json:"mimetype"`
	FileExtension  string `json:"file_extension"`
	PygmentsLexer  string `json:"pygments_lexer"`
	CodeMirrorMode string `json:"codemirror_mode"`
	Exporter       string `json:"nbconvert_exporter"`
}

// HelpLink is an entry of the frontend's help menu.
type HelpLink struct {
	Text string `json:"text"`
	URL  string `json:"url"`
}

// ShutdownReply repeats the request.
type ShutdownReply struct {
	OK
	Restart bool `json:"restart"`
}

// Subshell names a subshell; it is a reply and a request. The request has no status.
type Subshell struct {
	Status string `json:"status,omitempty"`
	ID     string `json:"subshell_id"`
}

// SubshellList lists the subshells.
type SubshellList struct {
	OK
	IDs []string `json:"subshell_id"`
}

// Stream is text that a cell printed.
type Stream struct {
	Name string `json:"name"` // stdout or stderr
	Text string `json:"text"`
}

// Validate checks the name.
func (s *Stream) Validate() error { return oneOf("name", s.Name, "stdout", "stderr") }

// DisplayData is something to show, by MIME type.
type DisplayData struct {
	Data      map[string]any `json:"data"`
	Metadata  map[string]any `json:"metadata"`
	Transient Transient      `json:"transient"`
}

// Transient is what is not kept in the notebook.
type Transient struct {
	DisplayID string `json:"display_id,omitempty"` // what update_display_data replaces
}

// ExecuteInput tells all frontends what is being run.
type ExecuteInput struct {
	Code  string `json:"code"`
	Count int    `json:"execution_count"`
}

// ExecuteResult is the value of a cell.
type ExecuteResult struct {
	Count    int            `json:"execution_count"`
	Data     map[string]any `json:"data"`
	Metadata map[string]any `json:"metadata"`
}

// Error says why a cell failed.
type Error struct {
	Name      string   `json:"ename"`
	Value     string   `json:"evalue"`
	Traceback []string `json:"traceback"`
}

// Status tells what the kernel does.
type Status struct {
	State string `json:"execution_state"`
}

// Validate checks the state.
func (s *Status) Validate() error {
	return oneOf("execution_state", s.State, "starting", "busy", "idle")
}

// ClearOutput removes what the cell has shown, at once or when something new comes.
type ClearOutput struct {
	Wait bool `json:"wait"`
}

// Welcome greets a subscription of iopub.
type Welcome struct {
	Subscription string `json:"subscription"`
}
