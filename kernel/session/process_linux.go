package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fovea/kernel/display"
	"fovea/kernel/gonb"
	"fovea/kernel/worker/message"
)

// A process is one worker.
type process struct {
	cmd      *exec.Cmd
	requests *os.File
	pump     *pump
	exited   chan struct{} // closed when the process has been waited for
	status   error
	inputter Inputter // of the cell that runs; nil: nobody can be asked
	oomKills int      // when it was started
}

var errDied = errors.New("the worker ended")

// startProcess starts a worker program and waits until it answers. pipes is a folder for gonbui's, which the worker makes.
func startProcess(ctx context.Context, program, dir string, env []string, pipes string) (*process, error) {
	p := &process{exited: make(chan struct{}), oomKills: oomKills()}
	var parent, child [7]int // by the child's descriptor; the parent keeps the other end
	var open []int
	fail := func(err error) (*process, error) {
		for _, fd := range open {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("starting the worker: %w", err)
	}
	for fd := 1; fd <= message.DisplayAckFD; fd++ {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return fail(err)
		}
		open = append(open, ends[:]...)
		parent[fd], child[fd] = ends[0], ends[1]
		if fd == message.RequestFD || fd == message.DisplayAckFD {
			parent[fd], child[fd] = ends[1], ends[0]
		} else if err := unix.SetNonblock(parent[fd], true); err != nil {
			return fail(err)
		}
	}
	unix.FcntlInt(uintptr(parent[message.DisplayFD]), unix.F_SETPIPE_SZ, 1<<20) // a picture in one go; smaller works too

	p.cmd = exec.Command(program)
	p.cmd.Dir = dir
	p.cmd.Env = append(workerEnv(env), gonb.Env(pipes)...)
	var files []*os.File
	for fd := 1; fd <= message.DisplayAckFD; fd++ {
		files = append(files, os.NewFile(uintptr(child[fd]), "worker"))
	}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.ExtraFiles = files[0], files[1], files[2:]
	// A group of its own: a Ctrl-C at the terminal is for the front end to interpret, and a kill takes along what cells
	// have started.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that started the process ends: it must stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		for _, f := range files {
			f.Close()
		}
		started <- err
		if err == nil {
			p.status = p.cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		for fd := 1; fd <= message.DisplayAckFD; fd++ {
			unix.Close(parent[fd])
		}
		return nil, fmt.Errorf("starting the worker: %w", err)
	}
	p.requests = os.NewFile(uintptr(parent[message.RequestFD]), "requests")
	p.pump = newPump(parent)
	select {
	case _, ok := <-p.pump.responses:
		if !ok {
			<-p.exited
			return nil, fmt.Errorf("the worker did not start: %v: %s", p.status, strings.TrimSpace(p.pump.keptText()))
		}
		return p, nil
	case <-ctx.Done():
		p.close(0)
		return nil, ctx.Err()
	}
}

// workerEnv is this process's environment, with what was asked for and how to show things.
func workerEnv(extra []string) []string {
	env := slices.DeleteFunc(slices.Concat(os.Environ(), extra), func(e string) bool {
		return strings.HasPrefix(e, "FOVEA_DISPLAY_") || strings.HasPrefix(e, "GONB_PIPE")
	})
	return append(env, fmt.Sprintf("%s=%d", display.EnvFD, message.DisplayFD), fmt.Sprintf("%s=%d", display.EnvAckFD, message.DisplayAckFD))
}

func (p *process) send(r message.Request) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = p.requests.Write(append(b, '\n'))
	return err
}

// call sends a request and waits for its response. When ctx ends, the worker is asked to stop what it does, and killed
// when it has not stopped within grace. The error is errDied when the worker has ended.
func (p *process) call(ctx context.Context, r message.Request, grace time.Duration) (message.Response, error) {
	if err := p.send(r); err != nil {
		p.close(0)
		return message.Response{}, errDied
	}
	// Questions are asked beside the wait for the response, and none outlives it.
	asking, stop := context.WithCancel(ctx)
	var questions sync.WaitGroup
	var oneAtATime sync.Mutex
	defer questions.Wait()
	defer stop()
	done := ctx.Done()
	var patience, halfway <-chan time.Time
	for {
		select {
		case response, ok := <-p.pump.responses:
			if !ok {
				<-p.exited
				return message.Response{}, errDied
			}
			if response.Ask != nil {
				questions.Go(func() {
					oneAtATime.Lock()
					defer oneAtATime.Unlock()
					p.answer(asking, *response.Ask)
				})
				continue
			}
			// The signal may have ended a program for which the cell waited, and the cell, before the worker took note of
			// the interrupt.
			response.Stopped = response.Stopped || patience != nil
			return response, nil
		case <-done:
			done = nil
			patience, halfway = time.After(grace), time.After(grace/2)
			// Over the pipe, since a signal may come before the worker has read the request; and as a signal, for
			// libraries that listen and programs that the cell has started.
			p.send(message.Request{Op: message.Interrupt, ID: r.ID})
			syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT)
		case <-halfway:
			p.killPrograms() // for which the cell may wait
		case <-patience:
			p.kill()
		}
	}
}

// answer asks the user what a cell wants to know.
func (p *process) answer(ctx context.Context, q message.Ask) {
	a := message.Answer{ID: q.ID}
	if p.inputter == nil {
		a.Error = "nobody can be asked where this notebook runs"
	} else if text, err := p.inputter.Input(ctx, q.Prompt, q.Password); ctx.Err() != nil {
		return // an answer could overtake the interrupt, and the cell would go on with it
	} else if err != nil {
		a.Error = err.Error()
	} else {
		a.Text = text
	}
	p.send(message.Request{Op: message.Reply, Answer: &a}) // a worker that has gone needs no answer
}

func (p *process) kill() { syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// close ends the worker: when it has not gone by itself after patience, by force.
func (p *process) close(patience time.Duration) {
	p.requests.Close()
	if patience > 0 {
		select {
		case <-p.exited:
		case <-time.After(patience):
		}
	}
	p.kill() // also what cells have started
	<-p.exited
	p.pump.wait()
}

// alive reports whether the worker still runs.
func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}
