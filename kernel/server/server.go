package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"fovea/kernel/wire"
)

// Options of a server.
type Options struct {
	Connection *wire.Connection
	// Open starts the engine. It is called once at the start, in the background, and again before a cell when it failed.
	Open func(ctx context.Context, s Setup) (Opened, error)
	// Version is Fovea's, GoVersion that of the toolchain that compiles cells ("1.26.8").
	Version, GoVersion string
	// History is the file that remembers cells from one kernel to the next; "" for none.
	History string
	// Targets are what a frontend may open comms to, by name, besides AssistTarget and VariablesTarget.
	Targets map[string]Target
	// Parent is the process whose end ends the server; 0 for none.
	Parent int
	// Log receives a line for what a user of the protocol did wrong. Nil: none.
	Log    func(line string)
	Limits wire.Limits
}

// A Server is a running kernel.
type Server struct {
	options Options
	log     func(string)
	codec   *wire.Codec
	host    *wire.Host

	shell, control, stdin *channel
	iopub                 *wire.Publisher
	heartbeat             *wire.Echo

	engine  *starter
	history *history
	comms   comms
	main    *shell // the queue of cells
	quick   *queue // all other requests on the shell channel
	orders  *queue // requests on the control channel
	shells  subshells
	input   stdinState

	watchers watchers
	file     string // the connection file that the server wrote, because it chose the ports

	ctx    context.Context // ends with the server
	cancel context.CancelFunc
	ends   sync.Once
	wait   sync.WaitGroup

	status     sync.Mutex // held while a status is published
	background *output    // for what appears while no cell runs: it counts as the last cell's

	count sync.Mutex // guards cells
	cells int        // execution_count of the last counted cell
}

// A channel is one of the sockets that requests come on.
type channel struct {
	name   string
	router *wire.Router
}

// A request is a message that wants an answer, where it came from and when.
type request struct {
	*wire.Message
	body    any
	channel *channel
	peer    *wire.Peer
	arrived time.Time
}

// New opens the sockets of a server. Serve begins to answer.
func New(o Options) (*Server, error) {
	c := o.Connection
	codec, err := wire.NewCodec(c.Scheme, []byte(c.Key))
	if err != nil {
		return nil, err
	}
	log := o.Log
	if log == nil {
		log = func(string) {}
	}
	curve, err := c.Curve()
	if err != nil {
		return nil, err
	}
	if c.Exposed() {
		log(fmt.Sprintf("warning: the channels are open on %s without encryption: whoever sees this network can read code and outputs. "+
			"Use a loopback address, the ipc transport, or transport_encryption of jupyter_client", c.IP))
	}
	s := &Server{options: o, log: log, codec: codec, host: wire.NewHost(wire.HostOptions{Limits: o.Limits, Curve: curve, Log: log})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.background = &output{server: s}
	s.engine = newStarter(o.Open, s.background)
	s.history = openHistory(o.History, log)
	s.comms.server = s
	s.main = newShell(s, "")
	s.quick, s.orders = newQueue(), newQueue()
	if err := s.listen(); err != nil {
		s.host.Close(s.ctx)
		return nil, err
	}
	return s, nil
}

func (s *Server) listen() error {
	c := s.options.Connection
	var err error
	try := func(name string, open func() error) {
		if err != nil {
			return
		}
		if e := open(); e != nil {
			err = fmt.Errorf("the %s channel: %w", name, e)
		}
	}
	// Requests must not arrive before every channel stands: shell and control come last, and wait for Serve.
	try("iopub", func() (e error) { s.iopub, e = s.host.Publisher(c.Endpoint(c.IOPub), s.welcome); return })
	try("heartbeat", func() (e error) { s.heartbeat, e = s.host.Echo(c.Endpoint(c.Heartbeat)); return })
	for _, ch := range []struct {
		name    string
		port    int
		channel **channel
		receive func(*request)
	}{
		{"stdin", c.Stdin, &s.stdin, s.input.receive},
		{"control", c.Control, &s.control, s.receiveControl},
		{"shell", c.Shell, &s.shell, s.receiveShell},
	} {
		*ch.channel = &channel{name: ch.name}
		try(ch.name, func() (e error) {
			(*ch.channel).router, e = s.host.Router(c.Endpoint(ch.port), s.receiver(*ch.channel, ch.receive))
			return
		})
	}
	return err
}

// Connection is where the server listens: what the options said, with the ports that were left open filled in.
func (s *Server) Connection() wire.Connection {
	c := *s.options.Connection
	c.Shell, c.Control, c.Stdin = s.shell.router.Port(), s.control.router.Port(), s.stdin.router.Port()
	c.IOPub, c.Heartbeat = s.iopub.Port(), s.heartbeat.Port()
	return c
}

// Serve answers until a shutdown request, the end of ctx, or the end of the parent process. When it returns, the engine
// has been closed with all that it started.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.register(ctx); err != nil {
		s.host.Close(s.ctx)
		return errors.Join(err, s.history.close())
	}
	s.publishStatus(nil, "starting")
	s.engine.start(s.ctx)
	s.wait.Go(s.main.run)
	s.wait.Go(func() { s.quick.each(s.handle) })
	s.wait.Go(func() { s.orders.each(s.handle) })
	s.wait.Go(s.watchParent)
	select {
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	s.end()
	err := s.engine.close(closeTime)
	s.main.interrupt()
	s.wait.Wait()
	linger, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.host.Close(linger)
	return errors.Join(err, s.unregister(), s.history.close())
}

// closeTime is how long an engine may take to close. Jupyter kills a kernel five seconds after a shutdown request.
const closeTime = 3 * time.Second

// end lets Serve return.
func (s *Server) end() {
	s.ends.Do(func() {
		s.cancel()
		for _, q := range []*queue{s.quick, s.orders, s.main.queue} {
			q.close()
		}
		s.shells.close()
	})
}

// Interrupt stops the running cell, if any; SIGINT should call it.
func (s *Server) Interrupt() {
	s.main.interrupt()
	s.shells.interrupt()
}

// receiver makes the function that gets the frames of a channel. It runs in the goroutine of the peer. What is wrong
// with a message ends here: it is logged, and answered when it was signed.
func (s *Server) receiver(ch *channel, receive func(*request)) func(*wire.Peer, [][]byte) {
	return func(p *wire.Peer, frames [][]byte) {
		m, err := s.codec.Decode(frames)
		if err == nil || errors.Is(err, wire.ErrBroken) {
			p.Trust()
		}
		if err != nil {
			s.log(fmt.Sprintf("%s: dropped a message: %v", ch.name, err))
			return
		}
		r := &request{Message: m, channel: ch, peer: p, arrived: time.Now()}
		if r.body, err = m.Body(); err != nil {
			s.log(fmt.Sprintf("%s: %v", ch.name, err))
			r.body = err
		}
		receive(r)
	}
}

func (s *Server) receiveShell(r *request) {
	if id := r.Header.Subshell; id != nil && *id != "" {
		if err := s.shells.push(*id, r); err != nil {
			r.body = err
			s.quick.push(r)
		}
		return
	}
	if _, ok := r.body.(*wire.ExecuteRequest); ok {
		s.main.queue.push(r)
		return
	}
	s.quick.push(r)
}

func (s *Server) receiveControl(r *request) {
	if r.Header.Type == "interrupt_request" {
		s.Interrupt() // before anything that could wait for a frontend
	}
	s.orders.push(r)
}

// handle answers a request that is no cell, with busy and idle around it.
func (s *Server) handle(r *request) {
	s.publishStatus(r, "busy")
	defer s.publishStatus(r, "idle")
	reply := s.answer(r)
	if reply == nil {
		return // comm messages have no reply
	}
	s.reply(r, reply, nil)
	if _, ok := reply.(wire.ShutdownReply); ok {
		s.publish("shutdown_reply", r, reply)
		s.end()
	}
}

// answer finds the content of the reply. A fault of a handler is one bad reply, not the end of the kernel.
func (s *Server) answer(r *request) (reply any) {
	defer func() {
		if fault := recover(); fault != nil {
			s.log(fmt.Sprintf("%s: %v", r.Header.Type, fault))
			reply = wire.Failed("InternalError", fmt.Sprint(fault))
		}
	}()
	switch body := r.body.(type) {
	case error:
		if !strings.HasSuffix(r.Header.Type, "_request") {
			return nil
		}
		return wire.Failed("BadRequest", body.Error())
	case *wire.ExecuteRequest:
		return wire.Failed("BadRequest", "cells run on the shell channel")
	case *wire.InspectRequest:
		return s.inspect(body)
	case *wire.CompleteRequest:
		return s.complete(body)
	case *wire.IsCompleteRequest:
		return isComplete(body.Code)
	case *wire.HistoryRequest:
		return wire.HistoryReply{OK: wire.Good, History: s.history.find(body)}
	case *wire.CommInfoRequest:
		return wire.CommInfoReply{OK: wire.Good, Comms: s.comms.info(body.Target)}
	case *wire.CommOpen:
		s.comms.open(r, body)
		return nil
	case *wire.CommMessage:
		s.comms.message(r, body)
		return nil
	case *wire.ShutdownRequest:
		return wire.ShutdownReply{OK: wire.Good, Restart: body.Restart}
	case *wire.Subshell:
		return s.shells.delete(body.ID)
	}
	switch r.Header.Type {
	case "kernel_info_request":
		return s.info()
	case "connect_request":
		c := s.Connection()
		return wire.ConnectReply{OK: wire.Good, Shell: c.Shell, IOPub: c.IOPub, Stdin: c.Stdin, Heartbeat: c.Heartbeat, Control: c.Control}
	case "interrupt_request":
		return wire.Good // done on arrival
	case "create_subshell_request":
		return s.shells.create(s)
	case "list_subshell_request":
		return wire.SubshellList{OK: wire.Good, IDs: s.shells.list()}
	}
	s.log(fmt.Sprintf("%s: %s is no request", r.channel.name, r.Header.Type))
	return nil
}
