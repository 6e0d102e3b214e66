package kernels

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

const freshName = "cell that brings a new package"

// fresh measures cells that are the first to import a package, beside 'go build' of such a package in the same round.
func (b *bench) fresh(ctx context.Context) error {
	if !b.wanted(freshName) {
		return nil
	}
	b.logf("%s: %d rounds …", freshName, b.Rounds)
	dir := filepath.Join(b.dir, "fresh")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	f, err := newFresh(ctx, dir)
	if err != nil {
		return err
	}
	if err := each(0, func(a arm) error { return b.all(a, []request{cell(f.require(), "")}) }); err != nil {
		return err
	}
	r := row{Name: freshName, About: "a copy of encoding/csv that no cache has seen, imported and called", BaseName: "go build of such a package", Goal: goal{OfBase: 1.5}}
	for round := -1; round < b.Rounds; round++ {
		err := each(round, func(a arm) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			name := fmt.Sprintf("%s%d", a, round+1)
			if err := f.add(name); err != nil {
				return err
			}
			q := f.use(a, name)
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
		name := fmt.Sprintf("build%d", round+1)
		if err := f.add(name); err != nil {
			return err
		}
		took, err := f.build(ctx, name)
		if err != nil {
			return err
		}
		if round >= 0 {
			r.Base.Samples = append(r.Base.Samples, took)
		}
	}
	if err := b.all(fovea, []request{cell("fmt.Println(kept)", "42")}); err != nil {
		return fmt.Errorf("after %q: %w", freshName, err)
	}
	b.report.add(r)
	return nil
}

// late measures cells late in a session against its first ones. All cells before declare a variable.
func (b *bench) late(ctx context.Context) error {
	name := fmt.Sprintf("cell %d", b.Cells)
	twice := fmt.Sprintf("cell %d", 2*b.Cells)
	if !b.wanted(name, twice) {
		return nil
	}
	b.logf("%s: %d rounds, after %d cells of each kernel …", name, b.Rounds, b.Cells-1)
	if err := each(0, func(a arm) error { _, err := b.open(a, requestLimit); return err }); err != nil {
		return err
	}
	sent := [arms]int{1, 1}
	run := func(a arm, code, want string) (answer, error) {
		sent[a]++
		r := cell(code, want)
		r.Kernel = a.String()
		return b.ask(r)
	}
	samples := func(r *row, base bool, which ...arm) error {
		for round := range b.Rounds {
			for i := range which {
				a := which[(i+round)%len(which)]
				if ctx.Err() != nil {
					return ctx.Err()
				}
				got, err := run(a, a.statements(fmt.Sprintf("fmt.Println(%d)\n", sent[a])), fmt.Sprint(sent[a]))
				switch {
				case err != nil:
					return err
				case !base:
					r.addAnswer(a, got)
				case a == fovea:
					r.Base.Samples = append(r.Base.Samples, got.Time)
				}
			}
		}
		return nil
	}
	fill := func(to int, which ...arm) error {
		for sent[which[0]] < to-1 {
			for _, a := range which {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if _, err := run(a, fmt.Sprintf("var v%d = []int{%d}\n", sent[a], sent[a]), ""); err != nil {
					return err
				}
			}
		}
		return nil
	}
	r := row{Name: name, About: "fmt.Println(i), after cells that each declare a variable", BaseName: fmt.Sprintf("Fovea's cells 2 to %d", b.Rounds+1), Goal: goal{OfBase: 1.2}}
	if err := samples(&r, true, fovea, gonb); err != nil {
		return err
	}
	if err := fill(b.Cells, fovea, gonb); err != nil {
		return err
	}
	if err := samples(&r, false, fovea, gonb); err != nil {
		return err
	}
	b.report.add(r)
	later := row{Name: twice, About: "the same", BaseName: r.BaseName, Base: r.Base, Goal: r.Goal}
	if err := fill(2*b.Cells, fovea); err != nil {
		return err
	}
	if err := samples(&later, false, fovea); err != nil {
		return err
	}
	b.report.add(later)
	return each(0, b.stop)
}
