package download

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// attempt asks one mirror once for what the part file still lacks.
//
// The part file is opened, hashed and extended; a second file, Path + ".part.from", remembers the mirror and its
// validator (ETag or date), so that a resumed download isn't glued together from two versions of a file. Where the
// server names no validator, the checksum alone finds that out, at the end.
func attempt(ctx context.Context, o Options, url string) error {
	part, err := os.OpenFile(o.Path+".part", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer part.Close()
	sum := sha256.New()
	have, err := io.Copy(sum, part)
	if err != nil {
		return err
	}
	if o.Size > 0 && have > o.Size {
		if have, err = 0, restart(part, sum); err != nil {
			return err
		}
	}
	resumed := have > 0
	if o.Size == 0 || have < o.Size {
		have, resumed, err = transfer(ctx, o, url, part, sum, have)
		if err != nil {
			return err
		}
	}
	if o.Size > 0 && have != o.Size {
		discard(o.Path)
		return sizeError(url, have, o.Size)
	}
	if err := compare(url, sum, o.SHA256); err != nil {
		discard(o.Path) // wrong bytes are of no use to the next attempt
		if resumed {
			return err // perhaps an old part of another file: worth one more try from the start
		}
		return &permanent{err}
	}
	o.Progress(have, have)
	// On the disk before it gets its name: a power cut must not leave a file that looks whole.
	if err := part.Sync(); err != nil {
		return err
	}
	if err := os.Rename(o.Path+".part", o.Path); err != nil {
		return err
	}
	os.Remove(o.Path + ".part.from")
	return nil
}

// transfer appends the rest of the file to part and sum; it returns the bytes that are there now and whether some of
// them are from before.
func transfer(ctx context.Context, o Options, url string, part *os.File, sum hash.Hash, have int64) (int64, bool, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return have, false, &permanent{err}
	}
	req.Header.Set("User-Agent", "fovea")
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		if v := validator(o.Path, url); v != "" {
			req.Header.Set("If-Range", v)
		}
	}
	resp, err := o.Client.Do(req)
	if err != nil {
		return have, false, err
	}
	defer resp.Body.Close()

	total := o.Size
	switch resp.StatusCode {
	case http.StatusOK: // the whole file, whether asked or not
		if have > 0 {
			if err := restart(part, sum); err != nil {
				return 0, false, err
			}
			have = 0
		}
		if resp.ContentLength > 0 {
			total = resp.ContentLength
		}
	case http.StatusPartialContent:
		start, all, ok := contentRange(resp.Header.Get("Content-Range"))
		if !ok || start != have {
			discard(o.Path)
			return 0, false, fmt.Errorf("the server answered range %q to a request from byte %d", resp.Header.Get("Content-Range"), have)
		}
		if all > 0 {
			total = all
		}
	case http.StatusRequestedRangeNotSatisfiable:
		// Either all of it is here already, and the checksum will tell, or the part is longer than the file.
		if _, all, _ := contentRange(resp.Header.Get("Content-Range")); all == have && have > 0 {
			return have, true, nil
		}
		discard(o.Path)
		return 0, false, errors.New("the server has fewer bytes than the part that was kept: starting over")
	default:
		err := fmt.Errorf("the server answered %s", resp.Status)
		if resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusRequestTimeout {
			err = &permanent{err}
		}
		return have, false, err
	}
	if o.Size > 0 && total != o.Size {
		return have, false, sizeError(url, total, o.Size)
	}
	resumed := have > 0
	if !resumed {
		remember(o.Path, url, resp.Header)
	}
	o.Progress(have, total)

	// The watchdog ends a transfer that has stalled; each read that brings something winds it up again.
	watchdog := time.AfterFunc(o.Stall, func() { cancel(fmt.Errorf("nothing came for %v", o.Stall)) })
	defer watchdog.Stop()
	buffer := make([]byte, 256<<10)
	for {
		n, readErr := resp.Body.Read(buffer)
		if n > 0 {
			watchdog.Reset(o.Stall)
			if _, err := part.Write(buffer[:n]); err != nil {
				return have, resumed, err
			}
			sum.Write(buffer[:n])
			have += int64(n)
			if total > 0 && have > total {
				discard(o.Path)
				return have, resumed, sizeError(url, have, total)
			}
			o.Progress(have, total)
		}
		switch {
		case readErr == io.EOF && (total == 0 || have == total):
			return have, resumed, nil
		case readErr == io.EOF:
			return have, resumed, fmt.Errorf("the connection ended after %d of %d bytes: %w", have, total, io.ErrUnexpectedEOF)
		case readErr != nil && ctx.Err() != nil:
			return have, resumed, context.Cause(ctx)
		case readErr != nil:
			return have, resumed, readErr
		}
	}
}

func restart(part *os.File, sum hash.Hash) error {
	sum.Reset()
	if err := part.Truncate(0); err != nil {
		return err
	}
	_, err := part.Seek(0, io.SeekStart)
	return err
}

func discard(path string) {
	os.Remove(path + ".part")
	os.Remove(path + ".part.from")
}

// contentRange reads "bytes 5-9/10" and "bytes */10"; all is 0 where the server doesn't tell.
func contentRange(s string) (start, all int64, ok bool) {
	s, found := strings.CutPrefix(s, "bytes ")
	span, size, found2 := strings.Cut(s, "/")
	if !found || !found2 {
		return 0, 0, false
	}
	all, _ = strconv.ParseInt(size, 10, 64)
	first, _, _ := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	return start, all, err == nil
}

// remember keeps which version of the file the part begins.
func remember(path, url string, h http.Header) {
	v := h.Get("ETag")
	if v == "" || strings.HasPrefix(v, "W/") { // a weak tag may not be used in If-Range
		v = h.Get("Last-Modified")
	}
	if v == "" {
		os.Remove(path + ".part.from")
		return
	}
	// Losing it costs nothing but the early warning, hence no error.
	_ = os.WriteFile(path+".part.from", []byte(url+"\n"+v+"\n"), 0o644)
}

func validator(path, url string) string {
	content, err := os.ReadFile(path + ".part.from")
	if err != nil {
		return ""
	}
	from, v, _ := strings.Cut(strings.TrimSuffix(string(content), "\n"), "\n")
	if from != url {
		return ""
	}
	return v
}
