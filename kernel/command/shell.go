package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"fovea/kernel/session"
)

const (
	stopTime = 2 * time.Second        // between SIGINT and SIGKILL
	askAfter = 200 * time.Millisecond // a program that asks for input prints why first
)

// asking says how a program gets input from the user.
type asking int

const (
	askNothing asking = iota
	askLine
	askPassword
)

// A program to run for a cell.
type program struct {
	args  []string
	dir   string
	env   []string
	stdin string
	ask   asking
}

// inputter is what an Output offers whose frontend can be asked.
type inputter interface {
	Input(ctx context.Context, prompt string, password bool) (string, error)
}

var errStopped = errors.New("stopped")

// run runs the program and streams what it prints. When ctx ends, the program gets SIGINT, with all that it has
// started, and SIGKILL if it does not go: the error is errStopped. That of a program that fails is an *exec.ExitError.
func (p program) run(ctx context.Context, out session.Output) error {
	c := exec.Command(p.args[0], p.args[1:]...)
	c.Dir, c.Env = p.dir, p.env
	group(c)
	var asked io.WriteCloser
	if p.ask == askNothing {
		c.Stdin = strings.NewReader(p.stdin)
		if p.stdin == "" {
			c.Stdin = nil
		}
	} else {
		var err error
		if asked, err = c.StdinPipe(); err != nil {
			return err
		}
	}
	var readers, writers [2]*os.File
	defer func() {
		for _, f := range append(readers[:], writers[:]...) {
			f.Close() // nil and closed ones are fine
		}
	}()
	for i := range readers {
		var err error
		if readers[i], writers[i], err = os.Pipe(); err != nil {
			return err
		}
	}
	c.Stdout, c.Stderr = writers[0], writers[1]
	if err := c.Start(); err != nil {
		return err
	}
	writers[0].Close()
	writers[1].Close()

	var copies sync.WaitGroup
	var turn sync.Mutex // the Output is called by one goroutine at a time
	for i, name := range []string{"stdout", "stderr"} {
		copies.Go(func() {
			stream(readers[i], func(text string) { turn.Lock(); defer turn.Unlock(); out.Stream(name, text) })
		})
	}
	running, ended := context.WithCancel(ctx)
	defer ended()
	var questions sync.WaitGroup
	if asked != nil {
		questions.Go(func() {
			defer asked.Close()
			if err := p.answer(running, out.(inputter), asked); err != nil && running.Err() == nil {
				turn.Lock()
				defer turn.Unlock()
				out.Stream("stderr", err.Error()+"\n")
			}
		})
	}
	done := make(chan error, 1)
	go func() {
		err := c.Wait()
		ended()       // nobody asks for a program that is gone
		copies.Wait() // what it has started may still print
		done <- err
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		interruptGroup(c)
		select {
		case <-done:
		case <-time.After(stopTime):
			killGroup(c)
			// What has left the group can hold the pipes open: it is not waited for.
			time.AfterFunc(stopTime, func() { readers[0].Close(); readers[1].Close() })
			<-done
		}
		err = errStopped
	}
	questions.Wait()
	return err
}

// answer asks the user for lines and hands them to the program, until it ends.
func (p program) answer(ctx context.Context, user inputter, stdin io.Writer) error {
	for {
		select {
		case <-time.After(askAfter):
		case <-ctx.Done():
			return nil
		}
		line, err := user.Input(ctx, "", p.ask == askPassword)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(stdin, line+"\n"); err != nil {
			return nil // it has closed its input
		}
		if p.ask == askPassword {
			return nil
		}
	}
}

// stream forwards text as it comes, cut at characters.
func stream(r io.Reader, forward func(string)) {
	buffer := make([]byte, 32<<10)
	kept := 0
	for {
		n, err := r.Read(buffer[kept:])
		n += kept
		whole := n
		if err == nil {
			whole -= partial(buffer[:n])
		}
		if whole > 0 {
			forward(strings.ToValidUTF8(string(buffer[:whole]), "\uFFFD"))
		}
		kept = copy(buffer, buffer[whole:n])
		if err != nil {
			return
		}
	}
}

// partial counts the bytes at the end that begin a character and do not end it.
func partial(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// shell is the program that a ! line runs in.
func shell(line string) []string {
	for _, name := range []string{"bash", "sh"} {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path, "-c", line}
		}
	}
	return []string{"/bin/sh", "-c", line}
}

// runProgram runs a program of the cell. One that fails says so on stderr, and the cell goes on, as in GoNB.
func (c *call) runProgram(p program) error {
	p.env = c.engine.moduleEnv(p.env)
	if p.dir == "" {
		p.dir = c.engine.dir
	}
	if _, able := c.out.(inputter); !able && p.ask != askNothing {
		return failed("this frontend cannot be asked for input: the command was not run")
	}
	ctx, release := c.engine.running(c.ctx)
	defer release()
	err := p.run(ctx, c.out)
	var exit *exec.ExitError
	switch {
	case errors.Is(err, errStopped):
		return &session.CellError{Name: session.Interrupted, Message: "the command was interrupted; the rest of the cell was not run"}
	case errors.As(err, &exit):
		c.out.Stream("stderr", exit.Error()+"\n")
		return nil
	case err != nil:
		return failed("%s", fmt.Sprint(err))
	}
	return nil
}
