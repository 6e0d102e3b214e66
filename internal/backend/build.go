package backend

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/gomlx/go-xla/pjrt"
)

// source is the C++ plugin; plugin.cc says what its build depends on.
//
//go:embed xlacpu
var source embed.FS

// compileFlags are those that must be as they are; see xlacpu/plugin.cc. EIGEN_MAX_ALIGN_BYTES is the libraries' value.
var compileFlags = []string{"-std=c++17", "-O2", "-DNDEBUG", "-DEIGEN_MAX_ALIGN_BYTES=64", "-fPIC", "-w",
	"-fvisibility=hidden", "-fvisibility-inlines-hidden"}

// linkFlags: -z now makes a symbol that the libraries lack an error when the plugin is loaded, not at a first call.
var linkFlags = []string{"-s", "-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,--gc-sections", "-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN"}

// wheelFolder is where installWheel puts the plugin. Its name changes with all that the plugin is made from, so a
// newer Fovea doesn't take the plugin of an older one, and both can be installed.
func wheelFolder() (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, wheelSHA256, goXLAVersion(), compileFlags, linkFlags)
	err := fs.WalkDir(source, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := source.ReadFile(path)
		fmt.Fprintln(h, path, len(content))
		h.Write(content)
		return err
	})
	if err != nil {
		return "", err
	}
	return shareXLA(fmt.Sprintf("wheel-%s-%x", wheelVersion, h.Sum(nil)[:4]))
}

// buildPlugin makes the plugin and its libraries in dir from the wheel.
func buildPlugin(ctx context.Context, wheel, dir, cxx, goXLA string, progress io.Writer) error {
	work, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, source); err != nil {
		return err
	}
	src, include := filepath.Join(work, "xlacpu"), filepath.Join(work, "include")

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := phase(progress, "unpack the headers")
	unpacked, err := unpack(ctx, wheel, include, dir)
	done(err)
	if err != nil {
		return err
	}

	// The compiler reads headers for most of a minute; the libraries are unpacked meanwhile.
	done = phase(progress, "compile the plugin with "+filepath.Base(cxx)+", unpack the libraries")
	args := append([]string{}, compileFlags...)
	if !isClang(ctx, cxx) {
		args = append(args, "-fno-gnu-unique") // clang never makes such symbols and doesn't know the flag
	}
	args = append(args, "-I", "stubs", "-iquote", goXLA, "-isystem", include,
		"-isystem", filepath.Join(include, "external/highwayhash"), "-isystem", filepath.Join(include, "external/farmhash_archive/src"),
		"-c", "plugin.cc", "-o", "plugin.o")
	out, err := run(ctx, src, nil, cxx, args...)
	if err == nil {
		out, err = link(ctx, cxx, src, installedPlugin(dir))
	}
	if err != nil {
		cancel()
		<-unpacked
		err = fmt.Errorf("%s can't build the plugin: %s", cxx, compilerReason(out, err))
	} else {
		err = <-unpacked
	}
	done(err)
	return err
}

// link makes the plugin from src/plugin.o. It links to empty libraries with the names of the real ones: reading the
// half million symbols of those takes the linker as long as a third of the compilation, and whether they hold what
// the plugin needs is found out anyway, when it is first run.
func link(ctx context.Context, cxx, src, plugin string) (out string, err error) {
	args := append([]string{"-shared", "plugin.o", "-o", plugin, "-Wl,--version-script=exports.map", "-L."}, linkFlags...)
	for _, name := range libraries {
		out, err = run(ctx, src, nil, cxx, "-shared", "-nostdlib", "-Wl,-soname,"+name, "-o", name, "-x", "c++", os.DevNull)
		if err != nil {
			return out, err
		}
		args = append(args, "-l:"+name)
	}
	return run(ctx, src, nil, cxx, args...)
}

// compiler finds the C++ compiler: $CXX, g++, clang++ or c++.
func compiler() (string, error) {
	names := []string{"g++", "clang++", "c++"}
	if cxx := os.Getenv("CXX"); cxx != "" {
		names = []string{cxx}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no C++ compiler (looked for %s): install one (on Debian: apt-get install g++)", strings.Join(names, ", "))
}

func isClang(ctx context.Context, cxx string) bool {
	out, _ := exec.CommandContext(ctx, cxx, "--version").Output()
	return bytes.Contains(out, []byte("clang"))
}

// goXLASource is a source file of go-xla's package pjrt, as the compiler of this program saw it: that is the version
// which will call the plugin, and no go command is needed to find it.
func goXLASource() string {
	file, _ := runtime.FuncForPC(reflect.ValueOf(pjrt.GetPlugin).Pointer()).FileLine(reflect.ValueOf(pjrt.GetPlugin).Pointer())
	return file
}

var versionInPath = regexp.MustCompile(`/go-xla@([^/]+)/`)

func goXLAVersion() string {
	if match := versionInPath.FindStringSubmatch(filepath.ToSlash(goXLASource())); match != nil {
		return match[1]
	}
	return "local"
}

// goXLAHeaders returns the folder with go-xla's pjrt_c_api.h.
func goXLAHeaders() (string, error) {
	const header = "pjrt_c_api.h"
	dir := filepath.Dir(goXLASource())
	if _, err := os.Stat(filepath.Join(dir, header)); err == nil {
		return dir, nil
	}
	// Built with -trimpath, or the module cache has moved.
	version := goXLAVersion()
	out, err := exec.Command("go", "mod", "download", "-json", "github.com/gomlx/go-xla@"+version).Output()
	if match := regexp.MustCompile(`"Dir": "([^"]+)"`).FindSubmatch(out); err == nil && match != nil {
		return filepath.Join(string(match[1]), "pjrt"), nil
	}
	return "", fmt.Errorf("go-xla's header %s isn't in %s: run 'go mod download' in Fovea's folder and try again", header, dir)
}

// run runs a command and returns what it wrote. When ctx ends, its whole process group does: g++ is only the parent of
// the compiler proper.
func run(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), env...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = 5 * time.Second
	out, err := command.CombinedOutput()
	return string(out), err
}

// compilerReason is the first error in a compiler's output.
func compilerReason(out string, err error) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "error:") || strings.Contains(line, "undefined reference") {
			return strings.TrimSpace(line)
		}
	}
	return lastLine(out, err)
}

func lastLine(out string, err error) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return fmt.Sprintf("%s (%v)", last, err)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "the command is missing"
	}
	return err.Error()
}

// phase says what is being done, again every 15 seconds so that a log shows life, and how long it took.
func phase(w io.Writer, what string) (done func(error)) {
	if w == nil {
		return func(error) {}
	}
	start := time.Now()
	say(w, "%s …", what)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(15 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				say(w, "  … %.0f s", time.Since(start).Seconds())
			case <-end:
				return
			}
		}
	}()
	return func(err error) {
		close(end)
		<-ended
		if err == nil {
			say(w, "  done in %.1f s", time.Since(start).Seconds())
		}
	}
}
