// Package session executes the cells of a notebook as compiled Go, and keeps their values alive from one to the next.
//
//	s, err := session.Open(ctx, session.Options{ModuleDir: dir})
//	result := s.Execute(ctx, session.Cell{Number: 1, Source: "x := 41"}, out)
//	result = s.Execute(ctx, session.Cell{Number: 2, Source: "x + 1"}, out) // out.Result gets 42
//
// Package front checks a cell and rewrites it as a Go package, package host compiles and links it, and the worker, a
// process of its own, loads and runs it. The README of fovea/kernel tells the whole way and what holds.
package session
