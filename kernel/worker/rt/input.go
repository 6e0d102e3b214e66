package rt

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"fovea/kernel/display"
	"fovea/kernel/worker/message"
)

// Standard input of cells is a pipe whose two ends are both here. A line is asked for when somebody waits for one: any
// reader of os.Stdin counts, in cell code, in fmt or bufio, in a library. A file that is being read has its read lock
// set, which the watcher looks at; a pipe has no other sign of being waited for.

var input = struct {
	sync.Mutex
	send    func(message.Ask)
	last    int
	open    map[int]chan message.Answer
	pipe    *stdinPipe
	prompts []prompt     // of the next lines
	retired []*stdinPipe // kept from the collector, which would close them: readers that were left behind wait on
}{open: map[int]chan message.Answer{}}

// asking holds a token while nobody asks: a front end takes one question at a time.
var asking = make(chan struct{}, 1)

type stdinPipe struct {
	reader, writer *os.File
	fd             int     // of reader, whose Fd method would make it block
	lock           *uint64 // the reader's fdMutex.state
}

const (
	readLocked = 1 << 1 // internal/poll.mutexRLock
	watchEvery = 10 * time.Millisecond
	watchLooks = 3 // so many in a row must find a reader and no data: one may be between the two
)

// OpenInput makes os.Stdin ask the session, by send, when a cell reads it.
func OpenInput(send func(message.Ask)) error {
	input.Lock()
	defer input.Unlock()
	input.send = send
	asking <- struct{}{}
	display.HandleInput(func(prompt string, password bool) (string, error) { return askCell(prompt, password) })
	return newStdin()
}

type prompt struct {
	text     string
	password bool
}

// NextQuestion makes the next line of standard input be asked for with a prompt.
func NextQuestion(text string, password bool) {
	input.Lock()
	defer input.Unlock()
	input.prompts = append(input.prompts, prompt{text, password})
}

// nextPrompt takes the prompt of the next line, if there is one.
func nextPrompt() (p prompt) {
	input.Lock()
	defer input.Unlock()
	if len(input.prompts) > 0 {
		p, input.prompts = input.prompts[0], input.prompts[1:]
	}
	return p
}

// newStdin replaces os.Stdin. The caller holds input.
func newStdin() error {
	offset, err := lockOffset()
	if err != nil {
		return err
	}
	p := &stdinPipe{}
	if p.reader, p.writer, err = os.Pipe(); err != nil {
		return err
	}
	raw, err := p.reader.SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) { p.fd = int(fd) }); err != nil {
		return err
	}
	p.lock = (*uint64)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Pointer(p.reader)), offset))
	if input.pipe != nil {
		input.retired = append(input.retired, input.pipe)
	}
	input.pipe, os.Stdin = p, p.reader
	return nil
}

// lockOffset finds the state of the read lock in what an os.File points to, by name: a release of Go that has moved it
// is noticed, and its cells have no input.
func lockOffset() (uintptr, error) {
	missing := errors.New("cells cannot read standard input with this release of Go: os.File has changed")
	t := reflect.TypeFor[os.File]()
	if t.NumField() != 1 || t.Field(0).Type.Kind() != reflect.Pointer {
		return 0, missing
	}
	t = t.Field(0).Type.Elem()
	var offset uintptr
	for _, name := range []string{"pfd", "fdmu", "state"} {
		if t.Kind() != reflect.Struct {
			return 0, missing
		}
		f, ok := t.FieldByName(name)
		if !ok {
			return 0, missing
		}
		offset, t = offset+f.Offset, f.Type
	}
	if t.Kind() != reflect.Uint64 {
		return 0, missing
	}
	return offset, nil
}

// starving reports whether somebody reads and there is nothing to read.
func (p *stdinPipe) starving() bool {
	return atomic.LoadUint64(p.lock)&readLocked != 0 && pending(p.fd) == 0
}

// forgetPrompts drops questions that no cell has read the answers of.
func forgetPrompts() {
	input.Lock()
	defer input.Unlock()
	input.prompts = nil
}

// drain drops what earlier cells have left unread: the rest of a line that fmt.Scan took a word of is not the answer to
// the next cell's question.
func (p *stdinPipe) drain() {
	var chunk [4096]byte
	for atomic.LoadUint64(p.lock)&readLocked == 0 && pending(p.fd) > 0 {
		if n, err := syscall.Read(p.fd, chunk[:]); n <= 0 || err != nil {
			return
		}
	}
}

func currentStdin() *stdinPipe {
	input.Lock()
	defer input.Unlock()
	return input.pipe
}

// watchInput asks for a line whenever standard input is waited for, until the cell ends or is interrupted.
func (r *Run) watchInput() {
	if p := currentStdin(); p == nil {
		return
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	told, looks, ticks := false, 0, 0
	written := make(chan struct{})
	close(written)
	for {
		select {
		case <-r.Done:
			return
		case <-r.stop:
			if currentStdin().starving() {
				r.abandonStdin()
			}
			return
		case <-tick.C:
		}
		p := currentStdin()
		select {
		case <-written:
		default:
			continue // the last answer is on its way
		}
		ticks++
		program := false // it is one that the cell has started that reads
		if p.starving() {
			if looks++; looks < watchLooks {
				continue
			}
		} else if program = ticks%childLooks == 0 && p.childStarving(); !program {
			looks = 0
			continue
		}
		looks = 0
		r.reads.Store(!program)
		q := nextPrompt()
		answer, ok := r.ask(q.text, q.password)
		if !ok {
			if !program { // which gets a signal
				r.abandonStdin()
			}
			return
		}
		r.reads.Store(false)
		if answer.Error != "" {
			if !told {
				fmt.Fprintln(os.Stderr, noInput(answer.Error))
				told = true
			}
			replaceStdin()
			p.writer.Close() // the reader sees the end of the file
			continue
		}
		written = make(chan struct{}) // a long line waits until it is read
		go func() {
			defer close(written)
			p.writer.WriteString(answer.Text + "\n")
		}()
	}
}

// abandonStdin leaves behind who reads standard input when the cell is interrupted: with whatever a read returned, it
// would go on as if somebody had typed that.
func (r *Run) abandonStdin() {
	r.reads.Store(true)
	replaceStdin()
}

func replaceStdin() {
	input.Lock()
	defer input.Unlock()
	if err := newStdin(); err != nil {
		fmt.Fprintln(os.Stderr, "standard input:", err)
	}
}

func noInput(reason string) error { return fmt.Errorf("%w: %s", display.ErrNoInput, reason) }

// ask asks the session for a line. ok is false when the cell ended or was interrupted meanwhile.
func (r *Run) ask(prompt string, password bool) (answer message.Answer, ok bool) {
	select {
	case <-asking:
		defer func() { asking <- struct{}{} }()
	case <-r.Done:
		return answer, false
	case <-r.stop:
		return answer, false
	}
	if r.ended() || r.stopped() { // select chooses any that is ready
		return answer, false
	}
	input.Lock()
	input.last++
	id, answers, send := input.last, make(chan message.Answer, 1), input.send
	input.open[id] = answers
	input.Unlock()
	defer func() {
		input.Lock()
		defer input.Unlock()
		delete(input.open, id)
	}()
	send(message.Ask{ID: id, Prompt: prompt, Password: password})
	select {
	case answer = <-answers:
		return answer, !r.stopped()
	case <-r.Done:
	case <-r.stop:
	}
	return answer, false
}

// askCell is display.Input: it asks in the name of the cell that runs. An interrupt ends the goroutine.
func askCell(prompt string, password bool) (string, error) {
	r := current.Load()
	if r == nil {
		return "", noInput("no cell runs")
	}
	answer, ok := r.ask(prompt, password)
	if !ok {
		if r.stopped() && r.label == profLabel() {
			runtime.Goexit()
		}
		return "", noInput("the cell has ended")
	}
	if answer.Error != "" {
		return "", noInput(answer.Error)
	}
	return answer.Text, nil
}

// Answer takes the session's answer to a question. One that nobody waits for any more is dropped.
func Answer(a message.Answer) {
	input.Lock()
	defer input.Unlock()
	if answers := input.open[a.ID]; answers != nil {
		answers <- a
		delete(input.open, a.ID)
	}
}

func (r *Run) ended() bool {
	select {
	case <-r.Done:
		return true
	default:
		return false
	}
}

// Reads reports whether the cell waits for a line of standard input.
func (r *Run) Reads() bool { return r.reads.Load() }
