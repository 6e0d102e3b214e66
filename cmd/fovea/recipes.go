package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/spf13/cobra"

	"fovea/internal/backend"
	"fovea/internal/home"
	"fovea/layers"
	"fovea/recipes"
	_ "fovea/recipes/all"
)

func init() { commands = append(commands, listCommand, showCommand) }

// oneRecipe is the cobra.PositionalArgs of commands that take a recipe's name.
func oneRecipe(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s: which recipe? Write its name, as in 'fovea %s vgg'; 'fovea list' shows all", cmd.Name(), cmd.Name())
	}
	return nil
}

// recipeNames completes recipe names on the command line.
func recipeNames(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, e := range recipes.All() {
		names = append(names, e.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func listCommand() *cobra.Command {
	var family, kind string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the recipes, one line each",
		Long: `List shows every recipe with the paper's year, its family, its kind, and the verdict on the paper's claim that the
last 'fovea reproduce' left beside it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tYEAR\tFAMILY\tKIND\tCLAIM\tTITLE")
			shown := 0
			var families []string
			for _, e := range recipes.All() {
				families = append(families, e.Family)
				if family != "" && e.Family != family || kind != "" && string(e.Kind) != kind {
					continue
				}
				shown++
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", e.Name, e.Paper.Year, e.Family, e.Kind, verdictOf(e.Name, ""), e.Paper.Title)
			}
			if shown == 0 {
				slices.Sort(families)
				return fmt.Errorf("list: no recipe is of that family and kind; the families are %s, the kinds model, method and study",
					strings.Join(slices.Compact(families), ", "))
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVar(&family, "family", "", "only this family, such as backbone")
	cmd.Flags().StringVar(&kind, "kind", "", "only this kind: model, method or study")
	return cmd
}

// verdictOf reads the verdict beside a recipe's source: on one of its claims, or with an empty name on all.
func verdictOf(name, claim string) string {
	root, err := home.Root()
	if err != nil {
		return "unknown"
	}
	r, err := recipes.ReadResult(filepath.Join(root, "recipes", name, "result.json"))
	if err != nil {
		return "not run"
	}
	if claim == "" {
		return string(r.Verdict)
	}
	for _, c := range r.Claims {
		if c.Name == claim {
			return string(c.Verdict)
		}
	}
	return "not run"
}

func showCommand() *cobra.Command {
	var variant, weights string
	var newHead bool
	var set []string
	cmd := &cobra.Command{
		Use:   "show RECIPE",
		Short: "Show a recipe's card, its configurations and its network's table",
		Example: `  fovea show vgg
  fovea show vgg --variant A --set classes=10
  fovea show vgg --weights vgg16.safetensors`,
		Args: oneRecipe, ValidArgsFunction: recipeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := recipes.Lookup(args[0])
			if err != nil {
				return err
			}
			config, err := configure(e, variant, set)
			if err != nil {
				return err
			}
			table, err := networkTable(e, config) // first, so that a configuration that can't be built prints no half page
			if err != nil {
				return err
			}
			fitting, err := weightsFit(e, config, weights, newHead)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%s\n\n", recipes.Card(e.Name))
			if names := e.Variants(); len(names) > 0 {
				fmt.Fprintf(out, "Variants: %s", strings.Join(names, ", "))
				if e.Default != "" {
					fmt.Fprintf(out, " (default %s)", e.Default)
				}
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "Configuration, each field to be changed with --set:\n  %s\n", strings.Join(recipes.Fields(config), "\n  "))
			for _, c := range e.Claims {
				fmt.Fprintf(out, "Claim %s (%s): %s\n", c.Name, verdictOf(e.Name, c.Name), c.Statement)
			}
			fmt.Fprint(out, table, fitting)
			return nil
		},
	}
	cmd.Flags().StringVar(&variant, "variant", "", "one of the recipe's variants")
	setFlag(cmd, &set)
	weightFlags(cmd, &weights, &newHead)
	return cmd
}

// weightsFit says how a file of weights fits a recipe's network; it is empty without a file.
func weightsFit(e *recipes.Entry, config any, file string, newHead bool) (string, error) {
	if file == "" {
		return "", nil
	}
	if e.Kind != recipes.ModelKind {
		return "", fmt.Errorf("recipe %s is a %s: it has no network of its own to give weights to", e.Name, e.Kind)
	}
	b, err := backend.Open("go")
	if err != nil {
		return "", err
	}
	network, err := e.Network(config, nil)
	if err != nil {
		return "", err
	}
	report, err := recipes.CheckWeights(b, network, file, e.Weights(config), e.Input(config), recipes.WeightOptions{NewHead: newHead})
	return fmt.Sprintf("weights: %s\n", report), err
}

// networkTable lists a model's layers and taps; it is empty for what has no network of its own.
func networkTable(e *recipes.Entry, config any) (string, error) {
	if e.Kind != recipes.ModelKind {
		return "", nil
	}
	// Building a graph needs no accelerator.
	b, err := backend.Open("go")
	if err != nil {
		return "", err
	}
	network, err := e.Network(config, nil)
	if err != nil {
		return "", err
	}
	summary, err := layers.Summarize(b, network, shapes.Make(dtypes.Float32, append([]int{1}, e.Input(config)...)...))
	if err != nil {
		return "", err
	}
	table := fmt.Sprintf("\n%s", summary)
	if taps := e.Taps(config); len(taps) > 0 {
		table += fmt.Sprintf("taps: %s\n", strings.Join(taps, ", "))
	}
	return table, nil
}

func setFlag(cmd *cobra.Command, set *[]string) {
	cmd.Flags().StringArrayVar(set, "set", nil, "set a field of the configuration: `field=value`; may be repeated")
}

func configure(e *recipes.Entry, variant string, set []string) (any, error) {
	config, err := e.Variant(variant)
	if err != nil {
		return nil, err
	}
	return e.Override(config, set)
}

// fitToData sets the fields "classes", "size" and "channels" of a configuration, where it has them and the user did not
// set them, to what the images are, and the classes of the network that a recipe builds on ("host.classes"). It returns what
// was changed.
func fitToData(e *recipes.Entry, config any, set []string, classes, size, channels int) (any, []string, error) {
	var changed []string
	for _, f := range []struct {
		field string
		value int
	}{{"classes", classes}, {"size", size}, {"channels", channels}, {"host.classes", classes}} {
		if hasField(e, config, f.field) && !isSet(set, f.field) {
			next, err := e.Override(config, []string{f.field + "=" + strconv.Itoa(f.value)})
			if err != nil {
				return nil, nil, err
			}
			config = next
			changed = append(changed, fmt.Sprintf("%s %d", f.field, f.value))
		}
	}
	return config, changed, nil
}

// hasField says whether a configuration has a whole number of that name: a field that takes one, but neither a fraction nor a
// list.
func hasField(e *recipes.Entry, config any, name string) bool {
	takes := func(value string) bool {
		_, err := e.Override(config, []string{name + "=" + value})
		return err == nil
	}
	return takes("1") && !takes("1.5") && !takes("1,1")
}

func isSet(set []string, field string) bool {
	for _, s := range set {
		if key, _, _ := strings.Cut(s, "="); strings.EqualFold(key, field) {
			return true
		}
	}
	return false
}
