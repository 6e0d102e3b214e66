// Package download fetches files from the network: resumable, checked, and put in place whole or not at all.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fovea/internal/atomicfile"
	"fovea/internal/filelock"
)

// Options says what to fetch, from where, and where it goes. URLs, Path and SHA256 are required.
type Options struct {
	URLs   []string // mirrors, tried in order
	Path   string   // the file to make; while it grows it is Path + ".part"
	SHA256 string   // of the whole file, in hexadecimal
	Size   int64    // in bytes; 0 where it isn't known

	// Progress, if not nil, is called now and then with the bytes that are here, resumed ones included, and the
	// total, which is 0 while it isn't known. See Bar.
	Progress func(done, total int64)

	Client *http.Client  // nil: one with short connect timeouts and the proxies of the environment
	Stall  time.Duration // how long a server may send nothing; 0: 30 s
	Tries  int           // attempts at each mirror; 0: 3
}

// ErrChecksum is wrapped by the error for a file whose content isn't the one asked for.
var ErrChecksum = errors.New("wrong checksum")

// Fetch makes o.Path a file with checksum o.SHA256. A file that is already there and right costs one reading.
// An interrupted download goes on where it stopped, at the next call too; one with a wrong checksum is removed.
// Several processes may fetch the same file at once: one does the work, the others wait for it.
func Fetch(ctx context.Context, o Options) error {
	if len(o.URLs) == 0 || o.Path == "" || len(o.SHA256) != 2*sha256.Size {
		return fmt.Errorf("download: Options needs URLs, Path and a SHA256 of %d digits (got %d URLs, path %q, checksum %q)",
			2*sha256.Size, len(o.URLs), o.Path, o.SHA256)
	}
	o.SHA256 = strings.ToLower(o.SHA256)
	if o.Stall == 0 {
		o.Stall = 30 * time.Second
	}
	if o.Tries == 0 {
		o.Tries = 3
	}
	if o.Client == nil {
		o.Client = client
	}
	if o.Progress == nil {
		o.Progress = func(_, _ int64) {}
	}
	if err := Check(o.Path, o.SHA256); err == nil {
		return nil
	}

	unlock, err := filelock.Lock(ctx, o.Path+".lock", nil)
	if err != nil {
		return fmt.Errorf("download %s: %w", filepath.Base(o.Path), err)
	}
	defer unlock()
	// Again, now with the lock: another process may have brought the file while this one waited.
	here := Check(o.Path, o.SHA256)
	if here == nil {
		return nil
	}
	if errors.Is(here, fs.ErrNotExist) {
		here = nil
	}
	if err := fetch(ctx, o); err != nil {
		if here != nil {
			err = fmt.Errorf("%w\n  and the file that is there can't be used: %w", err, here)
		}
		return err
	}
	return nil
}

// client gives up early on a host that can't be reached, which is the normal case behind a mirror of packages only.
var client = &http.Client{Transport: &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 8 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
	TLSHandshakeTimeout:   8 * time.Second,
	ResponseHeaderTimeout: 20 * time.Second,
	ForceAttemptHTTP2:     true,
	DisableCompression:    true, // lengths and ranges must be those of the file itself
	IdleConnTimeout:       30 * time.Second,
}}

// fetch tries each mirror o.Tries times and moves the finished part to its place.
func fetch(ctx context.Context, o Options) error {
	name, dir := filepath.Base(o.Path), filepath.Dir(o.Path)
	var failures []string
	var last error
	for _, url := range o.URLs {
		for try := 1; try <= o.Tries; try++ {
			err := attempt(ctx, o, url)
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return fmt.Errorf("download %s: interrupted (what has come is kept, and the next try goes on from there): %w", name, context.Cause(ctx))
			}
			if full := atomicfile.Explain(err, dir); full != err {
				return fmt.Errorf("download %s: %w", name, full)
			}
			last = err
			var p *permanent
			if errors.As(err, &p) || try == o.Tries {
				failures = append(failures, fmt.Sprintf("%s: %v", url, err))
				break
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(try) * 500 * time.Millisecond):
			}
		}
	}
	return &Error{Name: name, Path: o.Path, URL: o.URLs[0], SHA256: o.SHA256, failures: failures, last: last}
}

// Error says that no mirror gave the file, why, and how to put it there by hand.
type Error struct {
	Name, Path, URL, SHA256 string

	failures []string
	last     error
}

func (e *Error) Error() string {
	return fmt.Sprintf("download %s failed:\n  %s\n  without a network: fetch %s elsewhere and put it at %s (sha256 %s)",
		e.Name, strings.Join(e.failures, "\n  "), e.URL, e.Path, e.SHA256)
}

func (e *Error) Unwrap() error { return e.last }

// permanent marks a failure that another attempt at the same mirror would only repeat.
type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }

func sizeError(url string, got, want int64) error {
	return &permanent{fmt.Errorf("%w: the file at %s has %d bytes, expected %d", ErrChecksum, url, got, want)}
}

// Check says whether the file at path has the checksum: nil, an error that wraps fs.ErrNotExist, or one that wraps
// ErrChecksum and names both sums.
func Check(path, sum string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	return compare(path, h, sum)
}

func compare(path string, h hash.Hash, want string) error {
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		return fmt.Errorf("%w: %s\n    expected sha256 %s\n    got      sha256 %s", ErrChecksum, path, strings.ToLower(want), got)
	}
	return nil
}
