package cifar10

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fovea/datasets"
	"fovea/internal/download"
)

type member struct {
	name    string
	content []byte
	link    string
}

// pack makes an archive; all comes after extra.
func pack(t *testing.T, all map[string][]byte, extra ...member) []byte {
	t.Helper()
	var buffer bytes.Buffer
	compressed := gzip.NewWriter(&buffer)
	w := tar.NewWriter(compressed)
	put := func(h *tar.Header, content []byte) {
		h.Mode, h.Size = 0o644, int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	put(&tar.Header{Name: Folder + "/", Typeflag: tar.TypeDir}, nil)
	for _, m := range extra {
		if m.link != "" {
			put(&tar.Header{Name: m.name, Typeflag: tar.TypeSymlink, Linkname: m.link}, nil)
		} else {
			put(&tar.Header{Name: m.name, Typeflag: tar.TypeReg}, m.content)
		}
	}
	for name, content := range all {
		put(&tar.Header{Name: Folder + "/" + name, Typeflag: tar.TypeReg}, content)
	}
	if err := errors.Join(w.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

// serve serves the archive, with ranges, and counts requests.
func serve(t *testing.T, archive []byte) (o FetchOptions, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.ServeContent(w, r, archiveName, time.Unix(1, 0), bytes.NewReader(archive))
	}))
	t.Cleanup(server.Close)
	return FetchOptions{Dir: t.TempDir(), URLs: []string{server.URL}, SHA256: sum(archive)}, requests
}

// names lists a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestFetch(t *testing.T) {
	clean(t)
	want := files(3)
	o, requests := serve(t, pack(t, want, member{name: Folder + "/readme.html", content: []byte("hello")}))
	var done, total int64
	o.Progress = func(d, n int64) { done, total = d, n }
	dir, err := Fetch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if done == 0 || done != total {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	for name, content := range want {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s differs: %v", name, err)
		}
	}
	if got := names(t, o.Dir); got != Folder {
		t.Errorf("beside the set there is %s", got)
	}
	if _, err := Fetch(t.Context(), o); err != nil || requests.Load() != 1 {
		t.Errorf("the second Fetch: %v, %d requests", err, requests.Load())
	}

	report, err := Verify(t.Context(), dir)
	if err != nil || !strings.Contains(report, "15 training and 3 test") || !strings.Contains(report, "as in the archive") {
		t.Errorf("Verify: %q, %v", report, err)
	}
	path := filepath.Join(dir, "data_batch_4.bin")
	content := bytes.Clone(want["data_batch_4.bin"])
	content[5]++ // one pixel
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), dir); !errors.Is(err, download.ErrChecksum) || !strings.Contains(err.Error(), path) {
		t.Errorf("Verify of a changed pixel: %v", err)
	}
}

func TestFetchOfSeveralAtOnce(t *testing.T) {
	clean(t)
	o, requests := serve(t, pack(t, files(2)))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := Fetch(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if requests.Load() != 1 {
		t.Errorf("%d requests, want 1", requests.Load())
	}
}

func TestFetchRefusesBadArchives(t *testing.T) {
	short := files(2)
	short["data_batch_1.bin"] = short["data_batch_1.bin"][:4000]
	lacking := files(2)
	delete(lacking, testFile)
	whole := pack(t, files(2))
	for _, c := range []struct {
		name    string
		archive []byte
		want    string
	}{
		{"path up", pack(t, files(2), member{name: Folder + "/../../evil.bin", content: []byte("x")}), "evil.bin"},
		{"absolute path", pack(t, files(2), member{name: "/tmp/evil.bin", content: []byte("x")}), "evil.bin"},
		{"outside of the folder", pack(t, files(2), member{name: "evil.bin", content: []byte("x")}), "outside of " + Folder},
		{"deeper folder", pack(t, files(2), member{name: Folder + "/a/evil.bin", content: []byte("x")}), "outside of " + Folder},
		{"link", pack(t, files(2), member{name: Folder + "/data_batch_9.bin", link: "/etc/passwd"}), "neither a file nor a folder"},
		{"file twice", pack(t, files(2), member{name: Folder + "/" + testFile, content: []byte("x")}), "exists"},
		{"file too long", pack(t, files(2), member{name: Folder + "/zeros", content: make([]byte, maxMember+1)}), "more than"},
		{"cut member", pack(t, short), "data_batch_1.bin has 4000 bytes"},
		{"lacks a file", pack(t, lacking), "test_batch.bin is missing"},
		{"no gzip", []byte("<html>not found</html>"), "gzip"},
		{"cut archive", whole[:len(whole)/2], "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			clean(t)
			o, _ := serve(t, c.archive)
			_, err := Fetch(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if got := names(t, o.Dir); got != archiveName {
				t.Errorf("the folder holds %s", got)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(o.Dir), "evil.bin")); err == nil {
				t.Error("a file was written outside")
			}
		})
	}
}

func TestFetchWrongChecksum(t *testing.T) {
	clean(t)
	o, _ := serve(t, pack(t, files(2)))
	o.SHA256 = strings.Repeat("0", 64)
	_, err := Fetch(t.Context(), o)
	if !errors.Is(err, download.ErrChecksum) {
		t.Errorf("got %v", err)
	}
	if got := names(t, o.Dir); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

// The connection breaks after half of the archive; the next call asks for the other half only.
func TestFetchResumes(t *testing.T) {
	clean(t)
	archive := pack(t, files(30))
	var ranges []string
	ctx, cancel := context.WithCancel(t.Context())
	half := len(archive) / 2
	var broken atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if broken.CompareAndSwap(false, true) {
			w.Header().Set("Content-Length", "999999999")
			w.Header().Set("ETag", `"a"`)
			_, _ = w.Write(archive[:half])
			w.(http.Flusher).Flush()
			time.Sleep(100 * time.Millisecond) // what has come must have been read before the user gives up
			cancel()
			<-r.Context().Done()
			return
		}
		w.Header().Set("ETag", `"a"`)
		http.ServeContent(w, r, archiveName, time.Time{}, bytes.NewReader(archive))
	}))
	defer server.Close()
	o := FetchOptions{Dir: t.TempDir(), URLs: []string{server.URL}, SHA256: sum(archive)}
	if _, err := Fetch(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("the interrupted download: %v", err)
	}
	if got := names(t, o.Dir); !strings.Contains(got, archiveName+".part") {
		t.Fatalf("nothing was kept: %s", got)
	}
	dir, err := Fetch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(ranges) != 2 || ranges[0] != "" || !strings.HasPrefix(ranges[1], "bytes=") || ranges[1] == "bytes=0-" {
		t.Errorf("ranges asked for: %q", ranges)
	}
	if train, _, err := Load(t.Context(), Options{Dir: dir}); err != nil || train.N != 150 {
		t.Errorf("Load: %v, %v", train, err)
	}
}

func TestFetchOfflineTellsWhatToDo(t *testing.T) {
	clean(t)
	server := httptest.NewServer(nil)
	server.Close() // nobody listens at its address now
	archive := pack(t, files(2))
	o := FetchOptions{Dir: t.TempDir(), URLs: []string{server.URL}, SHA256: sum(archive)}
	_, err := Fetch(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(o.Dir, archiveName)) || !strings.Contains(err.Error(), o.SHA256) {
		t.Errorf("got %v, want the place for the archive and its checksum", err)
	}
	// Following the advice must work.
	if err := os.WriteFile(filepath.Join(o.Dir, archiveName), archive, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// A damaged folder is reported and kept: it isn't ours to delete.
func TestFetchKeepsWhatIsThere(t *testing.T) {
	clean(t)
	o, requests := serve(t, pack(t, files(2)))
	write(t, filepath.Join(o.Dir, Folder), map[string][]byte{"data_batch_1.bin": []byte("mine")})
	if _, err := Fetch(t.Context(), o); err == nil || !strings.Contains(err.Error(), "data_batch_1.bin") {
		t.Errorf("got %v", err)
	}
	if got := names(t, filepath.Join(o.Dir, Folder)); got != "data_batch_1.bin" || requests.Load() != 0 {
		t.Errorf("the folder holds %s after %d requests", got, requests.Load())
	}
}

// What is written first when the disk is full fails as an unpacked file would; that a failure leaves nothing behind is
// tested above.
func TestUnpackOnAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here")
	}
	defer full.Close()
	_, err = copyMember(t.Context(), testFile, full, bytes.NewReader(make([]byte, recordSize)))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	if err = explain("a.tar.gz", "/data", err); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free some space") {
		t.Errorf("got %v, want what to do", err)
	}
}

func TestRegistryHasTheSet(t *testing.T) {
	clean(t)
	s, err := datasets.Lookup("cifar10")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(t.Context()); !errors.Is(err, datasets.ErrMissing) {
		t.Errorf("Verify without a set: %v", err)
	}
}
