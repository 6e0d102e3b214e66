package command

import (
	"context"
	"fmt"
	"go/scanner"
	"strings"
	"unicode/utf8"

	"fovea/kernel/assist"
)

// What a session or an Output may offer besides, for the commands about a cell's source.
type (
	checker interface {
		Diagnose(ctx context.Context, code string) ([]assist.Diagnostic, error)
	}
	replacer interface {
		// ReplaceInput puts text in the place of the cell's source.
		ReplaceInput(text string)
	}
)

// format replaces the cell by its formatted source, where the front end can do that, and shows it elsewhere.
func (c *call) format(body string) error {
	text, err := assist.Format(body)
	if err != nil {
		if list, ok := err.(scanner.ErrorList); ok && len(list) > 0 {
			return failed("%%fmt: this is no Go, and stays as it is: line %d: %s", list[0].Pos.Line+1, list[0].Msg) // after its own line
		}
		return failed("%%fmt: %v", err)
	}
	text = strings.Trim(text, "\n")
	if r, ok := c.out.(replacer); ok {
		r.ReplaceInput(text)
		return nil
	}
	c.printf("%s\n", text)
	return nil
}

// check lists the mistakes of the cell, which is not run.
func (c *call) check(source string) error {
	k, ok := c.engine.session.(checker)
	if !ok {
		return failed("%%check: this session has no gopls")
	}
	list, err := k.Diagnose(c.ctx, source)
	if err != nil {
		return failed("%%check: gopls does not answer (%v); 'fovea kernel install' sets it up where it is missing", err)
	}
	if len(list) == 0 {
		c.printf("No mistakes found.\n")
		return nil
	}
	for _, d := range list {
		c.printf("%s", mistake(c.cell.Number, source, d))
	}
	return nil
}

// mistake shows one diagnostic with its line. Columns count characters.
func mistake(number int, source string, d assist.Diagnostic) string {
	before := source[:d.Start]
	begin := strings.LastIndexByte(before, '\n') + 1
	line, _, _ := strings.Cut(source[begin:], "\n")
	var space strings.Builder
	for _, r := range before[begin:] {
		if r != '\t' {
			r = ' '
		}
		space.WriteRune(r)
	}
	end := min(max(d.End, d.Start), begin+len(line))
	carets := strings.Repeat("^", max(1, utf8.RuneCountInString(source[d.Start:max(end, d.Start)])))
	return fmt.Sprintf("In[%d]:%d:%d: %s: %s\n    %s\n    %s%s\n", number, strings.Count(before, "\n")+1,
		utf8.RuneCountInString(before[begin:])+1, d.Severity, d.Message, line, space.String(), carets)
}
