package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// An Endpoint is where a socket listens or connects: a TCP port of an address, or a Unix socket in the file "IP-PORT",
// which is how Jupyter names the files of its ipc transport.
type Endpoint struct {
	Transport string // "tcp" or "ipc"
	IP        string // address, or the beginning of the file name
	Port      int
}

// String is the address as ZeroMQ writes it.
func (e Endpoint) String() string {
	_, address, err := e.network()
	if err != nil {
		return err.Error()
	}
	return e.Transport + "://" + address
}

func (e Endpoint) network() (network, address string, err error) {
	switch e.Transport {
	case "tcp":
		ip := e.IP
		if ip == "*" {
			ip = ""
		}
		return "tcp", net.JoinHostPort(ip, strconv.Itoa(e.Port)), nil
	case "ipc":
		return "unix", fmt.Sprintf("%s-%d", e.IP, e.Port), nil
	}
	return "", "", fmt.Errorf("transport %q is unknown: use tcp or ipc", e.Transport)
}

// listen opens the endpoint; a file of the ipc transport is for its owner alone.
func (e Endpoint) listen() (net.Listener, error) {
	network, address, err := e.network()
	if err != nil {
		return nil, err
	}
	if network == "tcp" {
		return net.Listen(network, address)
	}
	if e.Port == 0 {
		return e.listenAnywhere()
	}
	if err := removeDead(address); err != nil {
		return nil, err
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	// Between the two calls another user could connect where the umask is open: sameUser refuses that peer.
	if err := os.Chmod(address, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// listenAnywhere finds a number for a Unix socket, as the system does for a TCP port.
func (e Endpoint) listenAnywhere() (net.Listener, error) {
	for range 100 {
		e.Port = 1 + rand.IntN(65535)
		_, address, err := e.network()
		if err != nil {
			return nil, err
		}
		if _, err := os.Lstat(address); errors.Is(err, os.ErrNotExist) {
			return e.listen()
		}
	}
	return nil, fmt.Errorf("no free number for a socket %s-N", e.IP)
}

// removeDead removes the socket file that a killed kernel left. It leaves a live one, and anything that is no socket.
func removeDead(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s exists and is no socket", path)
	}
	nc, err := net.Dial("unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("%s is in use by another kernel", path), nc.Close())
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return err
}

func (e Endpoint) dial(ctx context.Context) (net.Conn, error) {
	network, address, err := e.network()
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// port is the one that the listener got, which matters when the endpoint's was 0.
func port(l net.Listener, e Endpoint) int {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	if number, err := strconv.Atoi(strings.TrimPrefix(l.Addr().String(), e.IP+"-")); err == nil {
		return number
	}
	return e.Port
}

// isReset says whether a peer ended the connection without ceremony, as killed processes do.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
