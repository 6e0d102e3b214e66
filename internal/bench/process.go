package main

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
	"path/filepath"
	"time"
)

//go:embed peers/training.py
var peerProgram string

// peersVariable names the folder of a Python environment with PyTorch and JAX (make peers).
const peersVariable = "FOVEA_PEERS"

// systemMemory leaves the C library as it is, for GoMLX as others run it. This project's programs change how it keeps memory.
var systemMemory = []string{"GLIBC_TUNABLES="}

// A process is a library under measurement.
type process struct {
	name    string
	version string
	start   float64 // seconds until it was ready
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

// launch starts a process that measures, with more of an environment if there is any, and waits until it is ready.
func launch(ctx context.Context, name string, env []string, command ...string) (*process, error) {
	begin := time.Now()
	p := &process{name: name, cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	p.cmd.Stderr = os.Stderr
	p.cmd.Env = append(os.Environ(), "TF_CPP_MIN_LOG_LEVEL=2", "JAX_PLATFORMS=cpu")
	p.cmd.Env = append(p.cmd.Env, env...)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	hello, err := p.read()
	if err != nil {
		p.close()
		return nil, err
	}
	p.version, p.start = hello.Version, time.Since(begin).Seconds()
	return p, nil
}

// ask sends a request and waits for its answer.
func (p *process) ask(r request) (answer, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return answer{}, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return answer{}, fmt.Errorf("%s: %w", p.name, err)
	}
	return p.read()
}

func (p *process) read() (a answer, err error) {
	if !p.out.Scan() {
		err = errors.Join(p.out.Err(), p.cmd.Wait())
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return a, fmt.Errorf("%s ended: %w", p.name, err)
	}
	if err := json.Unmarshal(p.out.Bytes(), &a); err != nil {
		return a, fmt.Errorf("%s answered %q: %w", p.name, p.out.Text(), err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %s", p.name, a.Error)
	}
	return a, nil
}

func (p *process) close() {
	p.in.Close()
	_ = p.cmd.Wait()
}

// launchAll starts the Go arms, and the Python ones where FOVEA_PEERS says where they are. missing says why one is not there.
func launchAll(ctx context.Context, names []string) (all []*process, missing []string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	python := ""
	if folder := os.Getenv(peersVariable); folder != "" {
		python = filepath.Join(folder, "bin", "python")
	}
	for _, name := range names {
		command := []string{self, "-work", name}
		if name == torchArm || name == jaxArm || name == captumArm {
			if python == "" {
				missing = append(missing, fmt.Sprintf("%s is not measured: %s names no Python environment (make bench makes one)", name, peersVariable))
				continue
			}
			command = map[string][]string{
				torchArm:  {python, "-c", peerProgram, "torch"},
				jaxArm:    {python, "-c", peerProgram, "jax"},
				captumArm: {python, "-c", captumProgram},
			}[name]
		}
		env := variations[name].env
		if name == plainArm {
			env = systemMemory
		}
		p, err := launch(ctx, name, env, command...)
		if err != nil {
			closeAll(all)
			return nil, nil, err
		}
		all = append(all, p)
	}
	return all, missing, nil
}

func closeAll(all []*process) {
	for _, p := range all {
		p.close()
	}
}
