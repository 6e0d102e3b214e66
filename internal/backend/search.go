package backend

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"fovea/internal/home"
)

func thisMachine(o Options) machine {
	return machine{
		getenv:  os.Getenv,
		folders: pluginFolders,
		gpu:     nvidiaGPU,
		probe:   probeCached,
		release: func(ctx context.Context) (string, error) { return installRelease(ctx, o.Progress) },
		wheel:   func(ctx context.Context) (string, error) { return installWheel(ctx, o.Progress) },
	}
}

// pluginFolders returns where go-xla looks for plugins, in its order, and Fovea's own folders after them.
// go-xla's own search isn't used: it loads whatever it finds into this process, where a broken file is a crash.
func pluginFolders() []string {
	var folders []string
	if paths, set := os.LookupEnv("PJRT_PLUGIN_LIBRARY_PATH"); set {
		folders = filepath.SplitList(paths) // replaces the standard folders, as in go-xla
	} else {
		if user, err := os.UserHomeDir(); err == nil {
			lib := filepath.Join(user, ".local", "lib")
			folders = append(folders, filepath.Join(lib, "go-xla"), filepath.Join(lib, "go-xla", "nvidia"), filepath.Join(lib, "gomlx", "pjrt"))
		}
		folders = append(folders, "/usr/local/lib/go-xla", "/usr/local/lib/go-xla/nvidia", "/usr/local/lib/gomlx/pjrt")
		folders = append(folders, filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))...)
		folders = append(folders, loaderFolders("/etc/ld.so.conf", "/etc/ld.so.conf.d/*.conf")...)
	}
	for _, install := range []func() (string, error){wheelFolder, releaseFolder} {
		if dir, err := install(); err == nil {
			folders = append(folders, dir)
		}
	}
	return folders
}

// loaderFolders reads the dynamic loader's configuration: one absolute folder a line.
func loaderFolders(patterns ...string) []string {
	var folders []string
	for _, pattern := range patterns {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			content, _ := os.ReadFile(file)
			for line := range strings.Lines(string(content)) {
				if line = strings.TrimSpace(line); filepath.IsAbs(line) {
					folders = append(folders, line)
				}
			}
		}
	}
	return folders
}

var pluginFile = regexp.MustCompile(`^pjrt(?:_c_api_(.+)_plugin|[-_]plugin[-_](.+))\.(?:so|dylib)$`)

// pluginName returns the name in a plugin's file name ("cpu", "cuda"), without the version that may be part of it.
func pluginName(path string) string {
	match := pluginFile.FindStringSubmatch(filepath.Base(path))
	if match == nil {
		return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	name := match[1] + match[2]
	if base, version, found := strings.Cut(name, "_v"); found && version != "" && version[0] >= '0' && version[0] <= '9' {
		return base
	}
	return name
}

// plugins lists the plugin files of that name, in the order of the folders.
func plugins(folders []string, name string) []string {
	var found []string
	for _, dir := range folders {
		if !filepath.IsAbs(dir) {
			continue
		}
		entries, _ := os.ReadDir(dir) // most of the folders don't exist
		for _, e := range entries {
			if path := filepath.Join(dir, e.Name()); pluginFile.MatchString(e.Name()) && pluginName(path) == name {
				found = append(found, path)
			}
		}
	}
	return found
}

// findPlugin returns the first plugin of that name which works.
func (r resolver) findPlugin(ctx context.Context, name string) (string, error) {
	var failures []string
	for _, path := range plugins(r.folders(), name) {
		err := r.probe(ctx, path)
		if err == nil {
			return path, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // a link to nowhere
		}
		failures = append(failures, fmt.Sprintf("%s: %v", path, err))
	}
	if failures != nil {
		return "", errors.New(strings.Join(failures, "; "))
	}
	return "", errSkip(fmt.Sprintf("no pjrt_c_api_%s_plugin.so in go-xla's folders, nor in Fovea's", name))
}

func (r resolver) findCUDA(ctx context.Context) (string, error) {
	gpu := r.gpu()
	if gpu == "" {
		return "", errSkip("no NVIDIA GPU (no /dev/nvidia0)")
	}
	plugin, err := r.findPlugin(ctx, "cuda")
	var skip errSkip
	if errors.As(err, &skip) {
		// Not a skip: the machine has the hardware and would compute on the CPU.
		return "", fmt.Errorf("%s is there, and %v: install it with 'go run github.com/gomlx/go-xla/cmd/pjrt_installer@latest -autoinstall'", gpu, skip)
	}
	return plugin, err
}

// nvidiaGPU returns the device file of the first GPU. The control files /dev/nvidiactl and /dev/nvidia-uvm can be there
// without a GPU, so they don't count.
func nvidiaGPU() string {
	devices, _ := filepath.Glob("/dev/nvidia[0-9]*")
	if len(devices) == 0 {
		return ""
	}
	return devices[0]
}

// installedPlugin is the path of the plugin below one of the folders that Fovea installs.
func installedPlugin(dir string) string { return filepath.Join(dir, "pjrt_c_api_cpu_plugin.so") }

// shareXLA is the folder in which Fovea's own plugins are, without making it.
func shareXLA(elem ...string) (string, error) {
	dir, err := home.Share()
	if err != nil {
		return "", err
	}
	return filepath.Join(append([]string{dir, "xla"}, elem...)...), nil
}
