package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fovea/internal/atomicfile"
	"fovea/kernel/client"
	"fovea/kernel/export"
	"fovea/kernel/session"
	"fovea/kernel/session/host"
)

func init() { commands = append(commands, exportCommand) }

func exportCommand() *cobra.Command {
	var e exporter
	var parameters []string
	cmd := &cobra.Command{
		Use:   "export NOTEBOOK",
		Short: "Write a notebook as a Go program",
		Long: `Export writes a module whose 'go run .' does what the notebook does, from its first cell to its last. Nothing is run.

Each cell becomes a file: its functions, types and constants, its variables as package variables, and its statements as
a function that main calls. The value of a cell's last expression is printed. A name that a later cell declares anew gets
a number there, f2 for f, and so do the functions that use it: each statement calls what it called in the notebook.
Packages that nobody uses are not imported; the versions in go.mod are those of the notebook's kernel.

!, %cd, %env, %%bash, %%writefile and what else a program can do become calls of small helpers. What it cannot do is a
comment in the code, and listed here. os.Exit and a panic end the program, not the cell; relative paths start from the
folder in which the program is run.`,
		Example: `  fovea export notebooks/quickstart.ipynb
  fovea export train.ipynb -o train -p epochs=50
  cd train && go run .`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("export: one notebook, not %d, as in 'fovea export notebooks/quickstart.ipynb'", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, s := range parameters {
				p, err := client.ParseParameter(s)
				if err != nil {
					return usageError{err}
				}
				e.parameters = append(e.parameters, p)
			}
			e.stdout, e.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return e.export(cmd.Context(), args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&e.output, "output", "o", "", "folder of the module (default build/NAME)")
	flags.StringVar(&e.module, "module", "", "path of the module (default the notebook's name)")
	flags.BoolVar(&e.force, "force", false, "replace a program that was exported before")
	flags.StringArrayVarP(&parameters, "param", "p", nil, "set a `name=value` of the cell tagged parameters; may be repeated")
	return cmd
}

type exporter struct {
	output, module string
	force          bool
	parameters     []client.Parameter
	stdout, stderr io.Writer
}

func (e *exporter) export(ctx context.Context, path string) (err error) {
	nb, err := client.Read(path)
	if err != nil {
		return usageError{err}
	}
	if err := errors.Join(nb.CheckGo(), nb.Inject(e.parameters)); err != nil {
		return usageError{err}
	}
	if e.output == "" {
		e.output = filepath.Join("build", nb.Name())
	}
	if e.module == "" {
		e.module = moduleName(nb.Name())
	}
	dir, err := filepath.Abs(e.output)
	if err != nil {
		return err
	}
	if err := e.checkOutput(dir); err != nil {
		return usageError{err}
	}
	source, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	options, _, err := sessionOptions(ctx, filepath.Dir(source), nil)
	if err != nil {
		return err
	}
	tools, err := host.FindToolchain(ctx)
	if err != nil {
		return err
	}
	module, err := os.MkdirTemp("", "fovea-export-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(module)
	if err := session.NotebookModule(module, options.Root, source); err != nil {
		return err
	}
	catalogue, err := host.OpenCatalogue(ctx, tools, module, options.Packages)
	if err != nil {
		return err
	}
	program, err := export.Write(ctx, nb, catalogue)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	modules, err := catalogue.Modules(ctx, program.Imports...)
	if err != nil {
		return err
	}
	files := program.Files
	files["go.mod"] = export.GoMod(e.module, filepath.Base(path), modules)
	if sums, err := os.ReadFile(filepath.Join(module, "go.sum")); err == nil {
		if kept := export.GoSum(string(sums), modules); kept != "" {
			files["go.sum"] = kept
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeFolder(dir, files); err != nil {
		return err
	}
	for _, left := range program.Left {
		fmt.Fprintln(e.stderr, "not carried over:", left)
	}
	for _, renamed := range program.Renamed {
		fmt.Fprintln(e.stderr, "renamed:", renamed)
	}
	fmt.Fprintf(e.stdout, "%s\nrun it: cd %s && go run .\n", dir, quoteCommand([]string{e.output}))
	if slices.ContainsFunc(program.Imports, func(p string) bool { return strings.HasPrefix(p, "github.com/gomlx/") }) {
		for _, variable := range options.Env {
			if strings.HasPrefix(variable, "GOMLX_BACKEND=") {
				fmt.Fprintf(e.stdout, "It computes on the backend that GOMLX_BACKEND names; the notebook's here is %s\n", variable)
			}
		}
	}
	return nil
}

// checkOutput makes sure that only an exported program is replaced, and only when that is wanted.
func (e *exporter) checkOutput(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	switch {
	case err != nil || !bytes.HasPrefix(text, []byte(export.Mark)):
		return fmt.Errorf("export: %s holds something that is no exported program: choose another folder with -o", dir)
	case !e.force:
		return fmt.Errorf("export: %s holds a program already: --force replaces it with all that is in the folder, -o names another", dir)
	}
	return nil
}

// moduleName makes a module path of a notebook's name. Paths whose first part has no dot are the standard library's.
func moduleName(name string) string {
	name = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, name), "-")
	if name == "" {
		name = "notebook"
	}
	return "notebook.local/" + name
}

// writeFolder writes files into a folder: all of them, or none. What was there before is gone.
func writeFolder(dir string, files map[string]string) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return atomicfile.Explain(err, dir)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), ".fovea-")
	if err != nil {
		return atomicfile.Explain(err, dir)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(fresh, name), []byte(files[name]), 0o644); err != nil {
			return atomicfile.Explain(err, dir)
		}
	}
	old := fresh + ".old" // a folder cannot be renamed onto a full one
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return errors.Join(err, restore(old, dir))
	}
	return os.RemoveAll(old)
}
