package display

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// In a plain program, a line of standard input is the answer, and the rest stays for who reads next.
func TestInputOfAPlainProgram(t *testing.T) {
	t.Setenv("GONB_PIPE", "")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = old }()
	io.WriteString(w, "Ada\r\nsecret\nrest\nlast")
	w.Close()
	if got, err := Input(""); got != "Ada" || err != nil {
		t.Errorf("Input: %q, %v", got, err)
	}
	if got, err := Password(""); got != "secret" || err != nil {
		t.Errorf("Password: %q, %v", got, err)
	}
	if got, err := bufio.NewReader(os.Stdin).ReadString('\n'); got != "rest\n" || err != nil {
		t.Errorf("the next reader: %q, %v", got, err)
	}
	if got, err := Input(""); !errors.Is(err, ErrNoInput) {
		t.Errorf("at the end: %q, %v", got, err)
	}
	if got, err := readLine(strings.NewReader("last")); got != "last" || err != nil {
		t.Errorf("a last line without a break: %q, %v", got, err)
	}
}

func TestHandleInput(t *testing.T) {
	defer asker.Store(nil)
	HandleInput(func(prompt string, password bool) (string, error) {
		if password {
			return "", ErrNoInput
		}
		return prompt + "!", nil
	})
	if got, err := Input("name"); got != "name!" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Password("name"); !errors.Is(err, ErrNoInput) {
		t.Errorf("%v", err)
	}
}
