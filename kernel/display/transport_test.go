package display

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test program play the process that runs cells.
func TestMain(m *testing.M) {
	switch os.Getenv("DISPLAY_TEST_ROLE") {
	case "cell":
		fmt.Println("before")
		Show("one")
		fmt.Println("between")
		Update("id", "two")
		Update("id", "three")
		BeginCell()
		Update("id", "four")
		fmt.Println("after")
		// A child inherits the environment but not the descriptor: it must print, not write frames somewhere.
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "DISPLAY_TEST_ROLE=child")
		out, err := child.CombinedOutput()
		fmt.Printf("child: %q %v\n", out, err)
		os.Exit(0)
	case "child":
		Show("from the child")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The kernel's side as it should be: on a display, first forward the text that is already there, then answer.
func TestOrderOfTextAndDisplays(t *testing.T) {
	framesOut, framesIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ackOut, ackIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	textOut, textIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cell := exec.Command(os.Args[0])
	cell.Env = append(os.Environ(), "DISPLAY_TEST_ROLE=cell", EnvFD+"=3", EnvAckFD+"=4")
	cell.ExtraFiles = []*os.File{framesIn, ackOut}
	cell.Stdout, cell.Stderr = textIn, os.Stderr
	if err := cell.Start(); err != nil {
		t.Fatal(err)
	}
	framesIn.Close()
	ackOut.Close()
	textIn.Close()

	var seen strings.Builder
	drain := func() {
		buffer := make([]byte, 4096)
		for {
			textOut.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			n, err := textOut.Read(buffer)
			seen.Write(buffer[:n])
			if err != nil {
				return
			}
		}
	}
	for {
		m, err := ReadMessage(framesOut)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		drain()
		fmt.Fprintf(&seen, "[%s %s %s]\n", m.Kind, m.ID, m.Bundle.Data["text/plain"])
		if _, err := ackIn.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := cell.Wait(); err != nil {
		t.Fatal(err)
	}
	textOut.SetReadDeadline(time.Time{})
	rest, _ := io.ReadAll(textOut)
	seen.Write(rest)
	want := `before
[display  one]
between
[display id two]
[update id three]
[display id four]
[update id four]
after
child: "from the child\n" <nil>
`
	if seen.String() != want {
		t.Errorf("got\n%s\nwant\n%s", seen.String(), want)
	}
}

func TestASilentKernelDoesNotHoldTheCell(t *testing.T) {
	ack, silent, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	f := newFrames(io.Discard, ack)
	start := time.Now()
	if err := f.send(Message{Kind: KindClear}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < ackPatience || took > 5*ackPatience {
		t.Errorf("waited %v for an answer that never came, want about %v", took, ackPatience)
	}
	silent.Close() // a kernel that closes the pipe will never answer: no more waiting
	f.send(Message{Kind: KindClear})
	start = time.Now()
	f.send(Message{Kind: KindClear})
	if took := time.Since(start); took > ackPatience/2 {
		t.Errorf("waited %v on a closed pipe", took)
	}
}

func TestABrokenPipeIsReportedOnce(t *testing.T) {
	f := newFrames(brokenWriter{}, nil)
	if err := f.send(Message{Kind: KindClear}); err == nil {
		t.Error("no error")
	}
	if err := f.send(Message{Kind: KindClear}); err != nil {
		t.Errorf("reported again: %v", err)
	}
	// What cannot be encoded leaves the pipe as it was.
	f = newFrames(io.Discard, nil)
	if err := f.send(Message{Kind: KindDisplay, Bundle: Bundle{Data: map[string]any{"application/json": func() {}}}}); err == nil {
		t.Error("a function was encoded")
	}
	if f.err != nil {
		t.Errorf("the pipe counts as broken: %v", f.err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestPlainText(t *testing.T) {
	var out bytes.Buffer
	p := &plain{out: &out, last: map[string]string{}}
	for _, m := range []Message{
		{Kind: KindDisplay, Bundle: BundleOf("a"), ID: "x"},
		{Kind: KindUpdate, Bundle: BundleOf("a"), ID: "x"},
		{Kind: KindUpdate, Bundle: BundleOf("b"), ID: "x"},
		{Kind: KindClear},
		{Kind: KindDisplay, Bundle: Bundle{Data: map[string]any{"image/png": []byte{1}}}},
	} {
		if err := p.send(m); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := out.String(), "a\nb\n[image/png]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
