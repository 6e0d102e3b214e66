//go:build linux

package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// asker is an output that answers questions.
type asker struct {
	recorder
	answers []string
	asked   []string
	wait    chan struct{} // closed when asked; then nobody answers
}

func (a *asker) Input(ctx context.Context, prompt string, password bool) (string, error) {
	a.mu.Lock()
	printed := a.stdout.String()
	a.asked = append(a.asked, fmt.Sprintf("%s|%s|%v", printed, prompt, password))
	a.mu.Unlock()
	if a.wait != nil {
		close(a.wait)
		<-ctx.Done()
		return "", ctx.Err()
	}
	if len(a.answers) == 0 {
		return "", errors.New("this frontend cannot give it")
	}
	line := a.answers[0]
	a.answers = a.answers[1:]
	return line, nil
}

// Whoever reads standard input, in whatever way, gets what the user types, and is asked after what was printed.
func TestStandardInput(t *testing.T) {
	for _, loader := range loaders {
		t.Run(loader, func(t *testing.T) {
			if loader == "plugin" && testing.Short() {
				t.Skip("plugins take half a second a cell")
			}
			testStandardInput(t, openTest(t, Options{Loader: loader}))
		})
	}
}

func testStandardInput(t *testing.T, s *Session) {
	long := strings.Repeat("0123456789", 20_000)
	for i, c := range []struct {
		source  string
		answers []string
		asked   []string
		stdout  string
	}{
		{"var name string\nfmt.Print(\"who? \")\nfmt.Scan(&name)\nfmt.Print(\"hi \", name)", []string{"Ada Lovelace"}, []string{"who? ||false"}, "who? hi Ada"},
		{"var number int\nfmt.Scanln(&number) // what the last cell left is gone\nfmt.Print(number)", []string{"42"}, []string{"||false"}, "42"},
		{"import \"bufio\"\nsc := bufio.NewScanner(os.Stdin)\nfor range 2 { sc.Scan(); fmt.Print(sc.Text(), \";\") }", []string{"a b", "c"}, []string{"||false", "a b;||false"}, "a b;c;"},
		{"in := bufio.NewReader(os.Stdin)\nsc = bufio.NewScanner(in)\nsc.Buffer(nil, 1<<20)\nsc.Scan()\nfmt.Print(len(sc.Text()))", []string{long}, []string{"||false"}, fmt.Sprint(len(long))},
		{"line, err := in.ReadString('\\n')\nfmt.Printf(\"%q %v\", line, err)", []string{"still in use"}, []string{"||false"}, `"still in use\n" <nil>`},
		{"got := make(chan string)\ngo func() { var s string; fmt.Scan(&s); got <- s }()\nfmt.Print(<-got)", []string{"x"}, []string{"||false"}, "x"},
		{"os.Stdin.Fd() // makes its reads block a thread\nline, err = bufio.NewReader(os.Stdin).ReadString('\\n')\nfmt.Print(line)", []string{"y"}, []string{"||false"}, "y\n"},
		{"import \"fovea/kernel/display\"\nuser, err := display.Input(\"user: \")\nkey, err := display.Password(\"key: \")\nfmt.Print(user, key, err)", []string{"u", "k"}, []string{"|user: |false", "|key: |true"}, "uk<nil>"},
		{"import \"os/exec\"\nrun := func(name string, args ...string) { c := exec.Command(name, args...); c.Stdin, c.Stdout = os.Stdin, os.Stdout; if err := c.Run(); err != nil { fmt.Print(err) } }\nrun(\"head\", \"-n2\")",
			[]string{"größe", "b"}, []string{"||false", "||false"}, "größe\nb\n"}, // head writes at its end,
		{"run(\"sh\", \"-c\", \"sh -c 'read x; echo got $x'; true\")", []string{"y z"}, []string{"||false"}, "got y z\n"},
		{"run(\"cat\")", nil, []string{"||false"}, ""},
		{"fmt.Scan(&name)\nfmt.Print(name)", []string{"after"}, []string{"||false"}, "after"},
	} {
		out := &asker{answers: c.answers}
		if r := s.Execute(t.Context(), Cell{Number: i + 1, Source: c.source}, out); r.Err != nil {
			t.Fatalf("%q: %v\n%s", c.source, r.Err, strings.Join(r.Err.Traceback, "\n"))
		}
		if got := out.stdout.String(); got != c.stdout {
			t.Errorf("%q printed %q, want %q (stderr %q)", c.source, got, c.stdout, out.stderr.String())
		}
		if !slices.Equal(out.asked, c.asked) {
			t.Errorf("%q asked %q, want %q", c.source, out.asked, c.asked)
		}
	}
}

// Where nobody can be asked, standard input ends, and the cell's error output says why.
func TestNoInput(t *testing.T) {
	s := openTest(t, Options{})
	source := "import \"fovea/kernel/display\"\nvar n int\n_, err := fmt.Scan(&n)\n_, again := fmt.Scan(&n)\n_, e := display.Input(\"?\")\nfmt.Print(err, again, \" \", errors.Is(e, display.ErrNoInput), \" \", e)"
	for _, c := range []struct {
		out    Output
		reason string
	}{{&recorder{}, "nobody can be asked where this notebook runs"}, {&asker{}, "this frontend cannot give it"}} {
		if r := s.Execute(t.Context(), Cell{Number: 1, Source: source}, c.out); r.Err != nil {
			t.Fatal(r.Err)
		}
		rec, ok := c.out.(*recorder)
		if !ok {
			rec = &c.out.(*asker).recorder
		}
		if got, want := rec.stdout.String(), "EOF EOF true no input here: "+c.reason; got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
		if got, want := rec.stderr.String(), "no input here: "+c.reason+"\n"; got != want {
			t.Errorf("stderr %q, want %q", got, want)
		}
	}
}

// A goroutine that asks when its cell has ended asks nobody: the front end is with another cell by then.
func TestInputAfterTheCell(t *testing.T) {
	s := openTest(t, Options{})
	for i, c := range []struct{ source, stdout string }{
		{"import \"fovea/kernel/display\"\nended, told := make(chan bool), make(chan error)\ngo func() { <-ended; for range 20 { if _, err := display.Input(\"?\"); err == nil { told <- nil } }; _, err := display.Input(\"?\"); told <- err }()", ""},
		{"import \"time\"\ntime.AfterFunc(20*time.Millisecond, func() { close(ended) });", ""},
	} {
		out := &asker{answers: []string{"wrong"}}
		if r := s.Execute(t.Context(), Cell{Number: i + 1, Source: c.source}, out); r.Err != nil || len(out.asked) > 0 {
			t.Fatalf("%v, asked %q", r.Err, out.asked)
		}
	}
	time.Sleep(100 * time.Millisecond)
	out := &asker{answers: []string{"wrong"}}
	if r := s.Execute(t.Context(), Cell{Number: 3, Source: "fmt.Print(<-told)"}, out); r.Err != nil || out.stdout.String() != "no input here: the cell has ended" || len(out.asked) > 0 {
		t.Errorf("%v, printed %q, asked %q", r.Err, out.stdout.String(), out.asked)
	}
}

// A cell that waits for the user is stopped at once; what it would have done with the answer is not done.
func TestInterruptInput(t *testing.T) {
	s := openTest(t, Options{})
	for i, source := range []string{
		"var name string\nfmt.Scan(&name)\nfmt.Print(\"went on\")",
		"import \"bufio\"\nbufio.NewReader(os.Stdin).ReadString('\\n')\nfmt.Print(\"went on\")",
		"os.Stdin.Fd()\nbufio.NewReader(os.Stdin).ReadString('\\n')\nfmt.Print(\"went on\")",
		"import \"fovea/kernel/display\"\ndisplay.Password(\"\")\nfmt.Print(\"went on\")",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &asker{wait: make(chan struct{})}
		ended := make(chan Result, 1)
		go func() { ended <- s.Execute(ctx, Cell{Number: i + 1, Source: source}, out) }()
		select {
		case <-out.wait:
		case r := <-ended:
			t.Fatalf("%q ended before it asked: %v", source, r.Err)
		}
		begun := time.Now()
		cancel()
		r := <-ended
		if r.Err == nil || r.Err.Name != Interrupted || r.WorkerDied || out.has("went on") {
			t.Errorf("%q: %v, died %v, printed %q", source, r.Err, r.WorkerDied, out.stdout.String())
		}
		t.Logf("stopped after %v", time.Since(begun))
	}
	out := &asker{answers: []string{"7"}}
	if r := s.Execute(t.Context(), Cell{Number: 9, Source: "var n int\nfmt.Scan(&n)\nfmt.Print(n)"}, out); r.Err != nil || out.stdout.String() != "7" {
		t.Errorf("after the interrupts: %v, printed %q", r.Err, out.stdout.String())
	}
}
