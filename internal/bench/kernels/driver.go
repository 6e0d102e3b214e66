package kernels

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

//go:embed driver.py
var driverSource string

// A request is one line to the driver: what to do with which kernel. Times are in seconds.
type request struct {
	Do      string  `json:"do"`
	Kernel  string  `json:"kernel,omitempty"` // the name that it got when it was started
	Spec    string  `json:"spec,omitempty"`   // its kernel specification
	Dir     string  `json:"cwd,omitempty"`
	Code    string  `json:"code,omitempty"`
	Cursor  int     `json:"cursor"`
	Running string  `json:"running,omitempty"` // the cell that runs meanwhile
	Settle  float64 `json:"settle"`            // between the cell's first output and the interrupt
	Limit   float64 `json:"limit"`

	Want  string `json:"-"` // the answer must hold this, or nothing was measured
	Fails bool   `json:"-"` // an error is what must come
}

// An answer is what came of a request. Times are in milliseconds.
type answer struct {
	Time   float64 `json:"ms"`
	First  float64 `json:"first_ms"` // until the first output; 0: none
	Ready  float64 `json:"ready_ms"` // of a start: until the kernel has said who it is
	Cell   float64 `json:"cell_ms"`  // of a start: of its first cell
	Status string  `json:"status"`
	Text   string  `json:"text"`

	Version string `json:"version"`
	Fault   string `json:"fault"`
}

// A driver is the client's process.
type driver struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	log     string // the file with what it and the kernels log
}

// requestLimit is how long a kernel may take to answer, in seconds. The first start of all builds Fovea's host library.
const (
	requestLimit    = 60
	firstStartLimit = 900
)

// startDriver starts the client: python is an interpreter that has jupyter_client, log a file to write.
func startDriver(ctx context.Context, python string, env []string, log string) (*driver, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the client has its own
	d := &driver{log: log}
	d.command = exec.CommandContext(ctx, python, "-c", driverSource)
	d.command.Env = env
	d.command.Stderr = file
	// On an interrupt it ends its kernels.
	d.command.Cancel = func() error { return d.command.Process.Signal(os.Interrupt) }
	d.command.WaitDelay = 10 * time.Second
	if d.in, err = d.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := d.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.out = bufio.NewReader(out)
	if err := d.command.Start(); err != nil {
		return nil, fmt.Errorf("the Python with jupyter_client ('make jupyter-env' makes one): %w", err)
	}
	return d, nil
}

// ask sends a request and checks that its answer is what it should be.
func (d *driver) ask(r request) (answer, error) {
	if r.Limit == 0 {
		r.Limit = requestLimit
	}
	line, err := json.Marshal(r)
	if err != nil {
		return answer{}, err
	}
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		return answer{}, fmt.Errorf("the client has ended, see %s: %w", d.log, err)
	}
	line, err = d.out.ReadBytes('\n')
	if err != nil {
		return answer{}, fmt.Errorf("the client has ended, see %s: %w", d.log, err)
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return answer{}, fmt.Errorf("the client says %q: %w", line, err)
	}
	switch {
	case a.Fault != "":
		err = errors.New(a.Fault)
	case r.Fails && a.Status == "ok":
		err = errors.New("it should have failed")
	case !r.Fails && a.Status == "error":
		err = errors.New("it failed")
	case !strings.Contains(a.Text, r.Want):
		err = fmt.Errorf("the answer lacks %q", r.Want)
	default:
		return a, nil
	}
	return a, fmt.Errorf("%s, %s %q: %w\n%s", r.Kernel, r.Do, r.Code, err, a.Text)
}

// close ends the client, which ends its kernels.
func (d *driver) close() error {
	d.in.Close()
	return d.command.Wait()
}
