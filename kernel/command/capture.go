package command

import (
	"os"

	"fovea/kernel/display"
	"fovea/kernel/session"
)

// A tee copies what a cell puts out as text to a file.
type tee struct {
	session.Output
	file *os.File
	err  error // the first
}

func (t *tee) write(text string) {
	if _, err := t.file.WriteString(text); err != nil && t.err == nil {
		t.err = err
	}
}

// Stream implements session.Output.
func (t *tee) Stream(name, text string) {
	t.write(text)
	t.Output.Stream(name, text)
}

// Result implements session.Output.
func (t *tee) Result(b display.Bundle) {
	if text, ok := b.Data["text/plain"].(string); ok {
		t.write(text + "\n")
	}
	t.Output.Result(b)
}

type pager interface{ Page(b display.Bundle) }

// output is the tee as an Output that offers what the one behind it offers in a notebook.
func (t *tee) output() session.Output {
	in, asks := t.Output.(inputter)
	out, pages := t.Output.(pager)
	switch {
	case asks && pages:
		return struct {
			*tee
			inputter
			pager
		}{t, in, out}
	case asks:
		return struct {
			*tee
			inputter
		}{t, in}
	}
	return t
}

func (c *call) endCapture() {
	t := c.capture
	if t == nil {
		return
	}
	if err := t.file.Close(); t.err == nil {
		t.err = err
	}
	if t.err != nil {
		c.result.Notes = append(c.result.Notes, "%capture: the file is not whole: "+t.err.Error())
	}
}
