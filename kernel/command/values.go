package command

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fovea/kernel/display"
	"fovea/kernel/session"
	"fovea/kernel/worker/view"
)

// What a session may offer besides, for the commands about values.
type (
	viewer interface {
		Variables(ctx context.Context) ([]session.Variable, error)
	}
	keeper interface {
		Checkpoint(ctx context.Context, names ...string) ([]session.Checkpoint, error)
		Checkpoints(ctx context.Context) ([]session.Checkpoint, error)
		Restore(ctx context.Context, names ...string) (session.Restored, error)
		SetAutomaticCheckpoints(ctx context.Context, on bool) error
	}
)

func init() {
	for name, run := range map[string]func(*call, special, []string) error{
		"vars":           (*call).varsCommand,
		"checkpoint":     (*call).checkpointCommand,
		"checkpoints":    (*call).checkpointsCommand,
		"restore":        (*call).restoreCommand,
		"autocheckpoint": (*call).autocheckpointCommand,
		"restart":        (*call).restartCommand,
	} {
		builtins[name] = run
	}
}

// varsCommand shows the variables, or those that are named.
func (c *call) varsCommand(_ special, args []string) error {
	list, err := c.engine.Variables(c.ctx)
	if err != nil {
		return failed("%v", err)
	}
	for _, name := range args {
		if !slices.ContainsFunc(list, func(v session.Variable) bool { return v.Name == name }) {
			return failed("%%vars: %s is no variable", name)
		}
	}
	if len(args) > 0 {
		list = slices.DeleteFunc(list, func(v session.Variable) bool { return !slices.Contains(args, v.Name) })
	}
	if len(list) == 0 {
		c.printf("There are no variables.\n")
		return nil
	}
	c.out.Display(display.Message{Kind: display.KindDisplay, Bundle: VariableTable(list)})
	return nil
}

// Variables lists the live variables. A session that does not show values is asked for their names.
func (e *Engine) Variables(ctx context.Context) (list []session.Variable, err error) {
	if v, ok := e.session.(viewer); ok {
		return v.Variables(ctx)
	}
	for _, n := range e.session.Names() {
		if n.Kind == "var" {
			list = append(list, session.Variable{Name: n.Name, Cell: n.Cell, Value: view.Value{Type: n.Type}})
		}
	}
	return list, nil
}

// VariableTable shows variables as a table. What none of them has gets no column.
func VariableTable(list []session.Variable) display.Bundle {
	header := []string{"variable", "type", "shape", "device", "size", "value", "cell"}
	var rows [][]string
	used := make([]bool, len(header))
	for _, v := range list {
		value := v.Preview
		if v.Stats != "" {
			value += "  (" + v.Stats + ")"
		}
		row := []string{v.Name, short(v.Type), v.Shape, v.Device, "", value, fmt.Sprintf("In[%d]", v.Cell)}
		if v.Bytes > 0 {
			row[4] = size(v.Bytes, v.AtLeast)
		}
		for i, text := range row {
			used[i] = used[i] || text != ""
		}
		rows = append(rows, row)
	}
	only := func(row []string) (kept []string) {
		for i, text := range row {
			if used[i] {
				kept = append(kept, text)
			}
		}
		return kept
	}
	for i := range rows {
		rows[i] = only(rows[i])
	}
	return display.BundleOf(display.Table(only(header), rows))
}

// size writes a number of bytes.
func size(n int64, atLeast bool) string {
	text := fmt.Sprintf("%d B", n)
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= unit.bytes {
			text = strconv.FormatFloat(float64(n)/float64(unit.bytes), 'f', 1, 64) + " " + unit.name
			break
		}
	}
	if atLeast {
		return "≥ " + text
	}
	return text
}

func (c *call) keeper() (keeper, error) {
	if k, ok := c.engine.session.(keeper); ok {
		return k, nil
	}
	return nil, failed("this session keeps no checkpoints")
}

func (c *call) checkpointCommand(_ special, args []string) error {
	k, err := c.keeper()
	if err != nil {
		return err
	}
	list, err := k.Checkpoint(c.ctx, args...)
	if err != nil {
		return failed("%%checkpoint: %v", err)
	}
	var names []string
	var bytes int64
	for _, n := range list {
		if n.Reason == "" {
			names = append(names, n.Name)
			bytes += n.Bytes
		}
	}
	if names == nil {
		c.printf("Nothing is saved.\n")
	} else {
		c.printf("Saved %s (%s). %%restore brings back what is lost, %%restore NAME also what has changed.\n", strings.Join(names, ", "), size(bytes, false))
	}
	for _, n := range list {
		if n.Reason != "" && (len(args) > 0 || len(list) <= 20) {
			c.warnf("not saved: %s\n", because(n.Name, n.Reason))
		}
	}
	return nil
}

// because joins a variable's name and the reason why it was not saved, which begins with the way into the value or a verb.
func because(name, reason string) string {
	if strings.HasPrefix(reason, ".") || strings.HasPrefix(reason, "[") || strings.HasPrefix(reason, "{") {
		return name + reason
	}
	return name + " " + reason
}

func (c *call) checkpointsCommand(_ special, _ []string) error {
	k, err := c.keeper()
	if err != nil {
		return err
	}
	list, err := k.Checkpoints(c.ctx)
	if err != nil {
		return failed("%%checkpoints: %v", err)
	}
	var rows [][]string
	for _, n := range list {
		state := "saved " + n.Saved.Format("15:04:05")
		switch {
		case n.Reason != "":
			state = because("", n.Reason)
		case n.Automatic:
			state += " by itself"
		}
		if !n.Live {
			state += "; lost"
		}
		bytes := ""
		if n.Reason == "" {
			bytes = size(n.Bytes, false)
		}
		rows = append(rows, []string{n.Name, short(n.Type), bytes, strings.TrimSpace(state)})
	}
	c.table([]string{"variable", "type", "size", "checkpoint"}, rows, "There are no variables and no checkpoints.")
	return nil
}

func (c *call) restoreCommand(_ special, args []string) error {
	k, err := c.keeper()
	if err != nil {
		return err
	}
	r, err := k.Restore(c.ctx, args...)
	c.result.Notes = append(c.result.Notes, r.Notes...)
	if err != nil {
		return failed("%%restore: %v", err)
	}
	if len(r.Names) > 0 {
		c.printf("Restored %s.\n", strings.Join(r.Names, ", "))
	} else {
		c.printf("Nothing is restored. %%checkpoints lists what could be.\n")
	}
	failures := make([]string, 0, len(r.Failed))
	for name, reason := range r.Failed {
		failures = append(failures, because(name, reason))
	}
	slices.Sort(failures)
	for _, f := range failures {
		c.warnf("not restored: %s\n", f)
	}
	return nil
}

func (c *call) autocheckpointCommand(_ special, args []string) error {
	k, err := c.keeper()
	if err != nil {
		return err
	}
	if len(args) != 1 || args[0] != "on" && args[0] != "off" {
		return failed("write %%autocheckpoint on or %%autocheckpoint off; %%checkpoints lists what is saved")
	}
	if err := k.SetAutomaticCheckpoints(c.ctx, args[0] == "on"); err != nil {
		return failed("%%autocheckpoint: %v", err)
	}
	if args[0] == "on" {
		c.printf("Small variables are saved while no cell runs.\n")
	} else {
		c.printf("Variables are saved by %%checkpoint only.\n")
	}
	return nil
}

// restartCommand restarts, and restores when it is asked to.
func (c *call) restartCommand(s special, args []string) error {
	restore := len(args) == 1 && (args[0] == "restore" || args[0] == "-r")
	if len(args) > 0 && !restore {
		return failed("%%restart takes nothing, or restore")
	}
	if err := c.engine.Restart(c.ctx); err != nil {
		return err
	}
	c.printf("All values are forgotten; imports and declarations stay.\n")
	k, ok := c.engine.session.(keeper)
	if !ok {
		return nil
	}
	if restore {
		return c.restoreCommand(s, nil)
	}
	list, err := k.Checkpoints(c.ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, n := range list {
		if n.Reason == "" {
			names = append(names, n.Name)
		}
	}
	if names != nil {
		c.result.Notes = append(c.result.Notes, "%restore brings back: "+strings.Join(names, ", "))
	}
	return nil
}
