package backend

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// works is the check of tests: a plugin works when it says so.
func works(_ context.Context, plugin string) error {
	content, err := os.ReadFile(plugin)
	if err == nil && string(content) != "good" {
		err = errors.New("it doesn't run here")
	}
	return err
}

func writePlugin(content string) func(string) error {
	return func(staging string) error { return os.WriteFile(installedPlugin(staging), []byte(content), 0o644) }
}

func wantEntries(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, _ := os.ReadDir(dir)
	got := []string{}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s holds %v, want %v", dir, got, want)
	}
}

func TestInstallOnce(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "plugin")
	os.MkdirAll(filepath.Join(parent, ".building-1", "x"), 0o755) // of a process that was killed
	os.MkdirAll(dir, 0o755)                                       // an install that no longer works
	os.WriteFile(installedPlugin(dir), []byte("old"), 0o644)

	var builds atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			plugin, err := installOnce(t.Context(), dir, nil, works, func(staging string) error {
				builds.Add(1)
				return writePlugin("good")(staging)
			})
			if err != nil || works(t.Context(), plugin) != nil {
				t.Errorf("%s: %v", plugin, err)
			}
		})
	}
	wg.Wait()
	if n := builds.Load(); n != 1 {
		t.Errorf("built %d times by four at once, want once", n)
	}
	wantEntries(t, parent, "plugin")
}

func TestFailedInstallLeavesNothing(t *testing.T) {
	boom := errors.New("boom")
	for name, build := range map[string]func(string) error{
		"the build fails":  func(staging string) error { writePlugin("half")(staging); return boom },
		"it does not work": writePlugin("bad"),
		"it makes nothing": func(string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			if plugin, err := installOnce(t.Context(), filepath.Join(parent, "plugin"), io.Discard, works, build); err == nil {
				t.Errorf("installed %s", plugin)
			}
			wantEntries(t, parent)
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		parent := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := installOnce(ctx, filepath.Join(parent, "plugin"), nil, works, func(string) error { cancel(); return boom })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		wantEntries(t, parent)
	})
}

// fakePython puts a python3 in an otherwise nearly empty PATH whose pip runs the script; $dest is pip's --dest.
func fakePython(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	body := `#!/bin/sh
case "$*" in *--version*) echo pip 99; exit 0;; esac
dest=; while [ $# -gt 0 ]; do if [ "$1" = --dest ]; then dest=$2; fi; shift; done
PATH=/usr/bin:/bin
` + script
	if err := os.WriteFile(filepath.Join(dir, "python3"), []byte(body), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func TestFetchWheelFails(t *testing.T) {
	for _, test := range []struct {
		name, script string
		want         []string
	}{
		{"a wrong file", `mkdir -p "$dest"; echo wrong > "$dest/` + wheelName + `"`, []string{"wrong checksum", "expected sha256 " + wheelSHA256, "got      sha256"}},
		{"another wheel", `mkdir -p "$dest"; echo x > "$dest/other.whl"`, []string{"another file"}},
		{"no such package", "echo 'ERROR: Could not find a version that satisfies the requirement (from versions: none)'; echo 'ERROR: No matching distribution'; exit 1",
			[]string{"index can't be reached", "satisfies the requirement"}},
		{"another failure", "echo half > \"$dest.tmp\"; echo Traceback; echo 'OSError: broken pipe' >&2; exit 2", []string{"OSError: broken pipe"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			fakePython(t, test.script)
			dir := t.TempDir()
			err := fetchWheel(t.Context(), filepath.Join(dir, wheelName), nil)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(test.want, "without a network", filepath.Join(dir, wheelName), wheelSHA256) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			wantEntries(t, dir)
		})
	}
}

func TestNoPip(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := findPip(t.Context()); err == nil || !strings.Contains(err.Error(), "no Python") {
		t.Errorf("without Python: %v", err)
	}
	fakePython(t, "")
	python := filepath.Join(os.Getenv("PATH"), "python3")
	os.WriteFile(python, []byte("#!/bin/sh\nexit 1\n"), 0o755)
	if _, err := findPip(t.Context()); err == nil || !strings.Contains(err.Error(), "lacks pip") {
		t.Errorf("with Python alone: %v", err)
	}
}

// An interrupt ends pip and what pip has started, at once, and leaves no files.
func TestFetchWheelIsInterrupted(t *testing.T) {
	fakePython(t, `echo part > "$TMPDIR/part"; sleep 60 & sleep 60`)
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := fetchWheel(ctx, filepath.Join(dir, wheelName), nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if d := time.Since(start); d > 4*time.Second {
		t.Errorf("took %v to stop", d)
	}
	wantEntries(t, dir)
}

func TestNoCompiler(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the wheel is for linux/amd64")
	}
	t.Setenv("FOVEA_SHARE", t.TempDir())
	t.Setenv("FOVEA_CACHE", t.TempDir())
	fakePython(t, "touch \"$dest.asked\"; exit 1") // no g++ in this PATH
	t.Setenv("CXX", "")
	_, err := installWheel(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "apt-get install g++") {
		t.Errorf("got %v, want what to install", err)
	}
	wantEntries(t, os.Getenv("FOVEA_CACHE")) // nothing was fetched for it
}

func TestReasons(t *testing.T) {
	err := errors.New("exit status 1")
	for _, test := range []struct{ got, want string }{
		{compilerReason("In file included\nx.h:1: error: no member\nmore", err), "x.h:1: error: no member"},
		{compilerReason("cc1plus: killed\n", err), "cc1plus: killed (exit status 1)"},
		{compilerReason("", err), "exit status 1"},
		{pipReason("WARNING: slow\nERROR: disk on fire\nERROR: later\n", err), "disk on fire"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

// archive is a release's file with a link, a note and the plugin.
func archive(t *testing.T, plugin string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "pjrt_c_api_cpu_plugin.so", Linkname: "/etc/passwd"})
	for name, content := range map[string]string{"README": "x", plugin: "good"} {
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o644})
		io.WriteString(w, content)
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func TestRelease(t *testing.T) {
	good := archive(t, "./lib/pjrt_c_api_cpu_v0.114.0_plugin.so")
	name := fmt.Sprintf("pjrt_cpu_%s_%s.tar.gz", runtime.GOOS, runtime.GOARCH)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(good))
	var record string
	mux := http.NewServeMux()
	mux.HandleFunc("/record", func(w http.ResponseWriter, r *http.Request) {
		if record == "" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, record)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { w.Write(good) })
	server := httptest.NewServer(mux)
	defer server.Close()
	defer func(old string) { releaseAPI = old }(releaseAPI)

	for _, test := range []struct{ name, record, want string }{
		{"no record", "", "404"},
		{"no JSON", "<html>", "can't be read"},
		{"no file for this machine", `{"assets":[{"name":"other"}]}`, "has no " + name},
		{"no checksum", `{"assets":[{"name":"` + name + `","browser_download_url":"URL/file"}]}`, "nothing unchecked"},
		{"a wrong checksum", `{"assets":[{"name":"` + name + `","browser_download_url":"URL/file","digest":"sha256:` + strings.Repeat("0", 64) + `"}]}`, "wrong checksum"},
		// The file is "good" for the tests' check, and not for the real one, which runs it.
		{"not a library", `{"assets":[{"name":"` + name + `","browser_download_url":"URL/file","digest":"` + digest + `"}]}`, "doesn't run here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("FOVEA_SHARE", t.TempDir())
			t.Setenv("FOVEA_CACHE", t.TempDir())
			record, releaseAPI = strings.ReplaceAll(test.record, "URL", server.URL), server.URL+"/record"
			if _, err := installRelease(t.Context(), nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if dir, _ := releaseFolder(); dir == "" || works(t.Context(), installedPlugin(dir)) == nil {
				t.Error("it was installed nevertheless")
			}
			if size := leftovers(t, os.Getenv("FOVEA_CACHE"), os.Getenv("FOVEA_SHARE")); size != "" {
				t.Errorf("left behind: %s", size)
			}
		})
	}
	t.Run("unreachable", func(t *testing.T) {
		dead := httptest.NewServer(nil)
		dead.Close()
		releaseAPI = dead.URL
		if _, err := installRelease(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "can't be reached") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("extract", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.tar.gz")
		os.WriteFile(path, good, 0o644)
		if err := extractPlugin(path, installedPlugin(dir)); err != nil || works(t.Context(), installedPlugin(dir)) != nil {
			t.Errorf("extract: %v", err)
		}
		os.WriteFile(path, archive(t, "something.so"), 0o644)
		if err := extractPlugin(path, filepath.Join(dir, "b")); err == nil {
			t.Error("an archive without a plugin gave one")
		}
		os.WriteFile(path, good[:len(good)/2], 0o644)
		if err := extractPlugin(path, filepath.Join(dir, "c")); err == nil {
			t.Error("half an archive gave a plugin")
		}
	})
}

// leftovers lists the files below the folders.
func leftovers(t *testing.T, dirs ...string) string {
	t.Helper()
	var all []string
	for _, dir := range dirs {
		filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				all = append(all, path)
			}
			return nil
		})
	}
	return strings.Join(all, " ")
}

// go-xla keeps the version that its installer takes in an internal package, so an upgrade of go-xla must move ours.
func TestReleaseVersionIsGoXLAs(t *testing.T) {
	file := filepath.Join(filepath.Dir(goXLASource()), "..", "internal", "utils", "utils.go")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("go-xla's source isn't here: %v", err)
	}
	match := regexp.MustCompile(`DefaultCPUVersion = "([^"]+)"`).FindSubmatch(content)
	if match == nil || string(match[1]) != releaseVersion {
		t.Errorf("go-xla takes %s, Fovea %s", match, releaseVersion)
	}
}

func TestGoXLAHeaders(t *testing.T) {
	dir, err := goXLAHeaders()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "pjrt_c_api.h")); err != nil {
		t.Error(err)
	}
	if v := goXLAVersion(); !regexp.MustCompile(`^v\d+\.\d+\.\d+`).MatchString(v) {
		t.Errorf("go-xla's version is %q", v)
	}
}

func TestWheelFolderIsStable(t *testing.T) {
	t.Setenv("FOVEA_SHARE", t.TempDir())
	a, errA := wheelFolder()
	b, errB := wheelFolder()
	if a != b || errA != nil || errB != nil || !strings.Contains(a, wheelVersion) {
		t.Errorf("%s %v, then %s %v", a, errA, b, errB)
	}
}

// A file put there by hand is taken only when it is the wheel.
func TestWrongWheelByHand(t *testing.T) {
	fakePython(t, "exit 1")
	dir := t.TempDir()
	path := filepath.Join(dir, wheelName)
	os.WriteFile(path, []byte("not the wheel"), 0o644)
	if err := fetchWheel(t.Context(), path, nil); err == nil {
		t.Error("a wrong wheel was taken")
	}
	wantEntries(t, dir)
}
