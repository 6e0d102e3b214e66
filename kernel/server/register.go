package server

import (
	"context"
	"fmt"
	"os"
	"time"
)

// registerTime is how long a kernel that chose its own ports waits until who started it has taken note. Without that
// nobody could ever reach it.
const registerTime = 10 * time.Second

// register tells the ports when the server was to choose them, and writes them down for other clients.
func (s *Server) register(ctx context.Context) (err error) {
	registration := s.options.Connection.Register
	if registration == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, registerTime)
	defer cancel()
	c := s.Connection()
	if err := registration.Tell(ctx, &c); err != nil {
		return err
	}
	if s.file, err = registration.Write(&c); err != nil {
		s.log(fmt.Sprintf("no connection file for other clients: %v", err))
		s.file = ""
	}
	return nil
}

func (s *Server) unregister() error {
	if s.file == "" {
		return nil
	}
	return os.Remove(s.file)
}
