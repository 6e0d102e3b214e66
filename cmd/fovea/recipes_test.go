package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"fovea/recipes"
)

// runRecipes runs one of the recipe commands as main does and returns what it wrote.
func runRecipes(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	root := &cobra.Command{Use: "fovea", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(listCommand(), showCommand(), trainCommand(), reproduceCommand())
	var out, log bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&log)
	root.SetArgs(args)
	err = root.ExecuteContext(context.Background())
	return out.String(), log.String(), err
}

func TestListAndShow(t *testing.T) {
	out, _, err := runRecipes(t, "list")
	if err != nil || !strings.Contains(out, "vgg") || !strings.Contains(out, "deepinside") || !strings.Contains(out, "2015") {
		t.Errorf("list: %v\n%s", err, out)
	}
	out, _, err = runRecipes(t, "list", "--family", "attribution")
	if err != nil || strings.Contains(out, "vgg") || !strings.Contains(out, "deepinside") {
		t.Errorf("list of a family: %v\n%s", err, out)
	}
	out, _, err = runRecipes(t, "show", "vgg", "--variant", "A")
	for _, want := range []string{"Differs:", "132,863,336 parameters", "stage5/conv2", "Variants: A, A-LRN", "(default D)", "Claim depth ("} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("show lacks %q: %v\n%s", want, err, out)
		}
	}
}

func TestRecipeCommandsRefuse(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"show vgh", "did you mean vgg"},
		{"show", "which recipe"},
		{"show vgg --variant Z", "A, A-LRN, B, C, D, E"},
		{"show vgg --set clases=3", "classes (whole number"},
		{"train deepinside", "fovea reproduce deepinside"},
		{"train vgg --data cifar11", "unknown data set"},
		{"train vgg --resume", "--run"},
		{"train vgg --fast", "unknown flag"},
		{"reproduce", "which recipe"},
		{"reproduce vgg --all", "not both"},
		{"reproduce nothing", "fovea list"},
		{"train vgg --epochs -1", "negative"},
		{"train vgg --epochs 1 --steps 4", "give one"},
		{"train vgg --resume --run nowhere", "no checkpoint in nowhere"},
		{"show vgg --set hidden=x", "list of whole numbers"},
		{"show vgg --set stages=8,16", "[[1,2],[3]]"},
		{"list --kind novel", "attribution, backbone"},
	} {
		if _, _, err := runRecipes(t, strings.Fields(c.args)...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.args, err, c.says)
		}
	}
}

func TestTrainWritesARunFolderAndResumes(t *testing.T) {
	t.Setenv("GOMLX_BACKEND", "go")
	dir := filepath.Join(t.TempDir(), "run")
	args := []string{"train", "vgg", "--data", "shapes", "--size", "16", "--images", "200", "--set", "stages=[[4],[4]]", "--set", "hidden=8",
		"--steps", "4", "--batch", "16", "--lr", "0.01", "--run", dir}
	out, _, err := runRecipes(t, args...)
	if err != nil || !strings.Contains(out, "test: 1000 images") || !strings.Contains(out, "classes 10, size 16") {
		t.Fatalf("train: %v\n%s", err, out)
	}
	var saved struct {
		Recipe string
		Config struct {
			Classes, Size int
			Hidden        []int
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(data, &saved)
	}
	if err != nil || saved.Recipe != "vgg" || saved.Config.Classes != 10 || saved.Config.Size != 16 || len(saved.Config.Hidden) != 1 {
		t.Errorf("config.json holds %+v, %v", saved, err)
	}
	h, err := recipes.ReadHistory(filepath.Join(dir, "metrics.jsonl"))
	if err != nil || len(h) == 0 || h[len(h)-1].Step != 4 {
		t.Errorf("metrics.jsonl holds %v, %v", h, err)
	}
	if _, _, err := runRecipes(t, args...); err == nil || !strings.Contains(err.Error(), "holds a run already") {
		t.Errorf("the same folder again: %v", err)
	}
	_, log, err := runRecipes(t, append(args, "--resume")...)
	if err != nil || !strings.Contains(log, "at step 4 of 4") {
		t.Errorf("resume: %v\n%s", err, log)
	}
	// Another configuration, and one of another version.
	_, _, err = runRecipes(t, append(args, "--resume", "--set", "dropout=0.1")...)
	if err == nil || !strings.Contains(err.Error(), "another configuration") || !strings.Contains(err.Error(), "--set") {
		t.Errorf("resume with another configuration: %v", err)
	}
	newer := strings.Replace(string(data), `"stages"`, `"depth": 3, "stages"`, 1)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(newer), 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err = runRecipes(t, append(args, "--resume")...)
	if err == nil || !strings.Contains(err.Error(), "doesn't fit this version") || !strings.Contains(err.Error(), "depth") {
		t.Errorf("resume of another version's run: %v", err)
	}
}

// Weights go out of one training and into another, and what does not fit is said before anything begins.
func TestWeightsInAndOut(t *testing.T) {
	if os.Getenv("GOMLX_BACKEND") == "" {
		t.Setenv("GOMLX_BACKEND", "go")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "vgg.safetensors")
	small := func(args ...string) []string {
		return append([]string{"train", "vgg", "--data", "shapes", "--images", "64", "--size", "16", "--steps", "2", "--batch", "16",
			"--set", "stages=[[8],[8]]", "--set", "hidden=8"}, args...)
	}
	out, log, err := runRecipes(t, small("--run", filepath.Join(dir, "one"), "--save-weights", file)...)
	if err != nil || !strings.Contains(out, "weights written to "+file) {
		t.Fatalf("%v\n%s%s", err, out, log)
	}
	out, log, err = runRecipes(t, small("--run", filepath.Join(dir, "two"), "--weights", file)...)
	if err != nil || !strings.Contains(out, "has torchvision's names: 8 variables") {
		t.Errorf("%v\n%s%s", err, out, log)
	}
	show := []string{"show", "vgg", "--weights", file, "--set", "stages=[[8],[8]]", "--set", "hidden=8", "--set", "size=16"}
	_, _, err = runRecipes(t, show...)
	if err == nil || !strings.Contains(err.Error(), "--new-head") {
		t.Errorf("a head for other classes: %v", err)
	}
	out, _, err = runRecipes(t, append(show, "--new-head")...)
	if err != nil || !strings.Contains(out, "fresh: output/") {
		t.Errorf("%v\n%s", err, out)
	}
	out, log, err = runRecipes(t, small("--run", filepath.Join(dir, "four"), "--mixup", "0.2", "--cutmix", "1", "--average", "0.9", "--bfloat16", "--best", "1")...)
	if err != nil || !strings.Contains(out, "best on the validation images: step 2") {
		t.Errorf("%v\n%s%s", err, out, log)
	}
	for says, args := range map[string][]string{
		"alphas":              small("--mixup", "-1", "--run", filepath.Join(dir, "five")),
		"leave --weights out": small("--weights", file, "--resume", "--run", dir),
		"give them too":       small("--new-head"),
		"no such file":        small("--weights", file+"x", "--run", filepath.Join(dir, "three")),
	} {
		if _, _, err := runRecipes(t, args...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: error %v, want one with %q", args, err, says)
		}
	}
}

// What follows the images: whole numbers of the known names, also in the network that a recipe builds on.
func TestConfigurationsFollowTheImages(t *testing.T) {
	type host struct {
		Classes int `json:"classes"`
	}
	type config struct {
		Host    host    `json:"host"`
		Size    []int   `json:"size"`    // another meaning
		Classes float64 `json:"classes"` // another meaning
		Width   int     `json:"width"`
	}
	e, err := recipes.NewEntry(recipes.Recipe[config]{
		Name: "x", Paper: recipes.Paper{Title: "T", Authors: "A", Year: 2000, URL: "u"}, Model: func(config) recipes.Network { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	got, changed, err := fitToData(e, config{Size: []int{3}}, nil, 7, 32, 3)
	if err != nil || got.(config).Host.Classes != 7 || len(got.(config).Size) != 1 || got.(config).Classes != 0 || len(changed) != 1 {
		t.Errorf("%+v, %v, %v", got, changed, err)
	}
	if got, _, err = fitToData(e, config{}, []string{"host.classes=9"}, 7, 32, 3); err != nil || got.(config).Host.Classes != 0 {
		t.Errorf("what the user set was changed: %+v, %v", got, err)
	}
}
