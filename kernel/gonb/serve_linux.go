package gonb

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
)

func init() {
	// What the page sends can be any JSON. gonbui decodes in this process, so that what is known here is known there.
	gob.Register(map[string]any{})
	gob.Register([]any{})
}

// Env is the environment with which Serve finds its pipes, in a folder that need not exist yet. gonbui reads it when the
// process starts.
func Env(dir string) []string {
	return []string{protocol.GONB_PIPE_ENV + "=" + filepath.Join(dir, "pipe"), protocol.GONB_PIPE_BACK_ENV + "=" + filepath.Join(dir, "back")}
}

// Hooks are what a Server needs of the process around it.
type Hooks struct {
	// Ask makes the next read of standard input ask with this prompt. Nil: the prompt is dropped.
	Ask func(prompt string, password bool)
}

// Serve makes the pipes that the environment names, for their owner only, and connects gonbui. Then programs that cells start can
// connect too, one at a time.
func Serve(h Hooks) error {
	to, back := os.Getenv(protocol.GONB_PIPE_ENV), os.Getenv(protocol.GONB_PIPE_BACK_ENV)
	if to == "" || back == "" {
		return nil
	}
	if err := makePipes(to, back); err != nil {
		return fmt.Errorf("the pipes for gonbui: %w", err)
	}
	own := make(chan *client, 1)
	go func() {
		first := true
		for {
			c, err := accept(to, back, h)
			if err == nil && first {
				own <- c
			}
			if err == nil {
				go c.serve()
				<-c.connected
				// The next one gets pipes of its own: two programs on one pipe would mix their messages.
				err = errors.Join(os.Remove(to), os.Remove(back), makePipes(to, back))
			}
			if err != nil {
				if first {
					close(own)
				}
				return // the folder is gone, and with it the session
			}
			first = false
		}
	}()
	if err := gonbui.Open(); err != nil {
		return err
	}
	if c := <-own; c != nil {
		keepOrder(c)
		c.connect()
	}
	return nil
}

// makePipes makes the folder, which must be new or this user's alone, and the pipes.
func makePipes(paths ...string) error {
	dir := filepath.Dir(paths[0])
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm() != 0o700 || !ok || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s must be a folder of this user, with mode 0700", dir)
	}
	for _, p := range paths {
		if err := syscall.Mkfifo(p, 0o600); err != nil {
			return &os.PathError{Op: "mkfifo", Path: p, Err: err}
		}
	}
	return nil
}

// A client is a program, this one or another, that has opened the pipes.
type client struct {
	in    *os.File
	hooks Hooks

	connected chan struct{} // closed when it has opened both pipes
	once      sync.Once     // of connect

	mu      sync.Mutex // of out
	out     *gob.Encoder
	closing io.Closer

	// How many bytes of its messages have been read, and how many of these before the last wait for more: what came
	// before a wait has been handled.
	read atomic.Int64
	idle *sync.Cond
	done int64
	over bool
}

// accept waits for a program that opens the pipes.
func accept(to, back string, h Hooks) (*client, error) {
	in, err := os.OpenFile(to, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	// Both ways, so that a program which is gone before it opens this end keeps nobody waiting.
	out, err := os.OpenFile(back, os.O_RDWR, 0)
	if err != nil {
		in.Close()
		return nil, err
	}
	return &client{in: in, hooks: h, out: gob.NewEncoder(out), closing: out, connected: make(chan struct{}), idle: sync.NewCond(new(sync.Mutex))}, nil
}

// connect notes that the program has opened both pipes, or has gone.
func (c *client) connect() { c.once.Do(func() { close(c.connected) }) }

func (c *client) serve() {
	defer func() {
		c.connect()
		c.idle.L.Lock()
		c.over = true
		c.idle.L.Unlock()
		c.idle.Broadcast()
		c.in.Close()
		c.closing.Close()
		page.forget(c)
	}()
	decoder := gob.NewDecoder(c)
	for {
		var m protocol.DisplayData
		if err := decoder.Decode(&m); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) {
				fmt.Fprintln(os.Stderr, "gonbui: a message cannot be read, nothing more can be shown through it:", err)
			}
			return
		}
		c.connect() // it sends nothing before
		c.handle(&m)
	}
}

// Read reads from the program. When the decoder wants more, it has handled what came before.
func (c *client) Read(p []byte) (int, error) {
	c.idle.L.Lock()
	c.done = c.read.Load()
	c.idle.L.Unlock()
	c.idle.Broadcast()
	n, err := c.in.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// settle waits until the first n bytes have been handled.
func (c *client) settle(n int64) {
	c.idle.L.Lock()
	defer c.idle.L.Unlock()
	for c.done < n && !c.over {
		c.idle.Wait()
	}
}

// send sends a value to the program.
func (c *client) send(address string, value any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Encode(&protocol.CommValue{Address: address, Value: value})
}
