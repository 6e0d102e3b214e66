package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"fovea/internal/home"
	"fovea/kernel/assist"
	"fovea/kernel/command"
	"fovea/kernel/server"
	"fovea/kernel/session"
	"fovea/kernel/wire"
)

func init() { commands = append(commands, kernelCommand) }

func kernelCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "kernel",
		Short: "Install the kernel for Jupyter, or remove it",
		Long: `Makes the kernel known to Jupyter, VS Code and everything else that reads kernel specifications.
Notebooks run with 'fovea run' need no installation.`,
	}
	command.AddCommand(kernelInstallCommand(), kernelUninstallCommand(), kernelPapermillCommand(), kernelServeCommand())
	return command
}

// specPlace is where a kernel specification goes.
type specPlace struct {
	user   bool
	prefix string
	name   string
	gonb   bool // the stock GoNB, in place of Fovea's kernel
}

func (p *specPlace) flags(command *cobra.Command) {
	command.Flags().BoolVar(&p.user, "user", false, "for this user (the default)")
	command.Flags().StringVar(&p.prefix, "prefix", "", "below this `folder`, such as a virtual environment")
	command.Flags().StringVar(&p.name, "name", "fovea", "the kernel's `name` in notebooks; with --gonb it is gonb")
	command.Flags().BoolVar(&p.gonb, "gonb", false, "the stock GoNB kernel, with Fovea for its cells to import")
	command.MarkFlagsMutuallyExclusive("user", "prefix")
}

func kernelInstallCommand() *cobra.Command {
	var place specPlace
	var display string
	var noGopls bool
	command := &cobra.Command{
		Use:   "install",
		Short: "Make the kernel known to Jupyter",
		Long: `Writes the kernel specification, and builds gopls where there is none in PATH: it completes and explains cells.
$FOVEA_GOPLS names another gopls. Without one the kernel completes live names only.`,
		Example: `  fovea kernel install                      for this user
  fovea kernel install --prefix .venv       for the Jupyter of a virtual environment
  fovea kernel install --gonb               GoNB ` + command.GoNB + ` instead, whose cells can import Fovea`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			dir, err := place.dir()
			if err != nil {
				return err
			}
			if place.gonb {
				if !command.Flags().Changed("display-name") {
					display = "Go (GoNB, with Fovea)"
				}
				if err := installGoNB(command.Context(), dir, display, command.ErrOrStderr()); err != nil {
					return fmt.Errorf("GoNB: %w", err)
				}
				fmt.Fprintf(command.OutOrStdout(), "The kernel %q is in %s\nIt is GoNB as published: it keeps declarations, no values. Install again when Fovea's source moves or changes its requirements.\n", place.name, dir)
				return nil
			}
			program, err := installedProgram()
			if err != nil {
				return err
			}
			if err := installSpec(dir, program, display); err != nil {
				return fmt.Errorf("kernel specification: %w", err)
			}
			fmt.Fprintf(command.OutOrStdout(), "The kernel %q is in %s\nIt starts %s: install again when that moves.\n", place.name, dir, program)
			if noGopls {
				return nil
			}
			return setUpGopls(command.Context(), command.ErrOrStderr())
		},
	}
	place.flags(command)
	command.Flags().StringVar(&display, "display-name", "Go (Fovea)", "what frontends call it")
	command.Flags().BoolVar(&noGopls, "no-gopls", false, "do not build gopls")
	return command
}

func kernelUninstallCommand() *cobra.Command {
	var place specPlace
	command := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove the kernel from Jupyter",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			dir, err := place.dir()
			if err != nil {
				return err
			}
			check := checkOwnSpec
			if place.gonb {
				check = checkGoNBSpec
			}
			if err := check(dir); err != nil {
				return err
			}
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			fmt.Fprintf(command.OutOrStdout(), "Removed %s\n", dir)
			return nil
		},
	}
	place.flags(command)
	return command
}

func kernelServeCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "serve CONNECTION_FILE",
		Short:  "Run the kernel for a frontend (Jupyter calls this)",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE:   func(command *cobra.Command, args []string) error { return serveKernel(command.Context(), args[0]) },
	}
}

// serveKernel runs until the frontend shuts the kernel down.
func serveKernel(ctx context.Context, connectionFile string) error {
	connection, err := wire.ReadConnection(connectionFile)
	if err != nil {
		return err
	}
	// The folder that Jupyter starts a kernel in is the notebook's.
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	kernel, err := server.New(server.Options{
		Connection: connection,
		Open: func(ctx context.Context, s server.Setup) (server.Opened, error) {
			return openKernelSession(ctx, dir, gonbEnv(connectionFile, dir), s)
		},
		Version:   version(),
		GoVersion: strings.TrimPrefix(runtime.Version(), "go"),
		History:   historyFile(),
		Parent:    parentProcess(),
		Log:       kernelLog,
	})
	if err != nil {
		return err
	}
	// SIGINT stops a cell, not the kernel, so the context of the command, which ends with it, is not for serving.
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	go func() {
		for s := range signals {
			if s == os.Interrupt {
				kernel.Interrupt()
			} else {
				stop()
			}
		}
	}()
	return kernel.Serve(ctx)
}

// kernelLog writes to what Jupyter shows in its own log.
func kernelLog(line string) { fmt.Fprintln(os.Stderr, "fovea kernel:", line) }

func openKernelSession(ctx context.Context, dir string, env []string, s server.Setup) (server.Opened, error) {
	options, warning, err := sessionOptions(ctx, dir, s.Progress)
	if err != nil {
		return server.Opened{}, err
	}
	options.Env = append(options.Env, env...)
	options.Background, options.Notebook = s.Background, jupyterNotebook(os.Getenv("JPY_SESSION_NAME"), dir)
	cells, err := session.Open(ctx, options)
	if err != nil {
		return server.Opened{}, err
	}
	assisted := assist.Assist(cells, assist.Options{Log: kernelLog})
	commands, err := withCommands(assisted, options, cells.ModuleDir())
	if err != nil {
		return server.Opened{}, err
	}
	return server.Opened{Engine: kernelEngine{commands, assisted, assisted, assisted, assisted}, Warning: warning}, nil
}

// jupyterNotebook is the notebook's path, of which Jupyter tells more or less: with a drive's name in front, or relative to
// a folder that the kernel does not know. "" when there is none, as in a console.
func jupyterNotebook(name, dir string) string {
	if filepath.Ext(name) != ".ipynb" {
		return ""
	}
	_, withoutDrive, _ := strings.Cut(name, ":")
	for _, path := range []string{name, withoutDrive, filepath.Base(name)} {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// A kernelEngine executes cells with special lines; questions go straight to the session.
type kernelEngine struct {
	*command.Engine
	server.Completer
	server.Inspector
	server.Evaluator
	server.Answerer
}

// historyFile is where cells are remembered; "" when there is no folder for it, which costs the memory, not the kernel.
func historyFile() string {
	dir, err := home.Cache()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "history.jsonl")
}

// parentProcess is the process that Jupyter names as the kernel's owner; 0 when there is none.
func parentProcess() int {
	pid, err := strconv.Atoi(os.Getenv("JPY_PARENT_PID"))
	if err != nil {
		return 0
	}
	return pid
}

// version is the module's version, or the commit that the program was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return strings.TrimPrefix(v, "v")
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "0.0.0+" + s.Value[:12]
		}
	}
	return "0.0.0"
}

// installedProgram is the path of this program, if it will still be there tomorrow.
func installedProgram() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return "", err
	}
	if strings.Contains(program, string(filepath.Separator)+"go-build") {
		return "", errors.New("this program was built by 'go run' and vanishes when it ends: build it ('make build') and install that one")
	}
	return program, nil
}

// dir is the folder of the specification.
func (p *specPlace) dir() (string, error) {
	if p.gonb && p.name == "fovea" { // the default
		p.name = "gonb"
	}
	if p.name == "" || strings.Trim(p.name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" || strings.Trim(p.name, ".") == "" {
		return "", fmt.Errorf("the name %q cannot be a kernel's: use letters, digits, points, dashes and underscores", p.name)
	}
	if p.prefix != "" {
		prefix, err := filepath.Abs(p.prefix)
		return filepath.Join(prefix, "share", "jupyter", "kernels", p.name), err
	}
	data, err := jupyterData()
	return filepath.Join(data, "kernels", p.name), err
}

// jupyterData is the user's folder of Jupyter, found as Jupyter finds it.
func jupyterData() (string, error) {
	if dir := os.Getenv("JUPYTER_DATA_DIR"); dir != "" {
		return dir, nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	switch runtime.GOOS {
	case "darwin":
		return filepath.Join(user, "Library", "Jupyter"), nil
	case "windows":
		if dir := os.Getenv("APPDATA"); dir != "" {
			return filepath.Join(dir, "jupyter"), nil
		}
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "jupyter"), nil
	}
	return filepath.Join(user, ".local", "share", "jupyter"), nil
}

// kernelSpec is the content of kernel.json.
type kernelSpec struct {
	Argv          []string          `json:"argv"`
	DisplayName   string            `json:"display_name"`
	Language      string            `json:"language"`
	InterruptMode string            `json:"interrupt_mode"`
	Protocol      string            `json:"kernel_protocol_version"`
	Env           map[string]string `json:"env"`
	Metadata      map[string]any    `json:"metadata"`
}

// installSpec writes the folder of a specification. It is made beside its place and moved there whole.
func installSpec(dir, program, display string) error {
	spec := kernelSpec{
		Argv:          []string{program, "kernel", "serve", "{connection_file}"},
		DisplayName:   display,
		Language:      "go",
		InterruptMode: "message",
		Protocol:      wire.ProtocolVersion,
		Env:           map[string]string{},
		Metadata:      map[string]any{"debugger": false, "supported_encryption": []string{"curve"}},
	}
	// Cells import Fovea from source. The program knows its source by itself, unless it was told another.
	if root := os.Getenv("FOVEA_ROOT"); root != "" {
		spec.Env["FOVEA_ROOT"] = root
	}
	return writeSpec(dir, spec, checkOwnSpec)
}

// writeSpec writes a specification over nothing, or over one that check finds to be the caller's.
func writeSpec(dir string, spec kernelSpec, check func(dir string) error) (err error) {
	if _, e := os.Stat(dir); e == nil {
		if err := check(dir); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), ".fovea-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	files, err := logoFiles()
	if err != nil {
		return err
	}
	files["kernel.json"] = append(text, '\n')
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(fresh, name), content, 0o644); err != nil {
			return err
		}
	}
	old := fresh + ".old" // a folder cannot be renamed onto a full one
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return errors.Join(err, restore(old, dir))
	}
	return os.RemoveAll(old)
}

func restore(old, dir string) error {
	if err := os.Rename(old, dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// checkOwnSpec refuses a folder that is not a specification of this kernel.
func checkOwnSpec(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no kernel in %s", dir)
	}
	if err != nil {
		return err
	}
	var spec kernelSpec
	if err := json.Unmarshal(text, &spec); err != nil || len(spec.Argv) != 4 || spec.Argv[1] != "kernel" || spec.Argv[2] != "serve" {
		return fmt.Errorf("the kernel in %s is not Fovea's: it stays as it is", dir)
	}
	return nil
}
