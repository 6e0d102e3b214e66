package kernels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Options say what to measure.
type Options struct {
	Fovea  string         // the command
	Python string         // an interpreter that has jupyter_client
	Rounds int            // measurements of each case
	Starts int            // of kernels
	Cells  int            // the number of the late cell
	Match  *regexp.Regexp // names of the cases to measure; nil: all
	Log    io.Writer      // progress, a line each
}

// A bench is a run under way.
type bench struct {
	Options
	*driver
	place  *place
	dir    string // the kernels' working folder
	report *Report
}

// Run measures. The first time on a machine it builds GoNB with its tools, and Fovea's host library.
func Run(ctx context.Context, o Options) (r *Report, err error) {
	place, err := prepare(ctx, o.Fovea, o.Log)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fovea-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d, err := startDriver(ctx, o.Python, place.env, filepath.Join(place.dir, "kernels.log"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := d.close(); err == nil && e != nil {
			err = fmt.Errorf("the client: %w", e)
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}()
	b := &bench{Options: o, driver: d, place: place, dir: dir, report: &Report{Date: time.Now().UTC().Truncate(time.Second), Machine: ThisMachine()}}
	client, err := d.ask(request{Do: "versions"})
	if err != nil {
		return nil, err
	}
	b.report.Machine.Versions = []string{client.Text, "goimports " + toolVersion, "gopls " + programs[2].version, "GoNB " + gonbVersion}
	for _, part := range []func(context.Context) error{b.starts, b.cells, b.late} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	b.report.Machine.LoadAfter = Load()
	return b.report, nil
}

// wanted reports whether any of the cases is to be measured.
func (b *bench) wanted(names ...string) bool {
	for _, name := range names {
		if b.Match == nil || b.Match.MatchString(name) {
			return true
		}
	}
	return false
}

func (b *bench) logf(format string, args ...any) { fmt.Fprintf(b.Log, format+"\n", args...) }

// open starts a kernel and runs its first cell.
func (b *bench) open(a arm, limit float64) (answer, error) {
	return b.ask(request{Do: "start", Kernel: a.String(), Spec: a.String(), Dir: b.dir, Limit: limit,
		Code: "import \"fmt\"\n" + a.statements("fmt.Println(1)\n")})
}

func (b *bench) stop(a arm) error {
	_, err := b.ask(request{Do: "stop", Kernel: a.String()})
	return err
}

// each does something with both kernels, in an order that changes from round to round.
func each(round int, f func(a arm) error) error {
	for i := range int(arms) {
		if err := f(arm((i + max(round, 0)) % int(arms))); err != nil {
			return err
		}
	}
	return nil
}

const (
	startName = "kernel start to first result"
	firstName = "first cell"
)

// starts measures new kernels. The first of each is not counted: it fills caches.
func (b *bench) starts(ctx context.Context) error {
	starts := row{Name: startName, About: "the process is started, says who it is, and runs fmt.Println(1)", Goal: goal{Milliseconds: 600}}
	first := row{Name: firstName, About: "that cell alone"}
	counted := b.Starts
	if !b.wanted(startName, firstName) {
		counted = 0
	}
	b.logf("%s: %d times (before that once, which builds what is missing) …", startName, counted)
	for round := -1; round < counted; round++ {
		err := each(round, func(a arm) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			limit := float64(requestLimit)
			if round < 0 {
				limit = firstStartLimit
			}
			got, err := b.open(a, limit)
			if err != nil {
				return err
			}
			if round >= 0 {
				starts.add(a, got.Time)
				first.add(a, got.Cell)
			} else {
				b.report.Machine.Versions = append(b.report.Machine.Versions, got.Version)
			}
			if err := b.stop(a); err != nil {
				return err
			}
			return pause(ctx, 300*time.Millisecond) // what it had started ends
		})
		if err != nil {
			return err
		}
	}
	if counted > 0 {
		b.report.add(starts)
		b.report.add(first)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cells measures the cases in one pair of kernels.
func (b *bench) cells(ctx context.Context) error {
	names := []string{freshName}
	for _, s := range append(plain[:len(plain):len(plain)], withGoMLX...) {
		names = append(names, s.name)
	}
	if !b.wanted(names...) {
		return nil
	}
	err := each(0, func(a arm) error {
		if _, err := b.open(a, requestLimit); err != nil {
			return err
		}
		return b.all(a, a.plainSetUp())
	})
	if err != nil {
		return err
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	for _, s := range plain {
		if err := b.measure(ctx, s); err != nil {
			return err
		}
	}
	if err := b.fresh(ctx); err != nil {
		return err
	}
	// From here on GoNB's cells may link GoMLX.
	requirements, err := b.place.requirements()
	if err != nil {
		return err
	}
	module := "!*go mod edit " + strings.Join(requirements, " ") + " && cat " + filepath.Join(b.place.gomlx, "go.sum") + " >> go.sum"
	if err := b.all(gonb, []request{cell(module, "")}); err != nil {
		return err
	}
	if err := each(0, func(a arm) error { return b.all(a, a.gomlxSetUp()) }); err != nil {
		return err
	}
	if err := pause(ctx, 2*time.Second); err != nil { // gopls reads the new imports
		return err
	}
	for _, s := range withGoMLX {
		if err := b.measure(ctx, s); err != nil {
			return err
		}
	}
	return each(0, b.stop)
}

// all runs cells that are not measured.
func (b *bench) all(a arm, requests []request) error {
	for _, r := range requests {
		r.Kernel = a.String()
		if _, err := b.ask(r); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until both kernels complete: gopls reads all packages first, which would slow what is measured.
func (b *bench) settle(ctx context.Context) error {
	return each(0, func(a arm) error {
		end := time.Now().Add(time.Minute)
		for {
			r := completion(a)
			r.Kernel = a.String()
			_, err := b.ask(r)
			if err == nil {
				return nil
			}
			if time.Now().After(end) {
				return fmt.Errorf("completion does not work after a minute: %w", err)
			}
			if err := pause(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
	})
}

// measure takes one sample after the other of both kernels in turns. The first of each is not counted.
func (b *bench) measure(ctx context.Context, s scenario) error {
	if !b.wanted(s.name) {
		return nil
	}
	b.logf("%s: %d rounds …", s.name, b.Rounds)
	r := row{Name: s.name, About: s.about, GoNBDoes: s.gonb, Goal: s.goal}
	for round := -1; round < b.Rounds; round++ {
		err := each(round, func(a arm) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			q := s.sample(a, round+1)
			q.Kernel = a.String()
			got, err := b.ask(q)
			if err == nil && round >= 0 {
				r.addAnswer(a, got)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if s.after != nil {
		if err := b.all(fovea, []request{s.after(b.Rounds + 1)}); err != nil {
			return fmt.Errorf("after %q: %w", s.name, err)
		}
	}
	b.report.add(r)
	return nil
}
