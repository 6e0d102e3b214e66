package server

import (
	"fmt"
	"strings"

	"fovea/kernel/wire"
)

// reply answers a request on the channel that it came on.
func (s *Server) reply(r *request, content, metadata any) {
	m, err := s.codec.New(strings.TrimSuffix(r.Header.Type, "_request")+"_reply", r.Message, content)
	if err != nil {
		// A value that JSON cannot hold, such as NaN: say that instead.
		m, err = s.codec.New(strings.TrimSuffix(r.Header.Type, "_request")+"_reply", r.Message, wire.Failed("InternalError", err.Error()))
	}
	if err == nil && metadata != nil {
		err = m.SetMetadata(metadata)
	}
	if err != nil {
		s.log(fmt.Sprintf("%s: no reply: %v", r.channel.name, err))
		return
	}
	m.Route = r.Route
	// Jupyter asks for a shutdown and goes: that nobody waits for its reply is not worth a line.
	if err := r.channel.router.Reply(r.peer, s.codec.Encode(m)); err != nil && r.Header.Type != "shutdown_request" {
		s.log(fmt.Sprintf("%s: nobody waits for the reply: %v", r.channel.name, err))
	}
}

// publish sends a message to all frontends. It waits while one of them is far behind.
func (s *Server) publish(msgType string, parent *request, content any, buffers ...[]byte) {
	if frames := s.onIOPub(msgType, parent, content, buffers); frames != nil {
		s.iopub.Publish(frames)
	}
}

func (s *Server) onIOPub(msgType string, parent *request, content any, buffers [][]byte) [][]byte {
	var m *wire.Message
	var err error
	if parent == nil {
		m, err = s.codec.New(msgType, nil, content)
	} else {
		m, err = s.codec.New(msgType, parent.Message, content)
	}
	if err != nil {
		s.log(fmt.Sprintf("iopub: dropped %s: %v", msgType, err))
		return nil
	}
	m.Route = [][]byte{[]byte("kernel." + s.codec.Session() + "." + msgType)}
	m.Buffers = buffers
	return s.codec.Encode(m)
}

// publishStatus tells what the kernel does on behalf of a request. It never waits, so that a frontend that reads
// nothing cannot keep the control channel from answering.
func (s *Server) publishStatus(r *request, state string) {
	s.status.Lock()
	defer s.status.Unlock()
	s.sendStatus(r, state)
	if running := s.main.running; state == "idle" && r != nil && running != nil && running != r {
		s.sendStatus(running, "busy") // see the package comment
	}
}

// sendStatus is for those that hold s.status.
func (s *Server) sendStatus(r *request, state string) {
	if frames := s.onIOPub("status", r, wire.Status{State: state}, nil); frames != nil {
		s.iopub.PublishUrgent(frames)
	}
}

// welcome greets a new subscription of iopub (JEP 65).
func (s *Server) welcome(topic []byte) [][]byte {
	m, err := s.codec.New("iopub_welcome", nil, wire.Welcome{Subscription: string(topic)})
	if err != nil {
		s.log(fmt.Sprintf("iopub: no welcome: %v", err)) // not reached: any string can be marshalled
		return nil
	}
	m.Route = [][]byte{topic}
	return s.codec.Encode(m)
}
