// Package widget shows widgets of Jupyter, ipywidgets and anywidget, from cells: values on the page that both sides can change.
//
//	slider, err := widget.New("IntSlider", map[string]any{"min": 0, "max": 10, "value": 3})
//	slider.OnChange("value", func(v json.RawMessage) { … })
//	slider // as the last line of the cell, or display.Show(slider)
//
// The page needs the widgets' own extension: ipywidgets (pip install jupyterlab_widgets) or anywidget. See
// "The messaging protocol of Jupyter widgets", version 2.1.
package widget

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"

	"fovea/kernel/display"
)

const (
	target        = "jupyter.widget"
	controlTarget = "jupyter.widget.control" // opened by a page that was loaded again
	version       = "2.1.0"
	viewType      = "application/vnd.jupyter.widget-view+json"
)

// A Model is the state of one widget, in the process that runs cells. Its methods may be called from any goroutine.
// Functions that it calls run as those of a display.Comm do: in one goroutine, also while no cell runs.
type Model struct {
	comm *display.Comm
	name string

	mu       sync.Mutex
	state    map[string]any
	onChange map[string][]func(json.RawMessage)
	onCustom []func(content json.RawMessage, buffers [][]byte)
}

// models are the open ones, for a page that was loaded again.
var models = struct {
	sync.Mutex
	byID map[string]*Model
	once sync.Once
}{byID: map[string]*Model{}}

// New opens a model of ipywidgets' controls, such as IntSlider, Button or HTML; a layout and a style are made for it where
// state names none. Values of state are encoded as JSON; []byte goes as a raw buffer.
func New(name string, state map[string]any) (*Model, error) {
	full := map[string]any{"_model_module": "@jupyter-widgets/controls", "_model_module_version": "2.0.0", "_model_name": name + "Model",
		"_view_module": "@jupyter-widgets/controls", "_view_module_version": "2.0.0", "_view_name": name + "View", "description": ""}
	if _, own := state["layout"]; !own {
		layout, err := Open(map[string]any{"_model_module": "@jupyter-widgets/base", "_model_module_version": "2.0.0", "_model_name": "LayoutModel",
			"_view_module": "@jupyter-widgets/base", "_view_module_version": "2.0.0", "_view_name": "LayoutView"})
		if err != nil {
			return nil, err
		}
		full["layout"] = layout.Reference()
	}
	maps.Copy(full, state)
	return Open(full)
}

// Any opens an anywidget: esm is a JavaScript module whose default export has a render function, css its style or "".
func Any(esm, css string, state map[string]any) (*Model, error) {
	// Whatever release the page has: the state has been the same since the first.
	full := map[string]any{"_model_module": "anywidget", "_model_module_version": "*", "_model_name": "AnyModel",
		"_view_module": "anywidget", "_view_module_version": "*", "_view_name": "AnyView", "_view_count": nil, "_esm": esm, "_css": css,
		"_anywidget_id": "fovea"}
	maps.Copy(full, state)
	return Open(full)
}

// Open opens a model with all of its state given, for widgets of other modules.
func Open(state map[string]any) (*Model, error) {
	models.once.Do(func() { display.HandleComm(controlTarget, control) })
	name, _ := state["_model_name"].(string)
	m := &Model{name: name, state: maps.Clone(state), onChange: map[string][]func(json.RawMessage){}}
	plain, paths, buffers := split(state)
	// Before the page can answer, the model must be ready; the comm is known once it is open.
	m.mu.Lock()
	defer m.mu.Unlock()
	comm, err := display.OpenComm(target, map[string]any{"state": plain, "buffer_paths": paths}, display.CommOptions{
		Metadata: map[string]string{"version": version}, Buffers: buffers, Received: m.received, Closed: func(json.RawMessage) { m.forget() }})
	if err != nil {
		return nil, fmt.Errorf("widget %s: %w", name, err)
	}
	m.comm = comm
	models.Lock()
	defer models.Unlock()
	models.byID[comm.ID()] = m
	return m, nil
}

// ID is the model's name on the page.
func (m *Model) ID() string { return m.comm.ID() }

// Reference is how the state of another model names this one.
func (m *Model) Reference() string { return "IPY_MODEL_" + m.ID() }

// Set changes one value here and on the page.
func (m *Model) Set(key string, value any) error { return m.SetAll(map[string]any{key: value}) }

// SetAll changes several values at once.
func (m *Model) SetAll(values map[string]any) error {
	m.mu.Lock()
	maps.Copy(m.state, values)
	m.mu.Unlock()
	return m.update(values)
}

func (m *Model) update(values map[string]any) error {
	plain, paths, buffers := split(values)
	return m.comm.Send(map[string]any{"method": "update", "state": plain, "buffer_paths": paths}, buffers...)
}

// Get is the value of a key as JSON, as it was set last here or on the page; a buffer is returned as it is. nil: there is none.
func (m *Model) Get(key string) json.RawMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch v := m.state[key].(type) {
	case nil:
		return nil
	case json.RawMessage:
		return v
	case []byte:
		return v
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			return nil // it could not be sent either
		}
		return raw
	}
}

// OnChange calls f when the page has changed the value of key.
func (m *Model) OnChange(key string, f func(value json.RawMessage)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.onChange[key] = append(m.onChange[key], f)
}

// OnCustom calls f for messages of the widget's own, such as a Button's {"event": "click"}.
func (m *Model) OnCustom(f func(content json.RawMessage, buffers [][]byte)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.onCustom = append(m.onCustom, f)
}

// SendCustom sends a message of the widget's own to its view.
func (m *Model) SendCustom(content any, buffers ...[]byte) error {
	return m.comm.Send(map[string]any{"method": "custom", "content": content}, buffers...)
}

// Close removes the widget from the page.
func (m *Model) Close() error {
	m.forget()
	return m.comm.Close()
}

func (m *Model) forget() {
	models.Lock()
	defer models.Unlock()
	for id, other := range models.byID {
		if other == m {
			delete(models.byID, id)
		}
	}
}

// MIMEBundle implements display.Bundler: it shows a view of the model.
func (m *Model) MIMEBundle() map[string]any {
	return map[string]any{
		viewType:     map[string]any{"version_major": 2, "version_minor": 0, "model_id": m.ID()},
		"text/plain": fmt.Sprintf("%s (a widget, which needs a page)", strings.TrimSuffix(m.name, "Model")),
	}
}

// received takes what the page sends.
func (m *Model) received(data json.RawMessage, buffers [][]byte) {
	var message struct {
		Method  string                     `json:"method"`
		State   map[string]json.RawMessage `json:"state"`
		Paths   [][]any                    `json:"buffer_paths"`
		Content json.RawMessage            `json:"content"`
	}
	if err := json.Unmarshal(data, &message); err != nil {
		return // no widget's message
	}
	m.mu.Lock()
	var calls []func()
	switch message.Method {
	case "update":
		for key, value := range message.State {
			m.state[key] = value
			for _, f := range m.onChange[key] {
				calls = append(calls, func() { f(value) })
			}
		}
		for i, path := range message.Paths {
			if key, ok := first(path); ok && len(path) == 1 && i < len(buffers) {
				m.state[key] = buffers[i]
				for _, f := range m.onChange[key] {
					calls = append(calls, func() { f(buffers[i]) })
				}
			}
		}
	case "request_state":
		state := maps.Clone(m.state)
		calls = append(calls, func() { m.update(state) })
	case "custom":
		for _, f := range m.onCustom {
			calls = append(calls, func() { f(message.Content, buffers) })
		}
	}
	m.mu.Unlock() // they may set values
	for _, call := range calls {
		call()
	}
}

func first(path []any) (key string, ok bool) {
	if len(path) == 0 {
		return "", false
	}
	key, ok = path[0].(string)
	return key, ok
}

// control answers a page that was loaded again and asks for all models.
func control(c *display.Comm, _ json.RawMessage, _ [][]byte) {
	c.Handle(func(data json.RawMessage, _ [][]byte) {
		var message struct {
			Method string `json:"method"`
		}
		if json.Unmarshal(data, &message) != nil || message.Method != "request_states" {
			return
		}
		models.Lock()
		all := maps.Clone(models.byID)
		models.Unlock()
		states, paths, buffers := map[string]any{}, [][]any{}, [][]byte{}
		for id, m := range all {
			m.mu.Lock()
			plain, inside, raw := split(m.state)
			m.mu.Unlock()
			states[id] = map[string]any{"model_name": plain["_model_name"], "model_module": plain["_model_module"],
				"model_module_version": plain["_model_module_version"], "state": plain}
			for i, path := range inside {
				paths = append(paths, append([]any{id, "state"}, path...))
				buffers = append(buffers, raw[i])
			}
		}
		c.Send(map[string]any{"method": "update_states", "states": states, "buffer_paths": paths}, buffers...)
	}, nil)
}

// split takes the buffers out of a state: they travel beside the JSON, by their paths.
func split(state map[string]any) (plain map[string]any, paths [][]any, buffers [][]byte) {
	plain, paths = map[string]any{}, [][]any{}
	for key, v := range state {
		switch v := v.(type) {
		case json.RawMessage:
			plain[key] = v
		case []byte:
			paths, buffers = append(paths, []any{key}), append(buffers, v)
		default:
			plain[key] = v
		}
	}
	return plain, paths, buffers
}
