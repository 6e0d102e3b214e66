package display

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// ErrNoInput is wrapped by Input's and Password's errors where nobody can be asked, as when a notebook runs as a batch.
var ErrNoInput = errors.New("no input here")

// Input asks the user for one line, which comes without its line break.
//
// Code that reads os.Stdin, with fmt.Scan or bufio, works in a cell as well; Input shows its prompt beside the field.
func Input(prompt string) (string, error) { return ask(prompt, false) }

// Password is Input with what is typed hidden, and kept out of the notebook.
func Password(prompt string) (string, error) { return ask(prompt, true) }

var asker atomic.Pointer[func(prompt string, password bool) (string, error)]

// HandleInput makes Input and Password ask by calling f. The kernel calls it; other code has no need to.
func HandleInput(f func(prompt string, password bool) (string, error)) { asker.Store(&f) }

func ask(prompt string, password bool) (string, error) {
	if f := asker.Load(); f != nil {
		return (*f)(prompt, password)
	}
	if os.Getenv(protocol.GONB_PIPE_ENV) != "" {
		gonbui.RequestInput(prompt, password) // the answer comes on standard input
		if err := gonbui.Error(); err != nil {
			return "", err
		}
		return readLine(os.Stdin)
	}
	fmt.Fprint(os.Stderr, prompt)
	if password {
		show, err := hideTyping(os.Stdin)
		if err != nil {
			return "", err
		}
		defer show()
	}
	return readLine(os.Stdin)
}

// readLine reads byte by byte: what comes after the line is for who reads next.
func readLine(r io.Reader) (string, error) {
	var line strings.Builder
	var one [1]byte
	for {
		n, err := r.Read(one[:])
		switch {
		case n == 1 && one[0] == '\n':
			return strings.TrimSuffix(line.String(), "\r"), nil
		case n == 1:
			line.WriteByte(one[0])
		case errors.Is(err, io.EOF) && line.Len() > 0:
			return line.String(), nil
		case errors.Is(err, io.EOF):
			return "", fmt.Errorf("%w: standard input has ended", ErrNoInput)
		case err != nil:
			return "", err
		}
	}
}
