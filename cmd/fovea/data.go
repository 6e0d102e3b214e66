package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"fovea/datasets"
	_ "fovea/datasets/all"
	"fovea/internal/download"
)

func init() { commands = append(commands, dataCommand) }

func dataCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "data",
		Short: "List, fetch and check data sets",
		Long: `Data sets are fetched from their official addresses, with a checksum, into Fovea's cache:
$FOVEA_CACHE/data, or the folder that 'fovea data path' prints. A set that $FOVEA_DATA holds comes first.
Generated sets need no download.`,
		Args: cobra.NoArgs,
	}
	c.AddCommand(dataListCommand(), dataGetCommand(), dataPathCommand(), dataVerifyCommand())
	return c
}

func dataListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "The data sets, whether they are here, and their licences",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return listJSON(cmd.OutOrStdout())
			}
			return listText(cmd.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, with citations and class names")
	return c
}

// state is the one word of the list.
func state(p datasets.Place, i datasets.Info) string {
	switch {
	case p.Problem != nil:
		return "damaged"
	case i.Synthetic:
		return "generated"
	case p.Present:
		return "here"
	}
	return "not here"
}

func listText(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tIMAGES\tSIZE\tDOWNLOAD\tWHAT")
	var notes strings.Builder
	for _, s := range datasets.Sources() {
		i, p := s.Info, s.Find()
		fmt.Fprintf(w, "%s\t%s\t%d + %d\t%d×%d×%d\t%s\t%s\n", i.Name, state(p, i), i.Train, i.Test, i.Shape[0], i.Shape[1], i.Shape[2], megabytes(i.Download), i.Summary)
		fmt.Fprintf(&notes, "\n%s: %s\n", i.Name, i.Title)
		for _, line := range []struct{ name, text string }{
			{"place", place(p)}, {"note", p.Note}, {"problem", problem(p)}, {"licence", i.Licence}, {"source", i.URL}, {"cite", i.Citation},
		} {
			if line.text != "" {
				fmt.Fprintf(&notes, "  %-8s %s\n", line.name, line.text)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, notes.String())
	return err
}

func megabytes(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
}

func place(p datasets.Place) string {
	if p.Bytes > 0 {
		return fmt.Sprintf("%s (%s)", p.Dir, megabytes(p.Bytes))
	}
	if p.Dir != "" && !p.Present && p.Problem == nil {
		return p.Dir + " (to be made)"
	}
	return p.Dir
}

func problem(p datasets.Place) string {
	if p.Problem == nil {
		return ""
	}
	return p.Problem.Error()
}

func listJSON(out io.Writer) error {
	type entry struct {
		Info    datasets.Info `json:"info"`
		State   string        `json:"state"`
		Dir     string        `json:"dir,omitempty"`
		Bytes   int64         `json:"bytes,omitempty"`
		Note    string        `json:"note,omitempty"`
		Problem string        `json:"problem,omitempty"`
	}
	entries := []entry{}
	for _, s := range datasets.Sources() {
		p := s.Find()
		entries = append(entries, entry{s.Info, state(p, s.Info), p.Dir, p.Bytes, p.Note, problem(p)})
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(entries)
}

func dataGetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "get NAME…",
		Short: "Fetch data sets; an interrupted download goes on where it stopped",
		Args:  named("get"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return each(names, func(s datasets.Source) error {
				out := cmd.OutOrStdout()
				p := s.Find()
				switch {
				case s.Fetch == nil:
					fmt.Fprintf(out, "%s is generated: there is nothing to fetch\n", s.Info.Name)
					return nil
				case p.Problem != nil:
					return p.Problem
				case p.Present:
					fmt.Fprintf(out, "%s is here: %s\n", s.Info.Name, place(p))
					if p.Note != "" {
						fmt.Fprintf(out, "  %s\n", p.Note)
						if os.Getenv("FOVEA_DATA") != "" {
							fmt.Fprintln(out, "  to fetch and use the whole set, run this again, and what uses the set, without FOVEA_DATA")
						}
					}
					return nil
				}
				p, err := s.Fetch(cmd.Context(), download.Bar(cmd.ErrOrStderr(), s.Info.Title))
				if err != nil {
					return err
				}
				fmt.Fprintf(out, "%s is at %s\n  licence: %s\n  cite: %s\n", s.Info.Name, place(p), s.Info.Licence, s.Info.Citation)
				return nil
			})
		},
	}
}

func dataPathCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "path NAME…",
		Short: "Print the folder of a data set, or where it would be put",
		Long:  "Print the folder of a data set, or where it would be put. The exit code is 1 if the set isn't there.",
		Args:  named("path"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return each(names, func(s datasets.Source) error {
				p := s.Find()
				if s.Info.Synthetic {
					return fmt.Errorf("%s is generated and has no folder", s.Info.Name)
				}
				fmt.Fprintln(cmd.OutOrStdout(), p.Dir)
				if p.Problem != nil {
					return p.Problem
				}
				if !p.Present {
					return fmt.Errorf("%s: %w: run 'fovea data get %[1]s'", s.Info.Name, datasets.ErrMissing)
				}
				return nil
			})
		},
	}
}

func dataVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [NAME…]",
		Short: "Read data sets whole and check them; without a name, all that are here",
		RunE: func(cmd *cobra.Command, names []string) error {
			if len(names) == 0 {
				for _, s := range datasets.Sources() {
					if p := s.Find(); p.Present || p.Problem != nil {
						names = append(names, s.Info.Name)
					}
				}
			}
			return each(names, func(s datasets.Source) error {
				report, err := s.Verify(cmd.Context())
				if err != nil {
					return fmt.Errorf("%s: %w", s.Info.Name, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n  %s\n", s.Info.Name, report)
				return nil
			})
		},
	}
}

// named asks for at least one name and, where there is none, says which there are.
func named(verb string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		var names []string
		for _, s := range datasets.Sources() {
			names = append(names, s.Info.Name)
		}
		return fmt.Errorf("fovea data %s needs the name of a data set: %s", verb, strings.Join(names, ", "))
	}
}

// each calls do for every name, goes on after a failure, and returns all failures. All names are looked up first, so
// that a misspelt one stops the command before a long download and not after it.
func each(names []string, do func(datasets.Source) error) error {
	var found []datasets.Source
	for _, name := range names {
		s, err := datasets.Lookup(name)
		if err != nil {
			return err
		}
		found = append(found, s)
	}
	var failures []error
	for _, s := range found {
		failures = append(failures, do(s))
	}
	return errors.Join(failures...)
}
