package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"fovea/internal/backend"
	"fovea/internal/home"
	"fovea/recipes"
)

func init() { commands = append(commands, reproduceCommand) }

// reproduceOptions are the flags of `fovea reproduce`.
type reproduceOptions struct {
	scale, data, out string
	seeds            int
	claims           []string
	fresh, all       bool
	rejudge          bool
	validate         bool
	budget           time.Duration
}

func reproduceCommand() *cobra.Command {
	var o reproduceOptions
	cmd := &cobra.Command{
		Use:   "reproduce RECIPE…",
		Short: "Run the claims of papers as experiments and judge them",
		Long: `Reproduce measures each arm of a recipe's claims with each seed, compares means ± two standard errors with the
threshold that was set beforehand, and writes result.json, figures, and report.html, one page with all of it inside. A claim
that its seeds leave inconclusive is measured with as many again, once, where so many may decide it.

A finished trial (an arm with a seed) is kept: when the time budget ends or you press Ctrl-C, the same command goes on from
there. --fresh runs all trials again. A claim that doesn't hold is a result, not an error.

To design an experiment, --validate runs it without a look at the test images: with images held out of the training set in
their place, with other seeds, and without writing a result.`,
		Example: `  fovea reproduce vgg
  fovea reproduce vgg --claim depth --seeds 5 --data shapes --out results
  fovea reproduce vgg --validate --seeds 2
  fovea reproduce --all`,
		ValidArgsFunction: recipeNames,
		RunE:              func(cmd *cobra.Command, args []string) error { return reproduce(cmd, args, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.scale, "scale", "small", "small (minutes, 2 cores) or paper (the paper's data and schedule, a GPU)")
	flags.IntVar(&o.seeds, "seeds", 0, "seeds of each arm, and no more (0: as the claim says)")
	flags.StringVar(&o.data, "data", "", "set of images, in place of the claim's own choice")
	flags.StringVar(&o.out, "out", "", "folder for result.json and figures (default recipes/RECIPE here, or else runs/RECIPE)")
	flags.StringSliceVar(&o.claims, "claim", nil, "only these claims")
	flags.BoolVar(&o.fresh, "fresh", false, "run finished trials again")
	flags.BoolVar(&o.all, "all", false, "all recipes that have claims")
	flags.BoolVar(&o.rejudge, "rejudge", false, "measure nothing: write words, figures and report again from the recorded values")
	flags.BoolVar(&o.validate, "validate", false, "measure on held-out training images with other seeds, and write nothing")
	flags.DurationVar(&o.budget, "budget", 0, "wall time for each claim (0: as the claim says)")
	return cmd
}

func reproduce(cmd *cobra.Command, names []string, o reproduceOptions) error {
	switch {
	case o.all && len(names) > 0:
		return errors.New("reproduce: give names or --all, not both")
	case !o.all && len(names) == 0:
		return errors.New("reproduce: which recipe? Write its name, as in 'fovea reproduce vgg', or --all")
	case o.out != "" && (o.all || len(names) > 1):
		return errors.New("reproduce: --out is one recipe's folder")
	}
	var entries []*recipes.Entry
	for _, name := range names {
		e, err := recipes.Lookup(name)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	if o.all {
		entries = slices.DeleteFunc(recipes.All(), func(e *recipes.Entry) bool { return len(e.Claims) == 0 })
	}
	if o.validate && (o.rejudge || o.out != "") {
		return errors.New("reproduce: --validate writes no result: leave out --out and --rejudge")
	}
	if o.rejudge {
		return rejudge(cmd.OutOrStdout(), entries, o)
	}
	ctx, log := cmd.Context(), cmd.ErrOrStderr()
	b, choice, err := backend.New(ctx, backend.Options{Progress: log})
	if err != nil {
		return err
	}
	if choice.Warning != "" {
		fmt.Fprintln(log, choice.Warning)
	}
	suffix := ""
	if o.validate {
		suffix = "-validation"
	}
	var failed []error
	for _, e := range entries {
		work, err := home.Cache("trials", e.Name+"-"+o.scale+suffix)
		if err != nil {
			return err
		}
		out := o.out
		if out == "" {
			out = resultFolder(e.Name, o)
		}
		r, err := e.Reproduce(ctx, recipes.ReproduceOptions{
			Backend: b, Scale: recipes.Scale(o.scale), Seeds: o.seeds, Dataset: o.data, Claims: o.claims, Work: work, Out: out,
			Fresh: o.fresh, Validate: o.validate, Budget: o.budget, Progress: recipes.TerminalProgress(log), Log: log,
		})
		if ctx.Err() != nil {
			return err
		}
		if err != nil { // the others may do better
			failed = append(failed, err)
			continue
		}
		printResult(cmd.OutOrStdout(), r)
		if o.validate {
			fmt.Fprintf(cmd.OutOrStdout(), "validation only: nothing was written\n\n")
			continue
		}
		fmt.Fprintf(cmd.OutOrStdout(), "written to %s\n\n", out)
	}
	return errors.Join(failed...)
}

// rejudge goes through all entries, whatever becomes of each.
func rejudge(w io.Writer, entries []*recipes.Entry, o reproduceOptions) error {
	var failed []error
	for _, e := range entries {
		out := o.out
		if out == "" {
			out = resultFolder(e.Name, o)
		}
		r, err := e.Rejudge(out)
		switch {
		case errors.Is(err, os.ErrNotExist) && o.all: // never reproduced
		case err != nil:
			failed = append(failed, err)
		default:
			printResult(w, r)
		}
	}
	return errors.Join(failed...)
}

// resultFolder is the recipe's own folder for a whole run at small scale inside the project, and a folder of runs for
// anything else, which must not take the place of that.
func resultFolder(name string, o reproduceOptions) string {
	own := filepath.Join("recipes", name)
	if info, err := os.Stat(own); err == nil && info.IsDir() && o.scale == string(recipes.SmallScale) && o.claims == nil && o.data == "" && o.seeds == 0 {
		return own
	}
	return filepath.Join("runs", name+"-"+o.scale)
}

func printResult(w io.Writer, r *recipes.Result) {
	for _, c := range r.Claims {
		budget := "no budget"
		if c.Budget > 0 {
			budget = fmt.Sprintf("budget %.0f s", c.Budget)
		}
		var data []string
		for _, d := range c.Data {
			name := fmt.Sprintf("%s %d×%d", d.Name, d.Shape[0], d.Shape[1])
			if d.Synthetic {
				name += " (synthetic)"
			}
			data = append(data, name)
		}
		fmt.Fprintf(w, "%s, claim %s: %s\n%s\n%d arms × %d seeds on %s, %.0f s (%s)\n", r.Recipe, c.Name, strings.ToUpper(string(c.Verdict)), c.Statement,
			len(c.Arms), len(c.Seeds), strings.Join(data, ", "), c.Seconds, budget)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "  test\tmeasured\tthreshold\tverdict")
		for _, x := range c.Tests {
			threshold := "≥ "
			if x.AtMost {
				threshold = "≤ "
			}
			threshold += fmt.Sprintf("%.4g", x.Threshold)
			if x.Verdict == recipes.Reported {
				threshold = ""
			}
			fmt.Fprintf(t, "  %s\t%s %s\t%s\t%s\n", x.Statement, x.Stat, x.Unit, threshold, x.Verdict)
		}
		t.Flush()
		if c.Note != "" {
			fmt.Fprintf(w, "  %s\n", c.Note)
		}
		for _, arm := range c.Arms {
			var values []string
			for name, s := range arm.Values {
				values = append(values, fmt.Sprintf("%s %s", name, s))
			}
			slices.Sort(values)
			fmt.Fprintf(w, "  %s: %s\n", arm.Name, strings.Join(values, ", "))
		}
	}
}
