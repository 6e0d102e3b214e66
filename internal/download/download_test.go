package download

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// content is what the servers of these tests hold: larger than one read, of no round size.
var content = func() []byte {
	b := make([]byte, 700_001)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}()

func sumOf(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

// server answers properly: ranges, If-Range, ETag. It counts requests and the ranges asked for.
type server struct {
	*httptest.Server
	requests atomic.Int32
	ranges   sync.Map
	etag     string
}

func newServer(t *testing.T, wrap func(http.Handler) http.Handler) *server {
	s := &server{etag: `"v1"`}
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ranges.Store(s.requests.Add(1), r.Header.Get("Range"))
		w.Header().Set("ETag", s.etag)
		http.ServeContent(w, r, "f.bin", time.Time{}, bytes.NewReader(content))
	})
	if wrap != nil {
		h = wrap(h)
	}
	s.Server = httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// breakAfter sends n bytes of a good answer and then cuts the connection, for the first times requests.
func breakAfter(n int64, times int32) func(http.Handler) http.Handler {
	var count atomic.Int32
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if count.Add(1) > times {
				h.ServeHTTP(w, r)
				return
			}
			w.Header().Set("ETag", `"v1"`)
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content[:n])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
	}
}

func options(t *testing.T, urls ...string) Options {
	return Options{
		URLs: urls, Path: filepath.Join(t.TempDir(), "sub", "f.bin"), SHA256: sumOf(content), Size: int64(len(content)),
		Stall: 5 * time.Second,
	}
}

// wantWhole checks that the file is right and alone in its folder.
func wantWhole(t *testing.T, o Options) {
	t.Helper()
	if err := Check(o.Path, sumOf(content)); err != nil {
		t.Errorf("the file is not right: %v", err)
	}
	wantOnly(t, o, "f.bin")
}

func wantOnly(t *testing.T, o Options, want ...string) {
	t.Helper()
	entries, _ := os.ReadDir(filepath.Dir(o.Path))
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the folder holds %v, want %v", got, want)
	}
}

func TestFetch(t *testing.T) {
	s := newServer(t, nil)
	o := options(t, s.URL)
	var lastDone, lastTotal int64
	o.Progress = func(done, total int64) {
		if done < lastDone {
			t.Errorf("progress went back from %d to %d", lastDone, done)
		}
		lastDone, lastTotal = done, total
	}
	if err := Fetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, o)
	if want := int64(len(content)); lastDone != want || lastTotal != want {
		t.Errorf("progress ended at %d of %d, want %d", lastDone, lastTotal, want)
	}
	if err := Fetch(t.Context(), o); err != nil || s.requests.Load() != 1 {
		t.Errorf("a second Fetch: %v, after %d requests; want the file taken as it is", err, s.requests.Load())
	}
}

func TestUnknownSize(t *testing.T) {
	// A chunked answer names no length.
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(content[:1000])
		w.(http.Flusher).Flush()
		w.Write(content[1000:])
	}))
	defer s.Close()
	o := options(t, s.URL)
	o.Size = 0
	if err := Fetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, o)
}

func TestResumeWithinOneCall(t *testing.T) {
	s := newServer(t, breakAfter(300_000, 1))
	o := options(t, s.URL)
	if err := Fetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, o)
	if r, _ := s.ranges.Load(int32(1)); r != "bytes=300000-" {
		t.Errorf("the second request asked for %q, want the rest from byte 300000", r)
	}
}

func TestResumeInALaterCall(t *testing.T) {
	for _, test := range []struct {
		name      string
		part      []byte
		from      string // content of .part.from; "" leaves it out
		etag      string
		wantRange string
		wantFirst int64 // the first progress: what was kept
	}{
		{"same version", content[:1000], `"v1"`, `"v1"`, "bytes=1000-", 1000},
		{"no validator kept", content[:1000], "", `"v1"`, "bytes=1000-", 1000},
		{"another version: 200 with all of it", []byte("old bytes"), `"v0"`, `"v1"`, "bytes=9-", 0},
		{"the part is already whole", content, `"v1"`, `"v1"`, "", int64(len(content))},
		{"the part is too long", append(append([]byte{}, content...), 1, 2), `"v1"`, `"v1"`, "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t, nil)
			s.etag = test.etag
			o := options(t, s.URL)
			first := int64(-1)
			o.Progress = func(done, _ int64) {
				if first < 0 {
					first = done
				}
			}
			os.MkdirAll(filepath.Dir(o.Path), 0o755)
			os.WriteFile(o.Path+".part", test.part, 0o644)
			if test.from != "" {
				os.WriteFile(o.Path+".part.from", []byte(s.URL+"\n"+test.from+"\n"), 0o644)
			}
			if err := Fetch(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			wantWhole(t, o)
			if r, _ := s.ranges.Load(int32(1)); r != test.wantRange && (r != nil || test.wantRange != "") {
				t.Errorf("asked for range %q, want %q", r, test.wantRange)
			}
			if first != test.wantFirst {
				t.Errorf("progress began at %d, want %d", first, test.wantFirst)
			}
		})
	}
}

func TestWrongPartOfAnotherFileIsDropped(t *testing.T) {
	s := newServer(t, nil)
	o := options(t, s.URL)
	os.MkdirAll(filepath.Dir(o.Path), 0o755)
	os.WriteFile(o.Path+".part", []byte("bytes of another file"), 0o644) // no validator: only the checksum can tell
	if err := Fetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, o)
	if n := s.requests.Load(); n != 2 {
		t.Errorf("%d requests, want 2: the rest, then the whole", n)
	}
}

func TestServerThatKnowsNoRanges(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(content) }))
	defer s.Close()
	o := options(t, s.URL)
	os.MkdirAll(filepath.Dir(o.Path), 0o755)
	os.WriteFile(o.Path+".part", content[:12345], 0o644)
	if err := Fetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, o)
}

func TestWrongChecksum(t *testing.T) {
	s := newServer(t, nil)
	o := options(t, s.URL)
	o.SHA256 = sumOf([]byte("something else"))
	err := Fetch(t.Context(), o)
	if !errors.Is(err, ErrChecksum) || !strings.Contains(err.Error(), o.SHA256) || !strings.Contains(err.Error(), sumOf(content)) {
		t.Errorf("got %v, want ErrChecksum with both sums", err)
	}
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests, want one: the same server would send the same again", n)
	}
	wantOnly(t, o)
}

func TestMirrors(t *testing.T) {
	good := newServer(t, nil)
	missing := httptest.NewServer(http.NotFoundHandler())
	defer missing.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>sorry</html>") }))
	defer other.Close()
	dead := httptest.NewServer(nil)
	dead.Close()

	o := options(t, missing.URL, other.URL, dead.URL, good.URL)
	o.Tries = 1
	if err := Fetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, o)

	o = options(t, missing.URL, other.URL, dead.URL)
	o.Tries = 1
	err := Fetch(t.Context(), o)
	if err == nil {
		t.Fatal("no mirror had the file, and there was no error")
	}
	for _, want := range []string{missing.URL, "404", other.URL, "18 bytes", dead.URL, "refused", o.Path, o.SHA256} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if _, err := os.Stat(o.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something stands at the path: %v", err)
	}
}

func TestServerErrorIsTriedAgain(t *testing.T) {
	var count atomic.Int32
	s := newServer(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if count.Add(1) == 1 {
				http.Error(w, "busy", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	o := options(t, s.URL)
	if err := Fetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, o)
}

func TestTruncatedForEver(t *testing.T) {
	s := newServer(t, breakAfter(1000, 1<<30))
	o := options(t, s.URL)
	o.Tries = 2
	err := Fetch(t.Context(), o)
	if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want an unexpected end", err)
	}
	wantOnly(t, o, "f.bin.part", "f.bin.part.from") // kept for the next call
}

func TestStall(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:10])
		w.(http.Flusher).Flush()
		<-release
	}))
	defer s.Close()
	defer close(release)
	o := options(t, s.URL)
	o.Stall, o.Tries = 50*time.Millisecond, 1
	start := time.Now()
	err := Fetch(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "nothing came for 50ms") {
		t.Errorf("got %v, want the stall named", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("gave up after %v", d)
	}
}

func TestCancelKeepsThePart(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	var hold atomic.Bool
	hold.Store(true)
	s := newServer(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !hold.Load() {
				h.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content[:5000])
			w.(http.Flusher).Flush()
			<-release
		})
	})
	defer once.Do(func() { close(release) })
	o := options(t, s.URL)
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(done, _ int64) {
		if done == 5000 {
			cancel()
		}
	}
	if err := Fetch(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	once.Do(func() { close(release) })
	wantOnly(t, o, "f.bin.part")

	hold.Store(false)
	o.Progress = nil
	if err := Fetch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if r, _ := s.ranges.Load(int32(1)); r != "bytes=5000-" {
		t.Errorf("after the interrupt asked for %q, want the rest from byte 5000", r)
	}
	wantWhole(t, o)
}

func TestTwoAtOnce(t *testing.T) {
	s := newServer(t, nil)
	o := options(t, s.URL)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := Fetch(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantWhole(t, o)
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests, want one for all four", n)
	}
}

func TestBadFileThatIsThereIsNamed(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	o := options(t, dead.URL)
	o.Tries = 1
	os.MkdirAll(filepath.Dir(o.Path), 0o755)
	os.WriteFile(o.Path, content[:100], 0o644)
	err := Fetch(t.Context(), o)
	if !errors.Is(err, ErrChecksum) || !strings.Contains(err.Error(), sumOf(content[:100])) {
		t.Errorf("got %v, want both the network's failure and the file's wrong checksum", err)
	}
	if got, _ := os.ReadFile(o.Path); len(got) != 100 {
		t.Error("the user's file was touched although nothing better came")
	}
}

func TestMissingOptions(t *testing.T) {
	for _, o := range []Options{{}, {URLs: []string{"http://x"}, Path: "a"}, {URLs: []string{"http://x"}, Path: "a", SHA256: "abc"}} {
		if err := Fetch(t.Context(), o); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
}

func TestBarWritesLinesToALog(t *testing.T) {
	var b strings.Builder
	progress := logLines(&b, "get", 0)
	for _, done := range []int64{0, 500_000, 1_000_000, 1_000_000} {
		progress(done, 1_000_000)
	}
	want := "get: 0 B of 1.0 MB (0 %)\nget: 500 kB of 1.0 MB (50 %)\nget: 1.0 MB of 1.0 MB (100 %)\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
