package command

import (
	_ "embed"
	"fmt"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"fovea/internal/atomicfile"
	"fovea/kernel/display"
)

//go:embed help.md
var help string

// builtins are the commands of % lines. Each gets the words after its name.
var builtins map[string]func(*call, special, []string) error

func init() { // it refers to itself, through the names that a wrong one may have meant
	builtins = map[string]func(*call, special, []string) error{
		"%":             (*call).mainCommand,
		"main":          (*call).mainCommand,
		"args":          func(c *call, _ special, args []string) error { return c.setArgs(args) },
		"exec":          (*call).execCommand,
		"cd":            (*call).cdCommand,
		"env":           (*call).envCommand,
		"list":          (*call).listCommand,
		"ls":            (*call).listCommand,
		"remove":        (*call).removeCommand,
		"rm":            (*call).removeCommand,
		"reset":         (*call).resetCommand,
		"capture":       (*call).captureCommand,
		"with_inputs":   func(c *call, _ special, _ []string) error { c.ask = askLine; return nil },
		"with_password": func(c *call, _ special, _ []string) error { c.ask = askPassword; return nil },
		"time":          func(c *call, _ special, _ []string) error { c.timed = true; return nil },
		"version":       (*call).versionCommand,
		"help":          (*call).helpCommand,
		"goflags":       (*call).goflagsCommand,
		"autoget":       autoget(true),
		"noautoget":     autoget(false),
		"track":         (*call).trackCommand,
		"untrack":       (*call).untrackCommand,
		"goworkfix":     (*call).goworkfixCommand,
		"widgets":       (*call).widgetsCommand,
		"widgets_hb":    (*call).widgetsCommand,
		"test":          (*call).testCommand,
		"wasm":          (*call).wasmCommand,
	}
}

// special does what a special line says.
func (c *call) special(s special) error {
	if s.text[0] == '!' {
		line, inModule := strings.CutPrefix(s.text[1:], "*")
		p := program{args: shell(line), ask: c.ask}
		c.ask = askNothing
		if strings.TrimSpace(line) == "" {
			return nil
		}
		if inModule {
			return c.runInModule(p)
		}
		return c.runProgram(p)
	}
	list := words(s.text[1:])
	if len(list) == 0 {
		return nil
	}
	name, args := list[0], list[1:]
	if run := builtins[name]; run != nil {
		return run(c, s, args)
	}
	if cellMagics["%"+name] {
		return failed("%%%s can only be the first line of a cell", name)
	}
	c.warnf("%%%s is unknown%s; see %%help\n", name, similar(name))
	return nil
}

// cellMagic does a cell that holds no Go.
func (c *call) cellMagic(p parsed) error {
	list := words(p.magic)
	name, args := list[0], list[1:]
	switch name {
	case "%fmt":
		return c.format(p.body)
	case "%check", "%vet":
		return c.check(c.cell.Source)
	case "%%writefile":
		return c.writeFile(args, p.body)
	case "%%script":
		if len(args) == 0 {
			return failed("%%%%script: which program? Write it behind, as in %%%%script python3")
		}
	default:
		if len(args) > 0 {
			return failed("%s takes no arguments; %%%%script takes a program with some", name)
		}
		args = []string{strings.TrimPrefix(name, "%%")}
	}
	return c.runProgram(program{args: args, stdin: p.body + "\n"})
}

func (c *call) writeFile(args []string, text string) error {
	add := len(args) > 1 && args[0] == "-a"
	if add {
		args = args[1:]
	}
	if len(args) != 1 {
		return failed("write %%%%writefile FILE or %%%%writefile -a FILE; a name with spaces stands in double quotes")
	}
	path := c.engine.path(args[0])
	text += "\n"
	if !add {
		if err := atomicfile.WriteBytes(path, []byte(text)); err != nil {
			return err
		}
		c.warnf("Cell contents written to %q.\n", args[0]) // on stderr, as GoNB has it
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	c.warnf("Cell contents appended to %q.\n", args[0])
	return nil
}

func (c *call) mainCommand(s special, args []string) error {
	if c.main >= 0 {
		return failed("%%%% stands twice in this cell: it has one main")
	}
	c.main = s.line
	return c.setArgs(args) // none: those of an earlier %args go, as in GoNB
}

// widgetsCommand connects the page, as GoNB's does. Widgets do it by themselves when they need it.
func (c *call) widgetsCommand(special, []string) error {
	c.widgets = true
	return nil
}

func (c *call) setArgs(args []string) error {
	c.args = args
	return nil
}

func (c *call) execCommand(s special, args []string) error {
	if len(args) == 0 {
		return failed("%%exec: which function? Write its name behind, as in %%exec train")
	}
	for part := range strings.SplitSeq(args[0], ".") {
		if !token.IsIdentifier(part) {
			return failed("%%exec %s: this is no function's name", args[0])
		}
	}
	c.exec, c.line = args[0], s.line
	return c.setArgs(args[1:])
}

func (c *call) cdCommand(_ special, args []string) error {
	e := c.engine
	switch len(args) {
	case 0:
		c.printf("Current directory: %q\n", e.dir)
		return nil
	case 1:
	default:
		return failed("%%cd takes one folder; a name with spaces stands in double quotes")
	}
	dir := e.path(args[0])
	if args[0] == "-" {
		if dir = e.last; dir == "" {
			return failed("%%cd -: there is no folder before this one")
		}
	}
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if !info.IsDir() {
		return failed("%s is no folder", dir)
	}
	if err := c.hidden(fmt.Sprintf("import %[1]s \"os\"\nif err := %[1]s.Chdir(%[2]q); err != nil { panic(err) }\n%[1]s.Setenv(\"GONB_DIR\", %[2]q)", osName, dir)); err != nil {
		return err
	}
	e.last, e.dir = e.dir, dir
	c.printf("Changed directory to %q\n", dir)
	return c.setenv("GONB_DIR", dir)
}

// setenv keeps a variable for programs and for workers to come.
func (c *call) setenv(name, value string) error {
	e := c.engine
	e.env = slices.DeleteFunc(e.env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	e.env = append(e.env, name+"="+value)
	return e.session.SetEnvironment(c.ctx, e.dir, slices.Clone(e.env))
}

func (c *call) envCommand(_ special, args []string) error {
	e := c.engine
	if len(args) == 0 {
		for _, name := range e.set {
			c.printf("%s=%q\n", name, e.getenv(name))
		}
		return nil
	}
	name, value, ok := strings.Cut(args[0], "=")
	switch {
	case ok && len(args) == 1:
	case !ok && len(args) == 1:
		c.printf("%s=%q\n", name, e.getenv(name))
		return nil
	case len(args) == 2 && !ok:
		value = args[1]
	default:
		return failed("write %%env NAME VALUE or %%env NAME=VALUE; a value with spaces stands in double quotes")
	}
	if name == "" || strings.ContainsAny(name+value, "\x00") {
		return failed("%%env: %q cannot be a variable's name", name)
	}
	if err := c.hidden(fmt.Sprintf("import %[1]s \"os\"\nif err := %[1]s.Setenv(%[2]q, %[3]q); err != nil { panic(err) }", osName, name, value)); err != nil {
		return err
	}
	if !slices.Contains(e.set, name) {
		e.set = append(e.set, name)
	}
	c.printf("Set: %s=%q\n", name, value)
	return c.setenv(name, value)
}

// table shows rows, or that there are none.
func (c *call) table(header []string, rows [][]string, none string) {
	if len(rows) == 0 {
		c.printf("%s\n", none)
		return
	}
	c.out.Display(display.Message{Kind: display.KindDisplay, Bundle: display.BundleOf(display.Table(header, rows))})
}

func (c *call) listCommand(_ special, _ []string) error {
	imports, err := c.engine.session.Imports(c.ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(imports)) {
		if name != flagName && name != osName && name != reflectName {
			rows = append(rows, []string{"import", name, strconv.Quote(imports[name]), ""})
		}
	}
	for _, kind := range []string{"const", "type", "var", "func"} {
		for _, n := range c.engine.session.Names() {
			if n.Kind == kind {
				rows = append(rows, []string{n.Kind, n.Name, short(n.Type), fmt.Sprintf("In[%d]", n.Cell)})
			}
		}
	}
	c.table([]string{"kind", "name", "type", "cell"}, rows, "Nothing is declared.")
	return nil
}

func short(s string) string {
	if r := []rune(s); len(r) > 100 {
		return string(r[:99]) + "…"
	}
	return s
}

func (c *call) removeCommand(_ special, args []string) error {
	if len(args) == 0 {
		return failed("%%remove: which names? %%list shows them")
	}
	// What variables hold can be large, and their storage stays: it is emptied.
	var clear strings.Builder
	for _, n := range c.engine.session.Names() {
		if n.Kind == "var" && slices.Contains(args, n.Name) {
			fmt.Fprintf(&clear, "%s.ValueOf(&%s).Elem().SetZero()\n", reflectName, n.Name)
		}
	}
	if clear.Len() > 0 {
		if err := c.hidden(fmt.Sprintf("import %s %q\n%s", reflectName, "reflect", clear.String())); err != nil {
			return err
		}
	}
	users, missing, err := c.engine.session.Remove(c.ctx, args...)
	if err != nil {
		return err
	}
	for _, name := range args {
		if !slices.Contains(missing, name) {
			c.printf("removed %s\n", name)
		}
	}
	for _, name := range missing {
		c.warnf("%s is not declared: not removed\n", name)
	}
	if len(users) > 0 {
		c.warnf("still used by %s, where a removed variable has its zero value\n", strings.Join(users, ", "))
	}
	return nil
}

func (c *call) resetCommand(_ special, args []string) error {
	if len(args) == 1 && args[0] == "go.mod" {
		return c.resetModule()
	}
	if len(args) > 0 {
		return failed("%%reset takes nothing, or go.mod")
	}
	c.engine.args = nil
	if err := c.engine.session.Reset(c.ctx); err != nil {
		return err
	}
	c.printf("All values, names and imports are forgotten.\n")
	return nil
}

func (c *call) versionCommand(_ special, _ []string) error {
	version := c.engine.version
	if version == "" {
		version = "unknown"
	}
	c.show(fmt.Sprintf("**Fovea** %s, %s %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH))
	return nil
}

func (c *call) helpCommand(_ special, _ []string) error {
	c.show(help)
	return nil
}

func (c *call) show(markdown string) {
	c.out.Display(display.Message{Kind: display.KindDisplay, Bundle: display.BundleOf(display.Markdown(markdown))})
}

func (c *call) captureCommand(_ special, args []string) error {
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if len(args) > 1 && args[0] == "-a" {
		flags, args = os.O_CREATE|os.O_WRONLY|os.O_APPEND, args[1:]
	}
	if len(args) != 1 {
		return failed("write %%capture FILE or %%capture -a FILE; a name with spaces stands in double quotes")
	}
	if c.capture != nil {
		return failed("%%capture stands twice in this cell")
	}
	path := c.engine.path(args[0])
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return err
	}
	c.capture = &tee{Output: c.out, file: f}
	c.out = c.capture.output()
	return nil
}

// similar names commands that a wrong name may have meant.
func similar(name string) string {
	var near []string
	for _, known := range slices.Sorted(maps.Keys(builtins)) {
		if len(known) > 1 && (strings.HasPrefix(known, name) || distance(known, name) <= 1+len(name)/5) {
			near = append(near, "%"+known)
		}
	}
	if near == nil {
		return ""
	}
	return " (did you mean " + strings.Join(near, " or ") + "?)"
}

// distance counts the letters to insert, delete, replace or swap with a neighbour to get from a to b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
