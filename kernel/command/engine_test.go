package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/session"
)

// fake is a session that keeps what it is asked to do.
type fake struct {
	cells  []string // the user's
	hidden []string
	did    []string
	names  []session.Name
	result session.Result
}

func (f *fake) Execute(_ context.Context, c session.Cell, out session.Output) session.Result {
	if c.Number == 0 {
		f.hidden = append(f.hidden, c.Source)
		return session.Result{}
	}
	f.cells = append(f.cells, c.Source)
	out.Stream("stdout", "ran\n")
	out.Result(display.Bundle{Data: map[string]any{"text/plain": "42"}})
	return f.result
}
func (f *fake) Restart(context.Context) error { f.did = append(f.did, "restart"); return nil }
func (f *fake) Reset(context.Context) error   { f.did = append(f.did, "reset"); return nil }
func (f *fake) Close() error                  { f.did = append(f.did, "close"); return nil }
func (f *fake) Names() []session.Name         { return f.names }
func (f *fake) Imports(context.Context) (map[string]string, error) {
	return map[string]string{"mat": "gonum.org/v1/gonum/mat", osName: "os"}, nil
}
func (f *fake) Remove(_ context.Context, names ...string) (users, missing []string, err error) {
	f.did = append(f.did, "remove "+strings.Join(names, " "))
	return []string{"user"}, []string{"absent"}, nil
}
func (f *fake) SetEnvironment(_ context.Context, dir string, env []string) error {
	f.did = append(f.did, "environment "+filepath.Base(dir)+" "+strings.Join(env, " "))
	return nil
}

// recorder keeps what a cell puts out. It can be asked.
type recorder struct {
	mu             sync.Mutex
	stdout, stderr strings.Builder
	shown          []string // text/plain of displays and results
	answers        []string
	questions      []bool // password?
}

func (r *recorder) Stream(name, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "stdout" {
		r.stdout.WriteString(text)
	} else {
		r.stderr.WriteString(text)
	}
}
func (r *recorder) Display(m display.Message) { r.Result(m.Bundle) }
func (r *recorder) Result(b display.Bundle) {
	r.shown = append(r.shown, fmt.Sprint(b.Data["text/plain"]))
}
func (r *recorder) Page(display.Bundle) {}
func (r *recorder) Input(ctx context.Context, _ string, password bool) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.questions = append(r.questions, password)
	if len(r.answers) == 0 {
		return "", errors.New("nobody answers")
	}
	answer := r.answers[0]
	r.answers = r.answers[1:]
	return answer, nil
}
func (r *recorder) printed() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stdout.String()
}

// plain is an Output that cannot be asked.
type plain struct{ session.Output }

type bench struct {
	*testing.T
	engine *Engine
	fake   *fake
	dir    string
	n      int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	f := &fake{}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(dir, "module")
	if err := os.Mkdir(module, 0o755); err != nil {
		t.Fatal(err)
	}
	e, err := New(f, Options{Dir: dir, ModuleDir: module, Env: []string{"GIVEN=yes"}, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return &bench{t, e, f, dir, 0}
}

func (b *bench) run(source string) (session.Result, *recorder) {
	b.Helper()
	b.n++
	out := &recorder{}
	return b.engine.Execute(b.Context(), session.Cell{Number: b.n, Source: source}, out), out
}

func (b *bench) ok(source string) *recorder {
	b.Helper()
	r, out := b.run(source)
	if r.Err != nil {
		b.Fatalf("%q: %v", source, r.Err)
	}
	return out
}

func (b *bench) fails(source, message string) *session.CellError {
	b.Helper()
	r, out := b.run(source)
	if r.Err == nil || !strings.Contains(r.Err.Message, message) {
		b.Fatalf("%q: %v, want %q\n%s", source, r.Err, message, out.stderr.String())
	}
	return r.Err
}

func TestSpecialLinesRunFirst(t *testing.T) {
	b := newBench(t)
	out := b.ok("x := 1\n!echo one; echo two >&2\nx\n!echo three")
	if got := out.printed(); got != "one\nthree\nran\n" {
		t.Errorf("stdout %q", got)
	}
	if got := out.stderr.String(); got != "two\n" {
		t.Errorf("stderr %q", got)
	}
	if want := []string{"x := 1\n\nx\n"}; !slices.Equal(b.fake.cells, want) {
		t.Errorf("the session got %q", b.fake.cells)
	}
	b.ok("!true\n\n")
	b.ok("")
	if len(b.fake.cells) != 1 {
		t.Errorf("a cell without Go went to the session: %q", b.fake.cells)
	}
}

func TestShell(t *testing.T) {
	b := newBench(t)
	for source, want := range map[string]string{
		"!pwd":                    b.dir + "\n",
		"!*pwd":                   filepath.Join(b.dir, "module") + "\n",
		"!echo $GIVEN \\\n  $PWD": "yes " + b.dir + "\n",
		"!printf 'a\\xe2\\x82'; sleep 0.1; printf '\\xacb\\xff'": "a€b\uFFFD",
		"!cat":                        "",
		"%%bash\nread x\necho got $x": "",
		"%%sh\necho $((6*7))\n":       "42\n",
		"%%script cat\na\n  %b":       "a\n  %b\n",
	} {
		if got := b.ok(source).printed(); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
	// As in GoNB a program that fails does not fail the cell; one that is not there does.
	if out := b.ok("!exit 3\n!echo on"); out.stderr.String() != "exit status 3\n" || out.printed() != "on\n" {
		t.Errorf("exit 3: %q %q", out.stderr.String(), out.printed())
	}
	if out := b.ok("%%bash\nexit 4"); out.stderr.String() != "exit status 4\n" {
		t.Errorf("exit 4: %q", out.stderr.String())
	}
	b.fails("%%script no-such-program -x\n1", "no-such-program")
	b.fails("%%script\n1", "which program")
	b.fails("%%bash -x\n1", "no arguments")
	if e := b.fails("x\n%%bash\n1", "first line"); e.Line != 2 || e.Name != CommandError {
		t.Errorf("error %+v", e)
	}
}

func TestInterruptStopsTheWholeGroup(t *testing.T) {
	for name, command := range map[string]string{
		"polite":   "echo ready; sleep 60 & sleep 60",
		"stubborn": "trap '' INT; echo ready; (trap '' INT; sleep 60) & sleep 60; sleep 60",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			pidFile := filepath.Join(b.dir, "pid")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &recorder{}
			done := make(chan session.Result, 1)
			go func() {
				done <- b.engine.Execute(ctx, session.Cell{Number: 1, Source: "!echo $$ > pid; " + command + "\n!echo never\nx"}, out)
			}()
			waitFor(t, func() bool { return strings.Contains(out.printed(), "ready") })
			cancel()
			select {
			case r := <-done:
				if r.Err == nil || r.Err.Name != session.Interrupted || len(r.Err.Traceback) == 0 {
					t.Errorf("ended with %v", r.Err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("did not stop")
			}
			if strings.Contains(out.printed(), "never") || b.fake.cells != nil {
				t.Error("the rest of the cell ran")
			}
			pid, err := os.ReadFile(pidFile)
			if err != nil {
				t.Fatal(err)
			}
			waitFor(t, func() bool { return groupGone(strings.TrimSpace(string(pid))) })
		})
	}
}

func TestCloseStopsAProgram(t *testing.T) {
	b := newBench(t)
	out := &recorder{}
	done := make(chan session.Result, 1)
	go func() {
		done <- b.engine.Execute(t.Context(), session.Cell{Number: 1, Source: "!echo ready; sleep 60"}, out)
	}()
	waitFor(t, func() bool { return strings.Contains(out.printed(), "ready") })
	b.engine.Close()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("did not stop")
	}
}

// groupGone says whether no process of the group is left.
func groupGone(group string) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(after); len(f) > 2 && f[2] == group && f[0] != "Z" {
			return false
		}
	}
	return true
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestInputs(t *testing.T) {
	b := newBench(t)
	out := &recorder{answers: []string{"Ada", "Lovelace"}}
	r := b.engine.Execute(t.Context(), session.Cell{Number: 1, Source: "%with_inputs\n!read a; read b; echo $b, $a\n!read c || echo nothing"}, out)
	if r.Err != nil || out.printed() != "Lovelace, Ada\nnothing\n" {
		t.Errorf("%v, printed %q, stderr %q", r.Err, out.printed(), out.stderr.String())
	}
	out = &recorder{answers: []string{"secret"}}
	r = b.engine.Execute(t.Context(), session.Cell{Number: 2, Source: "%capture log\n%with_password\n!read a; echo ${#a}"}, out)
	if r.Err != nil || out.printed() != "6\n" || !slices.Equal(out.questions, []bool{true}) {
		t.Errorf("%v, printed %q, asked %v", r.Err, out.printed(), out.questions)
	}
	out = &recorder{}
	r = b.engine.Execute(t.Context(), session.Cell{Number: 3, Source: "%with_inputs\n!read a || echo end"}, out)
	if r.Err != nil || out.printed() != "end\n" || !strings.Contains(out.stderr.String(), "nobody answers") {
		t.Errorf("%v, printed %q, stderr %q", r.Err, out.printed(), out.stderr.String())
	}
	r = b.engine.Execute(t.Context(), session.Cell{Number: 4, Source: "%with_inputs\n!read a"}, plain{out})
	if r.Err == nil || !strings.Contains(r.Err.Message, "cannot be asked") {
		t.Errorf("an Output that cannot be asked: %v", r.Err)
	}
}

func TestFolderAndEnvironment(t *testing.T) {
	b := newBench(t)
	sub := filepath.Join(b.dir, "a b")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := b.ok("%cd").printed(); got != fmt.Sprintf("Current directory: %q\n", b.dir) {
		t.Errorf("%%cd: %q", got)
	}
	if got := b.ok("%cd \"a b\"\n!pwd; echo $GONB_DIR").printed(); got != fmt.Sprintf("Changed directory to %q\n%s\n%s\n", sub, sub, sub) {
		t.Errorf("%%cd: %q", got)
	}
	if last := b.fake.hidden[len(b.fake.hidden)-1]; !strings.Contains(last, fmt.Sprintf("Chdir(%q)", sub)) {
		t.Errorf("the worker was told %q", last)
	}
	b.ok("%cd -\n%env A=\"x y\"\n%env B 2\n")
	if got := b.ok("!pwd; echo $A$B\n%env A\n%env").printed(); got != b.dir+"\nx y2\nA=\"x y\"\nA=\"x y\"\nB=\"2\"\n" {
		t.Errorf("%%env: %q", got)
	}
	if last := b.fake.did[len(b.fake.did)-1]; !strings.HasSuffix(last, " GIVEN=yes GONB_DIR="+b.dir+" A=x y B=2") {
		t.Errorf("later workers get %q", last)
	}
	b.fails("%cd nowhere", "nowhere")
	b.fails("%cd a b", "double quotes")
	b.fails("%env A b c", "double quotes")
	b.fails("%env =b", "name")
	if b.engine.dir != b.dir {
		t.Errorf("a failed %%cd went to %s", b.engine.dir)
	}
}

func TestFiles(t *testing.T) {
	b := newBench(t)
	b.ok("%env NAME=out\n")
	b.ok("%%writefile $NAME.txt\n%one\n!two")
	b.ok("//gonb:%%writefile -a out.txt\nthree")
	b.wantFile("out.txt", "%one\n!two\nthree\n")
	b.ok("%capture log/cell.txt\n!echo shell\nx")
	b.wantFile("log/cell.txt", "shell\nran\n42\n")
	b.ok("%capture -a log/cell.txt\nx")
	b.ok("x")
	b.wantFile("log/cell.txt", "shell\nran\n42\nran\n42\n")
	b.fails("%%writefile\nx", "writefile FILE")
	b.fails("%%writefile a b\nx", "double quotes")
	b.fails("%capture", "capture FILE")
	b.fails("%%writefile /dev/null/x\nx", "/dev/null")
}

func (b *bench) wantFile(name, want string) {
	b.Helper()
	got, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil || string(got) != want {
		b.Errorf("%s: %q, %v; want %q", name, got, err, want)
	}
}

func TestMainBody(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ source, want string }{
		{"var a = 1\n%%\nx := a\nuse(x)", "var a = 1\nfunc() {\nx := a\nuse(x)\n}()"},
		{"//gonb:%main\nf()", "func() {\nf()\n}()"},
		{"%exec f", "func() { f() }()"},
		{"%exec pkg.F\nvar x = 1", "\nvar x = 1\nfunc() { pkg.F() }()"},
		{"func main() { f() }", "func     () { f() }()"},
	} {
		b.ok(c.source)
		if got := b.fake.cells[len(b.fake.cells)-1]; got != c.want {
			t.Errorf("%q: the session got %q, want %q", c.source, got, c.want)
		}
	}
	if b.fake.hidden != nil {
		t.Errorf("without arguments and flags nothing is hidden: %q", b.fake.hidden)
	}
	b.ok("%% --n=3 \"a b\"\nf()")
	if last := b.fake.hidden[0]; !strings.Contains(last, `[:1:1], "--n=3", "a b")`) {
		t.Errorf("arguments: %s", last)
	}
	b.ok("x")
	if len(b.fake.hidden) != 2 || !strings.Contains(b.fake.hidden[1], `[:1:1])`) {
		t.Errorf("the next cell has no arguments: %q", b.fake.hidden[1:])
	}
	b.ok("var n = flag.Int(\"n\", 1, \"\")\nvar v int\nfunc init() { flag.IntVar(&v, \"v\", 1, \"\") }")
	if len(b.fake.hidden) != 3 || !strings.Contains(b.fake.hidden[2], `case "n", "v": return`) {
		t.Errorf("flags that the cell defines: %q", b.fake.hidden[2:])
	}
	b.fails("%%\n%%\nx", "twice")
	b.fails("%exec", "which function")
	b.fails("%exec a-b", "no function's name")
}

func TestNamesAndTheRest(t *testing.T) {
	b := newBench(t)
	b.fake.names = []session.Name{{Name: "f", Kind: "func", Type: "func()", Cell: 2}, {Name: "x", Kind: "var", Type: "[]int", Cell: 1}}
	if shown := b.ok("%ls").shown[0]; !strings.Contains(shown, "gonum.org") || !strings.Contains(shown, "In[2]") || strings.Contains(shown, osName) {
		t.Errorf("%%ls: %s", shown)
	}
	if shown := b.ok("%vars").shown[0]; !strings.Contains(shown, "[]int") || strings.Contains(shown, "func()") {
		t.Errorf("%%vars: %s", shown)
	}
	out := b.ok("%rm x absent")
	if !strings.Contains(b.fake.hidden[0], "ValueOf(&x)") || !slices.Contains(b.fake.did, "remove x absent") || out.printed() != "removed x\n" ||
		!strings.Contains(out.stderr.String(), "absent is not declared") || !strings.Contains(out.stderr.String(), "used by user") {
		t.Errorf("%%rm: %q %q %q", b.fake.hidden, out.printed(), out.stderr.String())
	}
	b.fails("%rm", "which names")
	b.ok("%reset\n%restart")
	if !slices.Equal(b.fake.did[1:], []string{"reset", "restart"}) {
		t.Errorf("did %q", b.fake.did)
	}
	if shown := b.ok("%version\n%help").shown; !strings.Contains(shown[0], "1.2.3") || !strings.Contains(shown[1], "%with_inputs") {
		t.Errorf("shown %q", shown)
	}
	if out := b.ok("%time\nx"); !strings.Contains(out.printed(), "compile 0.0 ms") {
		t.Errorf("%%time: %q", out.printed())
	}
	if out := b.ok("%evn A\nx"); !strings.Contains(out.stderr.String(), "did you mean %env") || out.printed() != "ran\n" {
		t.Errorf("unknown: %q %q", out.stderr.String(), out.printed())
	}
	if b.ok("%widgets\nx"); !strings.Contains(b.fake.cells[len(b.fake.cells)-1], "foveaComms.Start()") {
		t.Errorf("%q", b.fake.cells)
	}
	cells := len(b.fake.cells)
	b.fails("%test\nx := 1", "there is no test")
	if len(b.fake.cells) != cells {
		t.Error("the Go of a refused cell ran")
	}
}

// Every command is in the help.
func TestHelpIsWhole(t *testing.T) {
	for name := range builtins {
		if name != "widgets_hb" && !strings.Contains(help, "%"+name) {
			t.Errorf("%%%s is not in the help", name)
		}
	}
	for name := range cellMagics {
		if !strings.Contains(help, name) {
			t.Errorf("%s is not in the help", name)
		}
	}
}
