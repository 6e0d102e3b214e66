// Command fovea runs notebooks whose values live, and the recipes of deep convolutional networks.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"fovea/internal/backend"
)

// commands is filled by the init function of each command's file.
var commands []func() *cobra.Command

func main() {
	if len(os.Args) > 1 && (os.Args[1] == "train" || os.Args[1] == "reproduce") {
		backend.Restart()
	}
	root := &cobra.Command{
		Use:   "fovea",
		Short: "A Go notebook kernel whose values live, and recipes of deep convolutional networks",
		Long: `Fovea runs Go notebooks cell by cell with every value alive in between, on XLA,
and reproduces the experiments of papers on deep convolutional networks.

  fovea run notebooks/quickstart.ipynb   run a notebook without Jupyter
  fovea lab                              open JupyterLab with the Fovea kernel
  fovea list                             the recipes, one line each
  fovea reproduce vgg                    run a paper's claim as a small experiment
  fovea doctor                           what the program found on this machine`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; '%s --help' lists the options", err, c.CommandPath())}
	})
	for _, command := range commands {
		root.AddCommand(command())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fovea:", err)
		os.Exit(exitCode(err))
	}
}

// A usageError is one of how the command was called: nothing has been started.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// exitCode is 130 for what the user interrupted, as shells have it, 2 for a wrong call, and 1 for any other failure.
func exitCode(err error) int {
	var usage usageError
	switch {
	case errors.Is(err, context.Canceled):
		return 130
	case errors.As(err, &usage):
		return 2
	}
	return 1
}
