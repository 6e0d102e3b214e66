package gonb

import (
	"encoding/gob"
	"os"
	_ "unsafe" // for go:linkname
)

// gonbui writes a message and goes on, so that what a cell prints next could overtake it: text and displays travel
// through different pipes. Its encoder is therefore replaced, once, by one that waits until each message has been handled. A release of
// gonbui without these variables loses the order, nothing else: they are then variables of this package.

//go:linkname gonbEncoder github.com/janpfeifer/gonb/gonbui.gonbEncoder
var gonbEncoder *gob.Encoder

//go:linkname gonbWriterPipe github.com/janpfeifer/gonb/gonbui.gonbWriterPipe
var gonbWriterPipe *os.File

// keepOrder must be called before gonbui has sent anything.
func keepOrder(c *client) {
	if gonbEncoder != nil && gonbWriterPipe != nil {
		gonbEncoder = gob.NewEncoder(&settled{pipe: gonbWriterPipe, client: c})
	}
}

// settled writes and waits. gonbui calls it under its lock.
type settled struct {
	pipe    *os.File
	client  *client
	written int64
}

func (s *settled) Write(p []byte) (int, error) {
	n, err := s.pipe.Write(p)
	s.written += int64(n)
	if err == nil {
		s.client.settle(s.written)
	}
	return n, err
}
