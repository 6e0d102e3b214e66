package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"fovea/internal/backend"
	"fovea/internal/home"
	"fovea/kernel/command"
	"fovea/kernel/session"
)

// cellPackages are what the cells of Fovea's notebooks commonly import. The host library holds them from the start, so
// that no cell waits for one of them to be built.
var cellPackages = []string{
	"fovea/datasets/all",
	"fovea/kernel/celltest",
	"fovea/kernel/display",
	"fovea/kernel/display/widget",
	"fovea/layers/attr",
	"fovea/layers/loss",
	"fovea/layers/metric",
	"fovea/layers/optim",
	"fovea/layers/resnet",
	"fovea/notebooks/fig",
	"fovea/notebooks/keep", // for %checkpoint
	"fovea/recipes/all",
	"fovea/recipes/fractalnet",
	"github.com/gomlx/compute",
	"github.com/gomlx/compute/dtypes",
	"github.com/gomlx/compute/gobackend",
	"github.com/gomlx/compute/shapes",
	"github.com/gomlx/go-xla/compute/xla",
	"github.com/gomlx/gomlx/core/graph",
	"github.com/gomlx/gomlx/core/tensors",
	"github.com/gomlx/gomlx/core/tensors/numpy",
	"github.com/gomlx/gomlx/ml/layers",
	"github.com/gomlx/gomlx/ml/layers/activation",
	"github.com/gomlx/gomlx/ml/layers/norm",
	"github.com/gomlx/gomlx/ml/model",
	"github.com/gomlx/gomlx/ml/model/checkpoint",
	"github.com/gomlx/gomlx/ml/model/initializer",
	"github.com/gomlx/gomlx/ml/train",
	"github.com/gomlx/gomlx/ml/train/loss",
	"github.com/gomlx/gomlx/ml/train/metric",
	"github.com/gomlx/gomlx/ml/train/optimizer",
	"github.com/janpfeifer/gonb/cache",
	"github.com/janpfeifer/gonb/gonbui",
	"github.com/janpfeifer/gonb/gonbui/comms",
	"github.com/janpfeifer/gonb/gonbui/dom",
	"github.com/janpfeifer/gonb/gonbui/widgets",
	"gonum.org/v1/gonum/mat",
	"gonum.org/v1/gonum/stat",
	"gonum.org/v1/plot",
	"gonum.org/v1/plot/plotter",
	"gonum.org/v1/plot/vg/vgimg",
	"gonum.org/v1/plot/vg/vgsvg",
}

// openSession opens a session for a notebook: cells can import Fovea and all that it requires, what is pinned beside the
// notebook, and the module that it lies in; files are found relative to its folder, and GoMLX in a cell computes on the
// backend that Resolve finds on this machine. Nothing is installed. log gets a line for each step that takes long.
func openSession(ctx context.Context, notebook string, log io.Writer) (*command.Engine, error) {
	options, warning, err := sessionOptions(ctx, filepath.Dir(notebook), log)
	if err != nil {
		return nil, err
	}
	options.Notebook = notebook
	if warning != "" && log != nil {
		fmt.Fprintln(log, warning)
	}
	cells, err := session.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	return withCommands(cells, options, cells.ModuleDir())
}

// withCommands makes a session understand special lines such as %cd and !ls. It is closed when that fails.
func withCommands(cells command.Session, o session.Options, module string) (*command.Engine, error) {
	env := append(slices.Clone(o.Env), "GONB_TMP_DIR="+module)
	e, err := command.New(cells, command.Options{Dir: o.Dir, ModuleDir: module, Env: env, Version: version()})
	if err != nil {
		return nil, errors.Join(err, cells.Close())
	}
	return e, nil
}

// sessionOptions is the set-up behind openSession. warning, unless empty, is a line that the user should see.
func sessionOptions(ctx context.Context, dir string, log io.Writer) (o session.Options, warning string, err error) {
	root, err := home.Root()
	if err != nil {
		return o, "", err
	}
	choice, err := backend.Resolve(ctx, backend.Options{})
	if err != nil {
		return o, "", err
	}
	if log != nil {
		fmt.Fprintf(log, "backend: %s\n", choice.Name)
	}
	return session.Options{
		Root:     root,
		Packages: append(session.StandardPackages(), cellPackages...),
		Dir:      dir,
		Env:      append(choice.Env(), "GONB_DIR="+dir, "GONB_VERSION="+command.GoNB),
		Log:      log,
	}, choice.Warning, nil
}
