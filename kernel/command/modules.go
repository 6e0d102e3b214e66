package command

import (
	"context"
	"slices"
	"strings"

	"fovea/kernel/session/host"
)

// Modules is what a Session may be besides: it keeps the module that cells belong to.
type Modules interface {
	SetAutoget(ctx context.Context, on bool) error
	SetFlags(ctx context.Context, flags []string) error
	AdoptModule(ctx context.Context) (changed []string, err error)
	ResetModule(ctx context.Context) error
	UseWorkspace(ctx context.Context) (modules []string, err error)
	Track(ctx context.Context, dir string) (used string, err error)
	Untrack(ctx context.Context, dir string) error
	Tracked(ctx context.Context) (dirs []string, err error)
}

// modules are the session's; the error says that it has none.
func (c *call) modules() (Modules, error) {
	if m, ok := c.engine.session.(Modules); ok {
		return m, nil
	}
	return nil, failed("the cells belong to no module of their own here")
}

// autoget makes the command that says whether imports may be fetched.
func autoget(on bool) func(*call, special, []string) error {
	return func(c *call, _ special, _ []string) error {
		m, err := c.modules()
		if err != nil {
			return err
		}
		return m.SetAutoget(c.ctx, on)
	}
}

func (c *call) goflagsCommand(_ special, args []string) error {
	m, err := c.modules()
	if err != nil {
		return err
	}
	if len(args) > 0 {
		flags := slices.DeleteFunc(slices.Clone(args), func(s string) bool { return s == "" })
		if err := m.SetFlags(c.ctx, flags); err != nil {
			c.warnf("%%goflags: %v; the flags stay as they were\n", err) // GoNB's notebooks go on
		} else {
			c.engine.goflags = flags
			c.note("%goflags hold for packages that are loaded from now on; %restart compiles all with them")
		}
	}
	c.printf("%%goflags=%q\n", c.engine.goflags)
	return nil
}

func (c *call) trackCommand(_ special, args []string) error {
	m, err := c.modules()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		dirs, err := m.Tracked(c.ctx)
		if err != nil {
			return err
		}
		if len(dirs) == 0 {
			dirs = []string{"nothing"}
		}
		c.printf("tracked: %s\n", strings.Join(dirs, "\n         "))
		return nil
	}
	for _, arg := range args {
		dir := c.engine.path(arg)
		used, err := m.Track(c.ctx, dir)
		if err != nil {
			return failed("%%track: %v", err)
		}
		c.printf("tracked: %s\n", dir)
		if used != "" {
			c.printf("cells can import module %s from there\n", used)
		}
	}
	return nil
}

func (c *call) untrackCommand(_ special, args []string) error {
	m, err := c.modules()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return m.Untrack(c.ctx, "")
	}
	for _, arg := range args {
		if err := m.Untrack(c.ctx, c.engine.path(strings.TrimSuffix(arg, "..."))); err != nil {
			return failed("%%untrack: %v", err)
		}
	}
	return nil
}

func (c *call) goworkfixCommand(_ special, _ []string) error {
	m, err := c.modules()
	if err != nil {
		return err
	}
	if _, err := m.AdoptModule(c.ctx); err != nil { // a go.work that !* lines have made
		return err
	}
	used, err := m.UseWorkspace(c.ctx)
	if err != nil {
		return err
	}
	for _, module := range used {
		c.printf("%s\n", module)
	}
	if used == nil {
		c.warnf("no go.work was found, neither above the notebook nor beside the cells' go.mod\n")
	}
	return nil
}

// resetModule is %reset go.mod.
func (c *call) resetModule() error {
	m, err := c.modules()
	if err != nil {
		return err
	}
	if err := m.ResetModule(c.ctx); err != nil {
		return err
	}
	c.printf("What was fetched or replaced for this notebook is forgotten; packages that are loaded stay until %%restart.\n")
	return nil
}

// runInModule runs a program in the folder of the cells' go.mod, with the toolchain that reads it, and then looks what it
// has done there.
func (c *call) runInModule(p program) error {
	if p.dir = c.engine.module; p.dir == "" {
		return failed("the cells belong to no module: !* has no folder to run in")
	}
	p.env = []string{"GOTOOLCHAIN=" + host.Release}
	err := c.runProgram(p)
	m, ok := c.engine.session.(Modules)
	if !ok {
		return err
	}
	changed, adoptErr := m.AdoptModule(context.WithoutCancel(c.ctx)) // an interrupted program may have done something
	if err != nil {
		return err
	}
	if adoptErr != nil {
		return failed("%v", adoptErr)
	}
	if len(changed) > 0 {
		text := "the cells' go.mod: " + strings.Join(changed, ", ")
		if strings.Contains(text, " → ") {
			text += "; a package that is loaded stays as it is until %restart"
		}
		c.result.Notes = append(c.result.Notes, text)
	}
	return nil
}

// moduleEnv puts a program's own variables in, unless %env has set them.
func (e *Engine) moduleEnv(own []string) []string {
	env := e.environ()
	for _, variable := range own {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.ContainsFunc(e.env, func(set string) bool { return strings.HasPrefix(set, name+"=") }) {
			env = append(env, variable)
		}
	}
	return env
}
