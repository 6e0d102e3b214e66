package wire

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fovea/internal/atomicfile"
)

// A Registration is the other way to start a kernel (JEP 66, protocol 5.6): the kernel chooses its ports, so that no
// other process can take them between the choice and the use, and tells them to the one who started it.
type Registration struct {
	KernelID string `json:"kernel_id"`
	IP       string `json:"registration_ip"`
	Port     int    `json:"registration_port"`

	transport string
	folder    string // of the file
}

// readRegistration makes a connection without ports out of a registration file; what is none it leaves alone.
func (c *Connection) readRegistration(text []byte, folder string) error {
	r := &Registration{IP: c.IP, transport: c.Transport, folder: folder}
	if err := json.Unmarshal(text, r); err != nil {
		return err
	}
	switch {
	case r.Port == 0:
		return nil
	case r.Port < 0 || r.Port > 65535:
		return fmt.Errorf("registration_port is %d", r.Port)
	case r.KernelID == "" || strings.Trim(r.KernelID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "":
		return fmt.Errorf("kernel_id is %.100q: letters, digits, - and _ are needed", r.KernelID)
	}
	c.Register = r
	c.Shell, c.IOPub, c.Stdin, c.Control, c.Heartbeat = 0, 0, 0, 0, 0
	c.IP = r.IP // ipc: the sockets lie beside the one of the registration
	if c.Transport == "tcp" {
		var err error
		c.IP, err = addressTowards(r.IP)
		return err
	}
	return nil
}

// addressTowards is this machine's address on the way to another. Nothing is sent to find it.
func addressTowards(ip string) (string, error) {
	nc, err := net.Dial("udp", net.JoinHostPort(ip, "1"))
	if err != nil {
		return "", err
	}
	defer nc.Close() //nolint:errcheck // nothing was written
	return nc.LocalAddr().(*net.UDPAddr).IP.String(), nil
}

// portsMessage is what a kernel tells. The ports are text there.
type portsMessage struct {
	KernelID  string `json:"kernel_id"`
	Control   string `json:"control_port"`
	Shell     string `json:"shell_port"`
	Stdin     string `json:"stdin_port"`
	IOPub     string `json:"iopub_port"`
	Heartbeat string `json:"hb_port"`
}

// Tell sends the ports of the connection, which listens already, and waits until they have been acknowledged.
func (r *Registration) Tell(ctx context.Context, c *Connection) error {
	codec, err := NewCodec(c.Scheme, []byte(c.Key))
	if err != nil {
		return err
	}
	content, err := marshal(portsMessage{r.KernelID, strconv.Itoa(c.Control), strconv.Itoa(c.Shell), strconv.Itoa(c.Stdin),
		strconv.Itoa(c.IOPub), strconv.Itoa(c.Heartbeat)})
	if err != nil {
		return err
	}
	client, err := Dial(ctx, Endpoint{Transport: r.transport, IP: r.IP, Port: r.Port}, TypeDealer, nil)
	if err != nil {
		return fmt.Errorf("registration: %w", err)
	}
	defer client.Close() //nolint:errcheck // all has been said
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	if err := client.Send([][]byte{delimiter, []byte(hex.EncodeToString(codec.sign(content))), content}); err != nil {
		return fmt.Errorf("registration: %w", err)
	}
	answer, err := client.Receive()
	if err != nil {
		return errors.Join(fmt.Errorf("registration: nobody has acknowledged the ports: %w", err), ctx.Err())
	}
	return codec.acknowledged(answer)
}

// acknowledged checks an answer: a delimiter, a signature and a content, whatever it is.
func (c *Codec) acknowledged(frames [][]byte) error {
	if len(frames) != 3 || !bytes.Equal(frames[0], delimiter) {
		return fmt.Errorf("registration: an answer of %d frames is no acknowledgement", len(frames))
	}
	theirs, err := hex.DecodeString(string(frames[1]))
	if err != nil || !hmac.Equal(theirs, c.sign(frames[2])) {
		return fmt.Errorf("registration: the answer's %w", ErrSignature)
	}
	return nil
}

// Write writes a connection file for other clients, beside the registration file, and returns its path.
func (r *Registration) Write(c *Connection) (string, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(r.folder, "kernel-"+r.KernelID+".json")
	// The key is for the owner alone: the file gets its mode before it gets its content, which then keeps the mode.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	if err := errors.Join(f.Chmod(0o600), f.Close()); err != nil {
		return "", err
	}
	return path, atomicfile.WriteBytes(path, append(text, '\n'))
}
