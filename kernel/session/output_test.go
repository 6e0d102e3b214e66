//go:build linux

package session

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Text and displays arrive in the order in which the cell wrote them.
func TestOutputOrder(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok(`import "fovea/kernel/display"`)
	out := r.ok(`
for i := range 20 {
	fmt.Println("text", i)
	display.Show(fmt.Sprint("shown ", i))
}
display.Update("id", 1)
display.Update("id", 2)
fmt.Print("last")
display.Clear(true)
"value"`)
	var want []string
	for i := range 20 {
		n := string(rune('0' + i%10))
		if i >= 10 {
			n = "1" + n
		}
		want = append(want, "stdout: text "+n+"\n", "display : shown "+n)
	}
	want = append(want, "display id: 1", "update id: 2", "stdout: last", "clear : <nil>", "result: value")
	if !slices.Equal(out.events, want) {
		t.Errorf("got  %q\nwant %q", out.events, want)
	}
}

// Output arrives while the cell runs, in whole characters, whoever writes it.
func TestStreaming(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	result, _ := r.interrupted("fmt.Print(\"ready\")\ntime.Sleep(time.Hour)") // returns only because it streams
	if result.Err == nil || result.Err.Name != Interrupted {
		t.Errorf("%v", result.Err)
	}
	out := r.ok("for _, b := range []byte(\"héllo 世界\") { os.Stdout.Write([]byte{b}); if b >= 0x80 { time.Sleep(25*time.Millisecond) } }\nos.Stdout.Write([]byte{'!', 0xff})")
	if got := out.stdout.String(); got != "héllo 世界!\uFFFD" {
		t.Errorf("got %q", got)
	}
	out = r.ok("import \"os/exec\"\nc := exec.Command(\"sh\", \"-c\", \"echo out; echo err >&2\")\nc.Stdout, c.Stderr = os.Stdout, os.Stderr\nc.Run()")
	if out.stdout.String() != "out\n" || out.stderr.String() != "err\n" {
		t.Errorf("stdout %q stderr %q", out.stdout.String(), out.stderr.String())
	}
	out = r.ok("fmt.Print(strings.Repeat(\"0123456789abcdef\\n\", 200_000))")
	if got := out.stdout.Len(); got != 17*200_000 {
		t.Errorf("got %d bytes, want %d", got, 17*200_000)
	}
	if len(out.events) > 500 {
		t.Errorf("3.4 MB came in %d pieces", len(out.events))
	}
}

// What goroutines print between cells belongs to the next cell, or to Options.Background.
func TestOutputBetweenCells(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok("printed := make(chan bool, 1)\ngo func() { time.Sleep(30*time.Millisecond); fmt.Print(\"late\"); printed <- true }()")
	time.Sleep(150 * time.Millisecond)
	if out := r.ok("<-printed;"); out.stdout.String() != "late" {
		t.Errorf("the next cell printed %q", out.stdout.String())
	}
	background := &recorder{}
	r = &runner{T: t, s: openTest(t, Options{Background: background})}
	r.ok("go func() { time.Sleep(30*time.Millisecond); fmt.Print(\"late\") }()")
	for range 300 {
		if background.has("late") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("nothing came in the background")
}

// Lower-case names are exported under a mark; the user does not see it.
func TestMarksAreHidden(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	out := r.ok("type point struct { x, y int }\nfunc (point) method() {}\np := point{1, 2}\nfmt.Printf(\"%+v %#v %T\\n\", p, p, p)\nfmt.Fprintln(os.Stderr, reflect.TypeOf(p).Field(0).Name)\np")
	all := out.stdout.String() + out.stderr.String() + out.result
	for _, r := range all {
		if r > 127 {
			t.Fatalf("%q holds %q", all, r)
		}
	}
	if !strings.Contains(all, "{x:1 y:2}") {
		t.Errorf("%q", all)
	}
}
