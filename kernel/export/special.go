package export

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fovea/kernel/command"
)

// cellProgram carries over a cell that is no Go.
func (w *writer) cellProgram(c *cell, p command.Parts) {
	name, args := p.Program[0], p.Program[1:]
	switch name {
	case "%%bash", "%%sh":
		w.step(c, "runProgram", append([]string{p.Body + "\n", strings.TrimPrefix(name, "%%")}, args...)...)
	case "%%script":
		if len(args) > 0 {
			w.step(c, "runProgram", append([]string{p.Body + "\n"}, args...)...)
			return
		}
		w.leaveCell(c, name)
	case "%%writefile":
		switch {
		case len(args) == 1:
			w.step(c, "writeFile", args[0], p.Body+"\n")
		case len(args) == 2 && args[0] == "-a":
			w.step(c, "appendFile", args[1], p.Body+"\n")
		default:
			w.leaveCell(c, name)
		}
	default:
		w.leaveCell(c, name)
	}
}

func (w *writer) leaveCell(c *cell, name string) {
	c.comment = "A plain program cannot do it:"
	w.leave(c, firstLine(c.source), name+" has no counterpart in a program")
}

// step adds the call of a helper.
func (w *writer) step(c *cell, helper string, args ...string) {
	var quoted []string
	for _, a := range args {
		quoted = append(quoted, literal(a))
	}
	c.steps = append(c.steps, fmt.Sprintf("%s(%s)", w.helper(helper), strings.Join(quoted, ", ")))
}

// literal quotes text: several lines stay lines.
func literal(s string) string {
	if strings.Count(s, "\n") > 1 && strconv.CanBackquote(strings.ReplaceAll(s, "\n", "")) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

// specialLines carries over the special lines of a cell, and returns its Go. As in the notebook, they come first.
func (w *writer) specialLines(c *cell, p command.Parts) string {
	lines := strings.Split(p.Go, "\n")
	var args []string
	main, call := -1, ""
	for _, s := range p.Lines {
		if shell, ok := strings.CutPrefix(s.Text, "!"); ok {
			switch inModule, isModule := strings.CutPrefix(shell, "*"); {
			case isModule:
				w.leaveLine(c, s, strings.TrimSpace(inModule)+" ran in the folder of the cells' go.mod; the program has one of its own")
			case strings.TrimSpace(shell) != "":
				w.step(c, "shell", strings.TrimSpace(shell))
			}
			continue
		}
		words := s.Words()
		name := ""
		if len(words) > 0 {
			name, words = words[0], words[1:]
		}
		if strings.HasPrefix(s.Text, "%%") && name != "main" {
			name, words = "main", s.Words()
		}
		switch name {
		case "main":
			main = s.Number
			if len(words) > 0 {
				args = words
			}
		case "args":
			args = words
		case "exec":
			if len(words) > 0 {
				call, args = words[0], words[1:]
			}
		case "capture":
			switch {
			case len(words) == 1:
				c.steps = append(c.steps, fmt.Sprintf("defer %s(%s, false)()", w.helper("capture"), literal(words[0])))
			case len(words) == 2 && words[0] == "-a":
				c.steps = append(c.steps, fmt.Sprintf("defer %s(%s, true)()", w.helper("capture"), literal(words[1])))
			}
		case "cd":
			if len(words) == 1 {
				w.step(c, "changeDir", words[0])
			}
		case "env":
			if len(words) == 1 && strings.Contains(words[0], "=") {
				words = strings.SplitN(words[0], "=", 2)
			}
			if len(words) == 2 {
				w.step(c, "setEnv", words[0], words[1])
			} else {
				w.leaveLine(c, s, "it only shows variables")
			}
		case "remove", "rm":
			w.plain.Remove(words...)
			w.comment(c, s, "what it forgets stays in memory")
		case "reset":
			w.plain.Remove()
			w.comment(c, s, "what it forgets stays in memory")
		case "with_inputs", "with_password":
			w.comment(c, s, "programs have the program's own input")
		case "time", "list", "ls", "vars", "version", "help", "autoget", "noautoget", "goworkfix", "widgets", "widgets_hb":
			w.leaveLine(c, s, "it is about the kernel")
		case "restart":
			w.leaveLine(c, s, "the program keeps its values")
		default:
			w.leaveLine(c, s, "it has no counterpart in a program")
		}
	}
	text := strings.Join(lines, "\n")
	starts := main >= 0 || call != ""
	if strings.TrimSpace(text) == "" && !starts {
		return "" // arguments alone are for no cell
	}
	uses, defines := command.Flags(text)
	w.flags = w.flags || uses || len(args) > 0
	if uses || !slices.Equal(args, w.args) || starts && w.flags {
		w.step(c, "setArguments", append([]string{strings.Join(defines, ",")}, args...)...)
		w.args = args
	}
	start := ""
	if w.flags && starts {
		start = "if err := flag.CommandLine.Parse(os.Args[1:]); err != nil { panic(err) }; "
	}
	if main >= 0 {
		lines[main] = "func() { " + start
		lines = append(lines, "}()")
		start = ""
	}
	if call != "" {
		lines = append(lines, start+call+"()")
	}
	return command.Functions(strings.Join(lines, "\n"))
}

// comment notes a line that needs nothing done.
func (w *writer) comment(c *cell, s command.Line, why string) {
	c.steps = append(c.steps, fmt.Sprintf("// %s: %s", oneLine(s.Text), why))
}

func (w *writer) leaveLine(c *cell, s command.Line, why string) {
	w.comment(c, s, why)
	w.leave(c, oneLine(s.Text), why)
}

// helper returns the name of a helper in the program, and sees that it is there.
func (w *writer) helper(name string) string {
	if w.helpers[name] == "" {
		w.helpers[name] = w.plain.Unused(name)
	}
	return w.helpers[name]
}

// helperFile is the file of the helpers that are used.
func (w *writer) helperFile() string {
	var body strings.Builder
	imports := map[string]bool{}
	var names []string
	for name := range w.helpers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h := helperSources[name]
		for _, path := range strings.Fields(h.imports) {
			imports[path] = true
		}
		body.WriteString("\n" + strings.Replace(h.source, "func "+name+"(", "func "+w.helpers[name]+"(", 1))
	}
	text := "// What the notebook's special lines do.\npackage main\n\nimport (\n"
	var paths []string
	for path := range imports {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	names = nil
	for _, path := range paths {
		// The names of the program may hide those of packages.
		name := path[strings.LastIndexByte(path, '/')+1:]
		if fresh := w.plain.PackageName(name); fresh != name {
			names = append(names, name+".", fresh+".")
			text += fresh + " "
		}
		text += strconv.Quote(path) + "\n"
	}
	return text + ")\n" + strings.NewReplacer(names...).Replace(body.String())
}

// helperSources are functions of the program, by name, with what they import.
var helperSources = map[string]struct{ imports, source string }{
	"shell": {"fmt os os/exec", `// shell runs a line with bash. One that fails says so, and the program goes on.
func shell(line string) {
	c := exec.Command("bash", "-c", line)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		fmt.Fprintln(os.Stderr, line+":", err)
	}
}
`},
	"runProgram": {"fmt os os/exec strings", `// runProgram runs a program that reads text. One that fails says so, and the program goes on.
func runProgram(text, name string, args ...string) {
	c := exec.Command(name, args...)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(text), os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
	}
}
`},
	"writeFile": {"os", `// writeFile writes a file, or ends the program.
func writeFile(path, text string) {
	if err := os.WriteFile(os.ExpandEnv(path), []byte(text), 0o644); err != nil {
		panic(err)
	}
}
`},
	"appendFile": {"os", `// appendFile puts text at the end of a file, or ends the program.
func appendFile(path, text string) {
	f, err := os.OpenFile(os.ExpandEnv(path), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		panic(err)
	}
}
`},
	"setArguments": {"flag os slices strings", `// setArguments gives arguments as if the program were started with them: flags have their defaults. Those that the next
// statements define, separated by commas, are forgotten.
func setArguments(defines string, args ...string) {
	os.Args = append(os.Args[:1:1], args...)
	flag.Visit(func(f *flag.Flag) { f.Value.Set(f.DefValue) })
	fresh := flag.NewFlagSet(os.Args[0], flag.ContinueOnError)
	flag.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(strings.Split(defines, ","), f.Name) {
			fresh.Var(f.Value, f.Name, f.Usage)
		}
	})
	flag.CommandLine = fresh
}
`},
	"capture": {"io os", `// capture copies what is printed into a file, or to its end, until the function that it returns is called.
func capture(path string, add bool) func() {
	mode := os.O_TRUNC
	if add {
		mode = os.O_APPEND
	}
	file, err := os.OpenFile(os.ExpandEnv(path), mode|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	stdout, done := os.Stdout, make(chan error)
	os.Stdout = writer
	go func() {
		_, err := io.Copy(io.MultiWriter(stdout, file), reader)
		done <- err
	}()
	return func() {
		os.Stdout = stdout
		writer.Close()
		if err := <-done; err != nil {
			panic(err)
		}
		if err := file.Close(); err != nil {
			panic(err)
		}
	}
}
`},
	"changeDir": {"os", `// changeDir makes a folder the current one, or ends the program.
func changeDir(dir string) {
	if err := os.Chdir(os.ExpandEnv(dir)); err != nil {
		panic(err)
	}
}
`},
	"setEnv": {"os", `// setEnv sets a variable of the environment, or ends the program.
func setEnv(name, value string) {
	if err := os.Setenv(name, os.ExpandEnv(value)); err != nil {
		panic(err)
	}
}
`},
	"mayFail": {"fmt os", `// mayFail runs a cell that may panic without ending the program.
func mayFail(name string, cell func()) {
	defer func() {
		if err := recover(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: panic: %v\n", name, err)
		}
	}()
	cell()
}
`},
}
