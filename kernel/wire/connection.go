package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// A Connection is the content of a connection file: how a client reaches a kernel, and the key that both share.
type Connection struct {
	Transport string `json:"transport"`
	IP        string `json:"ip"`
	Shell     int    `json:"shell_port"`
	IOPub     int    `json:"iopub_port"`
	Stdin     int    `json:"stdin_port"`
	Control   int    `json:"control_port"`
	Heartbeat int    `json:"hb_port"`
	Key       string `json:"key"`
	Scheme    string `json:"signature_scheme"`
	Kernel    string `json:"kernel_name,omitempty"`
	// The keys of transport encryption (JEP 145) in Z85, made by the client; both or none.
	CurvePublic string `json:"curve_publickey,omitempty"`
	CurveSecret string `json:"curve_secretkey,omitempty"`

	// Register is where a kernel that chooses its own ports tells them; nil: the ports are given.
	Register *Registration `json:"-"`
}

// ReadConnection reads a connection file. It refuses one that other users can read or change, since who has the key can
// run code here. A registration file, by which the kernel is to choose its ports, is one too.
func ReadConnection(path string) (*Connection, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("connection file: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("connection file: %w", err)
	}
	if err := checkOwner(path, info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("connection file %s: %w", path, err)
	}
	c := &Connection{Transport: "tcp", IP: "127.0.0.1", Scheme: "hmac-sha256"}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("connection file %s: %w", path, err)
	}
	if err := c.readRegistration(text, filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("registration file %s: %w", path, err)
	}
	for name, port := range map[string]int{"shell_port": c.Shell, "iopub_port": c.IOPub, "stdin_port": c.Stdin, "control_port": c.Control, "hb_port": c.Heartbeat} {
		if port < 0 || port > 65535 {
			return nil, fmt.Errorf("connection file %s: %s is %d", path, name, port)
		}
	}
	return c, nil
}

func checkOwner(path string, info os.FileInfo) error {
	// Jupyter has a switch for file systems that keep no modes, and Windows has none: there the file lies in the user's
	// own folder.
	if on, err := strconv.ParseBool(os.Getenv("JUPYTER_ALLOW_INSECURE_WRITES")); err == nil && on {
		return nil
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return fmt.Errorf("connection file %s can be used by other users (mode %04o), who could then run code as you: chmod 600 %[1]s", path, mode)
	}
	return nil
}

// Curve returns the keys of the encryption; nil when the connection is not encrypted.
func (c *Connection) Curve() (*KeyPair, error) {
	if c.CurvePublic == "" && c.CurveSecret == "" {
		return nil, nil
	}
	// One without the other: going on in the clear would break what the client was promised.
	if c.CurvePublic == "" || c.CurveSecret == "" {
		return nil, errors.New("the connection has one of curve_publickey and curve_secretkey: encryption needs both")
	}
	var pair KeyPair
	var err error
	if pair.Public, err = ParseKey(c.CurvePublic); err != nil {
		return nil, fmt.Errorf("curve_publickey: %w", err)
	}
	if pair.Secret, err = ParseKey(c.CurveSecret); err != nil {
		return nil, fmt.Errorf("curve_secretkey: %w", err)
	}
	return &pair, pair.check()
}

// Exposed says whether others than this machine's users can reach the sockets and read what goes over them.
func (c *Connection) Exposed() bool {
	if c.Transport != "tcp" || c.CurvePublic != "" {
		return false
	}
	ip := net.ParseIP(c.IP)
	return c.IP != "localhost" && (ip == nil || !ip.IsLoopback())
}

// Endpoint is the address of one of the ports.
func (c *Connection) Endpoint(port int) Endpoint {
	return Endpoint{Transport: c.Transport, IP: c.IP, Port: port}
}
