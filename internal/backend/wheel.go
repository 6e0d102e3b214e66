package backend

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"fovea/internal/atomicfile"
	"fovea/internal/disk"
	"fovea/internal/download"
	"fovea/internal/home"
)

// The wheel is fixed, whatever Python is on the machine: only its libraries and headers are used, and stubs/ in the
// plugin's source fits this version alone.
const (
	wheelPackage = "tensorflow-cpu"
	wheelVersion = "2.21.0"
	wheelName    = "tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl"
	wheelSHA256  = "2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c"
	wheelSize    = 273829956
)

// What an install takes at its peak, and what stays.
const (
	buildSpace = 1_600_000_000
	wheelSpace = 300_000_000
)

// installWheel downloads the wheel through pip, so that the user's index, proxy and certificates hold, and builds the
// plugin from it in wheelFolder.
func installWheel(ctx context.Context, progress io.Writer) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", errSkip(fmt.Sprintf("there is a wheel for linux/amd64, not for %s/%s", runtime.GOOS, runtime.GOARCH))
	}
	dir, err := wheelFolder()
	if err != nil {
		return "", err
	}
	// What is missing is said before 274 MB are fetched.
	cxx, err := compiler()
	if err != nil {
		return "", err
	}
	headers, err := goXLAHeaders()
	if err != nil {
		return "", err
	}
	cache, err := home.Cache("xla")
	if err != nil {
		return "", err
	}
	wheel := filepath.Join(cache, wheelName)

	plugin, err := installOnce(ctx, dir, progress, probe, func(staging string) error {
		if err := space(staging, buildSpace); err != nil {
			return err
		}
		say(progress, "XLA:CPU from %s %s: %s to download, then a build of about a minute", wheelPackage, wheelVersion, download.Bytes(wheelSize))
		if err := fetchWheel(ctx, wheel, progress); err != nil {
			return err
		}
		return buildPlugin(ctx, wheel, staging, cxx, headers, progress)
	})
	if err == nil {
		os.Remove(wheel) // kept until here, so that a failed build doesn't cost the download again
	}
	return plugin, err
}

// fetchWheel puts the wheel at path. A file that is already there and right is taken: that is also how a machine
// without network gets it.
func fetchWheel(ctx context.Context, path string, progress io.Writer) error {
	if err := download.Check(path, wheelSHA256); err == nil {
		say(progress, "download: %s is here already", wheelName)
		return nil
	} else if errors.Is(err, download.ErrChecksum) {
		os.Remove(path)
	}
	dir := filepath.Dir(path)
	if err := space(dir, wheelSpace); err != nil {
		return err
	}
	byHand := fmt.Sprintf("without a network: fetch %s elsewhere (sha256 %s) and put it at %s", wheelName, wheelSHA256, path)
	pip, err := findPip(ctx)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, byHand)
	}
	stale, _ := filepath.Glob(filepath.Join(dir, ".pip-*"))
	for _, s := range stale { // the install lock is held
		os.RemoveAll(s)
	}
	temp, err := os.MkdirTemp(dir, ".pip-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)

	stop := watchFolder(temp, wheelSize, download.Bar(progress, "download"))
	// pip's cache would keep a second copy, and pip's own temporary files belong where they are swept away.
	args := append(pip[1:], "download", "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", "311",
		"--abi", "cp311", "--platform", "manylinux_2_27_x86_64", "--no-cache-dir", "--progress-bar", "off", "--no-input",
		"--disable-pip-version-check", "--dest", filepath.Join(temp, "wheel"), wheelPackage+"=="+wheelVersion)
	out, err := run(ctx, temp, []string{"TMPDIR=" + temp}, pip[0], args...)
	got := filepath.Join(temp, "wheel", wheelName)
	if err == nil {
		err = download.Check(got, wheelSHA256)
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("pip downloaded another file than " + wheelName)
		}
	} else if ctx.Err() == nil {
		err = fmt.Errorf("pip could not download %s %s: %s", wheelPackage, wheelVersion, pipReason(out, err))
	}
	stop(err == nil)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w\n%s", err, byHand)
	}
	return os.Rename(got, path)
}

// findPip returns the command that runs pip.
func findPip(ctx context.Context) ([]string, error) {
	python := false
	for _, pip := range [][]string{{"python3", "-m", "pip"}, {"python", "-m", "pip"}, {"pip3"}, {"pip"}} {
		if _, err := exec.LookPath(pip[0]); err != nil {
			continue
		}
		python = python || len(pip) > 1
		if exec.CommandContext(ctx, pip[0], append(pip[1:], "--version")...).Run() == nil {
			return pip, nil
		}
	}
	if python {
		return nil, errors.New("this Python lacks pip, which downloads XLA's libraries: install it (on Debian: apt-get install python3-pip)")
	}
	return nil, errors.New("no Python with pip, which downloads XLA's libraries: install it (on Debian: apt-get install python3-pip)")
}

// pipReason picks what a user can act on from pip's output.
func pipReason(out string, err error) string {
	reason := ""
	for line := range strings.Lines(out) {
		if message, found := strings.CutPrefix(strings.TrimSpace(line), "ERROR: "); found && reason == "" {
			reason = message
		}
	}
	switch {
	case reason == "":
		return lastLine(out, err)
	case strings.Contains(reason, "from versions: none") || strings.Contains(reason, "No matching distribution"):
		return "the package index can't be reached or doesn't have it (" + reason + ")"
	}
	return reason
}

// watchFolder reports the bytes below dir as progress until stop is called; whole says that all has come.
func watchFolder(dir string, total int64, progress func(done, total int64)) (stop func(whole bool)) {
	end, ended := make(chan bool), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				progress(min(disk.Size(dir), total-1), total) // the last byte is the checksum's to grant
			case whole := <-end:
				if whole {
					progress(total, total)
				}
				return
			}
		}
	}()
	return func(whole bool) { end <- whole; <-ended }
}

func space(dir string, need int64) error {
	if free, known := disk.Free(dir); known && free < need {
		return fmt.Errorf("the disk that holds %s has %s free, and installing XLA takes %s for a while (650 MB stay): free some space, or set FOVEA_SHARE and FOVEA_CACHE to folders on another disk",
			dir, download.Bytes(free), download.Bytes(need))
	}
	return nil
}

// libraries are the wheel's files that the plugin needs when it runs.
var libraries = []string{"libtensorflow_cc.so.2", "libtensorflow_framework.so.2"}

// headerFolders are the parts of tensorflow/include that the plugin's source reaches: a sixth of the files.
var headerFolders = []string{"Eigen/", "absl/", "external/farmhash_archive/", "external/highwayhash/", "google/", "ml_dtypes/", "tsl/", "unsupported/Eigen/", "xla/"}

// unpack writes the headers of the wheel to include; then, while the caller compiles, the libraries to dir.
// The channel gives the one result of the latter.
func unpack(ctx context.Context, wheel, include, dir string) (<-chan error, error) {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return nil, err
	}
	files := map[string]*zip.File{}
	var headers []*zip.File
	for _, f := range z.File {
		name, inside := strings.CutPrefix(f.Name, "tensorflow/")
		files[name] = f
		if header, found := strings.CutPrefix(name, "include/"); inside && found && filepath.IsLocal(header) && !f.FileInfo().IsDir() {
			for _, folder := range headerFolders {
				if strings.HasPrefix(header, folder) {
					headers = append(headers, f)
				}
			}
		}
	}
	for _, f := range headers {
		if ctx.Err() != nil {
			z.Close()
			return nil, ctx.Err()
		}
		if err := unzip(f, filepath.Join(include, strings.TrimPrefix(f.Name, "tensorflow/include/"))); err != nil {
			z.Close()
			return nil, atomicfile.Explain(err, include)
		}
	}

	result := make(chan error, 1)
	go func() {
		defer z.Close()
		var all sync.WaitGroup
		errs := make([]error, len(libraries))
		for i, name := range libraries {
			all.Go(func() {
				f := files[name]
				if f == nil {
					errs[i] = fmt.Errorf("the wheel lacks %s", name)
					return
				}
				path := filepath.Join(dir, name)
				if errs[i] = unzip(f, path); errs[i] == nil {
					errs[i] = strip(ctx, path)
				}
			})
		}
		all.Wait()
		result <- atomicfile.Explain(errors.Join(errs...), dir)
	}()
	return result, nil
}

func unzip(f *zip.File, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return writeFile(path, r)
}

// strip drops the symbols for debuggers, a quarter of the file; those that the plugin links to are others and stay.
func strip(ctx context.Context, library string) error {
	tool, err := exec.LookPath("strip")
	if err != nil {
		return nil // it only saves space
	}
	if out, err := run(ctx, filepath.Dir(library), nil, tool, "--strip-unneeded", library); err != nil {
		return fmt.Errorf("strip %s: %s", filepath.Base(library), lastLine(out, err))
	}
	return nil
}
