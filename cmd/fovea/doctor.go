package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gomlx/compute"
	"github.com/spf13/cobra"

	"fovea/internal/backend"
	"fovea/internal/disk"
	"fovea/internal/download"
	"fovea/internal/home"
	"fovea/kernel/assist"
)

func init() { commands = append(commands, doctorCommand) }

func doctorCommand() *cobra.Command {
	var install, asJSON, quick bool
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Say what Fovea found on this machine, and install XLA",
		Long: `Doctor says which backend Fovea computes with and why, on which devices and how fast, and what else it
found: versions, tools, folders and their sizes, the Jupyter kernel.

The backend is the first of these that works:

  GOMLX_BACKEND      what you set: go, xla:cpu, xla:cuda, xla:/path/to/plugin.so
  CUDA plugin        where there is an NVIDIA GPU
  XLA:CPU plugin     in go-xla's folders, in PJRT_PLUGIN_LIBRARY_PATH, or installed by Fovea
  published plugin   with --install: from go-xla's releases, checked against the release's checksum
  built plugin       with --install: from the libraries of a tensorflow-cpu wheel, which pip downloads as you have
                     configured it; needs Python with pip, g++, 275 MB of download and about two minutes
  pure-Go backend    always there; its convolutions are tens of times slower

What doctor installs goes below $FOVEA_SHARE (~/.local/share/fovea) and is removed by deleting that folder.
The exit code is 0 when there is a backend that computes.`,
		Example: `  fovea doctor                    what is here
  fovea doctor --install          install XLA where there is none
  GOMLX_BACKEND=go fovea doctor   how fast is the pure-Go backend?
  fovea doctor --json | jq .backend`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := examine(cmd.Context(), backend.Options{Install: install, Progress: cmd.ErrOrStderr()}, !quick)
			if cmd.Context().Err() != nil {
				return err // interrupted: what was found so far says little
			}
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				encoder.SetEscapeHTML(false)
				if err := encoder.Encode(report); err != nil {
					return err
				}
			} else if err := report.print(cmd.OutOrStdout()); err != nil {
				return err
			}
			return err
		},
	}
	command.Flags().BoolVar(&install, "install", false, "install XLA where no plugin is found")
	command.Flags().BoolVar(&asJSON, "json", false, "write the report as JSON")
	command.Flags().BoolVar(&quick, "quick", false, "measure no speed")
	return command
}

// A report is what doctor found.
type report struct {
	Backend  string          `json:"backend"` // "" when there is none
	Config   string          `json:"config,omitempty"`
	Warning  string          `json:"warning,omitempty"`
	Error    string          `json:"error,omitempty"`
	Steps    []backend.Step  `json:"steps"`
	Devices  []string        `json:"devices,omitempty"`
	Speed    []backend.Speed `json:"speed,omitempty"`
	Versions []fact          `json:"versions"`
	Tools    []fact          `json:"tools"`
	Folders  []folder        `json:"folders"`
	Kernels  []string        `json:"kernels"` // folders of Jupyter's that hold a kernel of Fovea
}

type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"` // "" for what is missing
	Note  string `json:"note,omitempty"`
}

type folder struct {
	Name  string `json:"name"`
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Note  string `json:"note,omitempty"`
}

func examine(ctx context.Context, o backend.Options, measure bool) (*report, error) {
	r := &report{}
	b, choice, err := backend.New(ctx, o)
	r.Steps = choice.Steps
	if err == nil {
		defer b.Finalize()
		r.Backend, r.Config, r.Warning = choice.Name, choice.Config, choice.Warning
		r.Devices = append(r.Devices, b.Description())
		for i := range b.NumDevices() {
			r.Devices = append(r.Devices, fmt.Sprintf("device %d: %s", i, b.DeviceDescription(compute.DeviceNum(i))))
		}
		if measure {
			r.Speed, err = backend.Measure(ctx, b)
		}
	}
	if err != nil {
		r.Error = err.Error()
	}
	r.versions()
	r.tools(ctx)
	r.folders()
	r.kernels()
	return r, err
}

func (r *report) versions() {
	r.Versions = append(r.Versions, fact{Name: "Go (this program)", Value: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH},
		fact{Name: "CPUs", Value: fmt.Sprint(runtime.NumCPU())})
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			r.Versions = append(r.Versions, fact{Name: "Fovea", Value: s.Value})
		}
	}
	for _, m := range info.Deps {
		switch m.Path {
		case "github.com/gomlx/gomlx", "github.com/gomlx/compute", "github.com/gomlx/go-xla", "github.com/janpfeifer/gonb":
			r.Versions = append(r.Versions, fact{Name: filepath.Base(m.Path), Value: m.Version})
		}
	}
}

func (r *report) tools(ctx context.Context) {
	for _, t := range []struct {
		name, why string
		args      []string
	}{
		{"go", "compiles cells", []string{"version"}},
		{"gcc", "compiles cells and go-xla", []string{"--version"}},
		{"g++", "builds the XLA:CPU plugin, once", []string{"--version"}},
		{"python3", "downloads the XLA libraries, once; runs JupyterLab", []string{"--version"}},
		{"nvidia-smi", "shows an NVIDIA GPU", []string{"-L"}},
	} {
		f := fact{Name: t.name, Note: t.why}
		if path, err := exec.LookPath(t.name); err == nil {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			out, err := exec.CommandContext(ctx, path, t.args...).Output()
			cancel()
			line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			if f.Value = path; err == nil {
				f.Value += " (" + line + ")"
			} else {
				f.Note = "doesn't run: " + err.Error()
			}
		}
		r.Tools = append(r.Tools, f)
	}
	gopls := fact{Name: "gopls", Note: "completes and explains cells"}
	if path, err := assist.Find(); err != nil {
		gopls.Note = err.Error()
	} else {
		gopls.Value = path
	}
	r.Tools = append(r.Tools, gopls)
	f := fact{Name: "GOTOOLCHAIN", Value: os.Getenv("GOTOOLCHAIN"), Note: "which Go compiles"}
	r.Tools = append(r.Tools, f)
}

func (r *report) folders() {
	add := func(name, path, note string, err error) {
		if err != nil {
			r.Folders = append(r.Folders, folder{Name: name, Note: err.Error()})
			return
		}
		r.Folders = append(r.Folders, folder{Name: name, Path: path, Bytes: disk.Size(path), Note: note})
	}
	root, err := home.Root()
	if err != nil {
		add("source", "", "", err)
	} else {
		r.Folders = append(r.Folders, folder{Name: "source", Path: root})
	}
	if data := os.Getenv("FOVEA_DATA"); data == "" {
		r.Folders = append(r.Folders, folder{Name: "FOVEA_DATA", Note: "not set: data sets are looked for in the cache"})
	} else if _, err := os.Stat(data); err != nil {
		r.Folders = append(r.Folders, folder{Name: "FOVEA_DATA", Path: data, Note: err.Error()})
	} else {
		add("FOVEA_DATA", data, "data sets that you have", nil)
	}
	cache, err := home.Cache()
	add("cache", cache, "can be deleted: data sets, compiled packages", err)
	share, err := home.Share()
	add("installed", share, "XLA, the virtual environment of Jupyter", err)
}

// kernels looks where Jupyter looks for kernel specifications, and for those that start a program called fovea.
func (r *report) kernels() {
	r.Kernels = []string{}
	var roots []string
	if dir := os.Getenv("JUPYTER_DATA_DIR"); dir != "" {
		roots = append(roots, dir)
	} else if user, err := os.UserHomeDir(); err == nil {
		roots = append(roots, filepath.Join(user, ".local", "share", "jupyter"), filepath.Join(user, "Library", "Jupyter"))
	}
	roots = append(roots, filepath.SplitList(os.Getenv("JUPYTER_PATH"))...)
	roots = append(roots, "/usr/local/share/jupyter", "/usr/share/jupyter")
	for _, root := range roots {
		specs, _ := filepath.Glob(filepath.Join(root, "kernels", "*", "kernel.json"))
		for _, path := range specs {
			var spec struct {
				Argv []string `json:"argv"`
			}
			content, err := os.ReadFile(path)
			if err == nil && json.Unmarshal(content, &spec) == nil && len(spec.Argv) > 0 && filepath.Base(spec.Argv[0]) == "fovea" {
				r.Kernels = append(r.Kernels, filepath.Dir(path))
			}
		}
	}
}

func (r *report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	section := func(title string) { fmt.Fprintf(w, "\n%s\n", title) }
	switch {
	case r.Backend == "":
		fmt.Fprintf(w, "Backend: none\n")
	default:
		fmt.Fprintf(w, "Backend: %s  (GOMLX_BACKEND=%s)\n", r.Backend, r.Config)
	}
	for _, s := range r.Steps {
		// A reason of several lines goes on under its own column.
		for i, line := range strings.Split(s.Reason, "\n") {
			if i == 0 {
				fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Name, s.State, line)
			} else {
				fmt.Fprintf(w, "  \t\t%s\n", strings.TrimSpace(line))
			}
		}
	}
	if r.Warning != "" {
		fmt.Fprintf(w, "\nWarning: %s\n", r.Warning)
	}
	if r.Devices != nil {
		section("Devices")
		for _, d := range r.Devices {
			fmt.Fprintf(w, "  %s\n", d)
		}
	}
	if r.Speed != nil {
		section("Speed, float32")
		for _, s := range r.Speed {
			fmt.Fprintf(w, "  %s\t%.4g GFLOP/s\n", s.Name, s.GFLOPS)
		}
	}
	for _, facts := range []struct {
		title string
		facts []fact
	}{{"Versions", r.Versions}, {"Tools", r.Tools}} {
		section(facts.title)
		for _, f := range facts.facts {
			if f.Value == "" {
				f.Value = "-"
			}
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %s\t%s\t%s", f.Name, f.Value, f.Note), "\t"))
		}
	}
	section("Folders")
	for _, f := range r.Folders {
		size := ""
		if f.Bytes > 0 {
			size = download.Bytes(f.Bytes)
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %s\t%s\t%s\t%s", f.Name, f.Path, size, f.Note), "\t"))
	}
	section("Jupyter kernel")
	if len(r.Kernels) == 0 {
		fmt.Fprintf(w, "  not installed for this user: 'fovea kernel install' does it\n")
	}
	for _, k := range r.Kernels {
		fmt.Fprintf(w, "  %s\n", k)
	}
	return w.Flush()
}
