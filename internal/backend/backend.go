// Package backend chooses what Fovea computes with, and installs it where it is missing.
//
// The order is: what the user set in GOMLX_BACKEND; a CUDA plugin where there is a GPU; an XLA:CPU plugin on the
// machine; the plugin that go-xla publishes; the plugin built from the libraries in a tensorflow-cpu wheel; GoMLX's
// pure-Go backend. Every plugin is first run in a child process, so that one that crashes takes nothing with it.
//
// Importing the package registers the backends "xla" and "go".
package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend"
	"github.com/gomlx/go-xla/compute/xla"
)

// Options of Resolve and New. The zero value looks at what is there and changes nothing.
type Options struct {
	// Progress, if not nil, gets lines (a bar where it is a terminal) while something is installed.
	Progress io.Writer
	// Install allows to download and install XLA where no plugin is found.
	Install bool
}

// Choice is the backend to use and how it came to be chosen.
type Choice struct {
	Name   string // "xla:cuda", "xla:cpu", "xla:…" as the user named it, or "go"
	Config string // for GOMLX_BACKEND and compute.NewWithConfig
	Plugin string // path of the PJRT plugin; "" for the Go backend
	Steps  []Step // every place that could have given a backend, in order
	// Warning is one line to show when the choice is a poor one: how much slower, and what to do. Else "".
	Warning string
}

// Step is one place that may give a backend and what came of it.
type Step struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Reason string `json:"reason"`
}

// State says what came of a step.
type State string

const (
	Used     State = "used"      // it gave the backend
	Skipped  State = "skipped"   // it has nothing to offer here
	Failed   State = "failed"    // it should have worked and did not
	NotTried State = "not tried" // an earlier step had been used
)

// Env returns the settings for a child process that shall use the same backend and shall not look for another.
func (c Choice) Env() []string {
	env := []string{compute.ConfigEnvVar + "=" + c.Config, xla.NoAutoInstallEnv + "=1"}
	for _, q := range quiet {
		if os.Getenv(q.name) == "" {
			env = append(env, q.name+"="+q.value)
		}
	}
	if c.Plugin != "" && !memoryIsTuned() {
		env = append(env, tunables)
	}
	return env
}

// quiet holds what keeps XLA from writing lines that say nothing to the user. A value that the user set stays.
var quiet = []struct{ name, value string }{
	{"TF_CPP_MIN_LOG_LEVEL", "3"},
	{"TF_ENABLE_ONEDNN_OPTS", "0"}, // of TensorFlow's own operations, which the plugin doesn't use
}

// prepare sets this process up for the choice. It must run before the plugin is loaded, which reads the environment.
func prepare() {
	os.Setenv(xla.NoAutoInstallEnv, "1")
	xla.EnableAutoInstall(false) // the variable is read when the process starts; this is for the one that runs
	for _, q := range quiet {
		if os.Getenv(q.name) == "" {
			os.Setenv(q.name, q.value)
		}
	}
}

// New resolves a backend and opens it. The choice is valid, with its steps, even when there is an error.
func New(ctx context.Context, o Options) (compute.Backend, Choice, error) {
	choice, err := Resolve(ctx, o)
	if err != nil {
		return nil, choice, err
	}
	b, err := Open(choice.Config)
	if err != nil {
		return nil, choice, fmt.Errorf("open the backend %s: %w", choice.Config, err)
	}
	return b, choice, nil
}

// Open opens a backend by its configuration, as in GOMLX_BACKEND. It never downloads anything.
func Open(config string) (b compute.Backend, err error) {
	name, _, _ := strings.Cut(config, ":")
	if !slices.Contains(compute.List(), name) {
		return nil, unknownBackend(name)
	}
	prepare()
	return compute.NewWithConfig(sequential(config))
}

// sequential makes the pure-Go backend run one operation after the other, unless the user has chosen options. Side by side,
// its default, they can wait for each other for ever: a convolution keeps its worker while it waits for more of them (compute
// v0.1.6). Each still uses all cores inside.
func sequential(config string) string {
	if config == "go" {
		return "go:ops_sequential"
	}
	return config
}

func unknownBackend(name string) error {
	known := compute.List()
	slices.Sort(known)
	return fmt.Errorf("there is no backend %q: GOMLX_BACKEND can be go, xla:cpu, xla:cuda or xla:/path/to/plugin.so (known: %s)",
		name, strings.Join(known, ", "))
}

// Resolve finds the backend to use, or installs it when o allows that. Where nothing better works the choice is the
// pure-Go backend with a Warning. An error means that the user asked for a backend that can't be had, or that ctx ended.
func Resolve(ctx context.Context, o Options) (Choice, error) {
	return resolver{Options: o, machine: thisMachine(o)}.resolve(ctx)
}

// machine is what the resolver asks of the world; tests replace it.
type machine struct {
	getenv  func(string) string
	folders func() []string                                    // where plugins may be, in order
	gpu     func() string                                      // the GPU's name or device, "" for none
	probe   func(ctx context.Context, plugin string) error     // runs the plugin in a child process
	release func(ctx context.Context) (plugin string, e error) // go-xla's published plugin
	wheel   func(ctx context.Context) (plugin string, e error) // the plugin from the tensorflow-cpu wheel
}

type resolver struct {
	Options
	machine
}

// Names of the steps, as shown to the user.
const (
	stepUser    = "GOMLX_BACKEND"
	stepCUDA    = "CUDA plugin"
	stepCPU     = "XLA:CPU plugin on this machine"
	stepRelease = "XLA:CPU plugin published for go-xla"
	stepWheel   = "XLA:CPU built from the tensorflow-cpu wheel"
	stepGo      = "pure-Go backend"
)

// errSkip marks the reason for which a step has nothing to offer, as opposed to a failure.
type errSkip string

func (e errSkip) Error() string { return string(e) }

func (r resolver) resolve(ctx context.Context) (Choice, error) {
	var choice Choice
	wanted := "" // a plugin's name, when the user named one that must be searched
	options := ""
	fatal := func(name string, err error) (Choice, error) {
		choice.Steps = append(choice.Steps, Step{name, Failed, err.Error()})
		choice.fillNotTried()
		return choice, err
	}

	// 1. What the user set is used or is an error: silently computing with something else would mislead.
	switch config := r.getenv(compute.ConfigEnvVar); {
	case config == "":
		choice.add(stepUser, Skipped, "not set")
	default:
		name, rest, _ := strings.Cut(config, ":")
		plugin, opts, _ := strings.Cut(rest, ",")
		if opts != "" {
			options = "," + opts
		}
		switch {
		case !slices.Contains(compute.List(), name):
			return fatal(stepUser, unknownBackend(name))
		case name == "go":
			choice.use(stepUser, "go", sequential(config), "", config)
			return choice, nil
		case strings.HasPrefix(plugin, "/"):
			if err := r.probe(ctx, plugin); err != nil {
				return fatal(stepUser, fmt.Errorf("GOMLX_BACKEND is %s, and that plugin can't be used: %w", config, err))
			}
			choice.use(stepUser, "xla:"+pluginName(plugin), config, plugin, config)
			return choice, nil
		case plugin == "":
			choice.add(stepUser, Skipped, config+" leaves the plugin open")
		default:
			wanted = plugin
			choice.add(stepUser, Skipped, config+" asks for the plugin "+plugin)
		}
	}

	// 2 to 5. The plugins, best first. Those that would be installed are XLA:CPU plugins.
	install := func(do func(context.Context) (string, error)) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			if !r.Install {
				return "", errSkip("not installed; 'fovea doctor --install' installs it")
			}
			return do(ctx)
		}
	}
	for _, step := range []struct {
		name, plugin string
		find         func(context.Context) (string, error)
	}{
		{stepCUDA, "cuda", r.findCUDA},
		{stepCPU, "cpu", func(ctx context.Context) (string, error) { return r.findPlugin(ctx, "cpu") }},
		{stepRelease, "cpu", install(r.release)},
		{stepWheel, "cpu", install(r.wheel)},
	} {
		if wanted != "" && wanted != step.plugin {
			choice.add(step.name, Skipped, "GOMLX_BACKEND asks for another plugin: "+wanted)
			continue
		}
		plugin, err := step.find(ctx)
		var skip errSkip
		switch {
		case err == nil:
			choice.warnOfIdleGPU()
			choice.use(step.name, "xla:"+step.plugin, "xla:"+plugin+options, plugin, plugin)
			return choice, nil
		case ctx.Err() != nil:
			return fatal(step.name, context.Cause(ctx))
		case errors.As(err, &skip):
			choice.add(step.name, Skipped, err.Error())
		default:
			choice.add(step.name, Failed, err.Error())
		}
	}
	if wanted != "" {
		plugin, err := "", error(errSkip("no plugin of that name was found"))
		if wanted != "cpu" && wanted != "cuda" { // rocm, or one that the user brought
			plugin, err = r.findPlugin(ctx, wanted)
		}
		if err == nil {
			choice.use(stepUser, "xla:"+wanted, "xla:"+plugin+options, plugin, plugin)
			return choice, nil
		}
		choice.add(stepGo, NotTried, "GOMLX_BACKEND asks for XLA")
		return choice, fmt.Errorf("GOMLX_BACKEND asks for xla:%s, which is not on this machine: unset it, or see 'fovea doctor' (%s)",
			wanted, choice.whyNotXLA())
	}

	// 6. It always works, and slowly.
	choice.use(stepGo, "go", sequential("go"), "", "always there")
	choice.Warning = fmt.Sprintf("No XLA here (%s): computing with the pure-Go backend, whose convolutions are tens of times slower. "+
		"'fovea doctor --install' installs XLA; 'fovea doctor' says what was missing.", choice.whyNotXLA())
	return choice, nil
}

func (c *Choice) add(name string, s State, reason string) {
	c.Steps = append(c.Steps, Step{name, s, reason})
}

func (c *Choice) use(step, name, config, plugin, reason string) {
	c.Name, c.Config, c.Plugin = name, config, plugin
	for i, s := range c.Steps {
		if s.Name == step { // the user's own, found late
			c.Steps[i].State, c.Steps[i].Reason = Used, reason
			return
		}
	}
	c.add(step, Used, reason)
	c.fillNotTried()
}

func (c *Choice) fillNotTried() {
	for _, name := range []string{stepUser, stepCUDA, stepCPU, stepRelease, stepWheel, stepGo} {
		if !slices.ContainsFunc(c.Steps, func(s Step) bool { return s.Name == name }) {
			c.add(name, NotTried, "")
		}
	}
}

// warnOfIdleGPU warns when a GPU is there and will not be used.
func (c *Choice) warnOfIdleGPU() {
	for _, s := range c.Steps {
		if s.Name == stepCUDA && s.State == Failed {
			reason, _, _ := strings.Cut(s.Reason, "\n")
			c.Warning = "The GPU is not used, the CPU is: " + reason
		}
	}
}

// whyNotXLA is the most telling reason in one line: that of the last step that failed, or else that was skipped.
func (c *Choice) whyNotXLA() string {
	reason := ""
	for _, s := range c.Steps {
		if s.State == Failed && s.Name != stepUser {
			reason, _, _ = strings.Cut(s.Reason, "\n")
		}
	}
	if reason == "" {
		reason = "no plugin installed"
	}
	return strings.TrimSuffix(reason, ":")
}
