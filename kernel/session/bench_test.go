//go:build linux

package session

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkCell prints what cells cost from source to result, as p50 and p95 in milliseconds.
//
//	go test ./kernel/session -run '^$' -bench Cell -benchtime 50x
func BenchmarkCell(b *testing.B) {
	s := openTest(b, Options{Packages: gomlxPackages, Env: []string{"GOMLX_BACKEND=go", "GOMLX_NO_AUTO_INSTALL=1"}})
	n := 0
	run := func(b *testing.B, source string) time.Duration {
		n++
		result := s.Execute(b.Context(), Cell{Number: n, Source: source}, &recorder{})
		if result.Err != nil {
			b.Fatal(result.Err)
		}
		return result.Timing.Total
	}
	run(b, `
import (
	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/model"
)
backend := compute.MustNew()
exec := MustNewExec(backend, func(x *Node) *Node { return AddScalar(x, 1) })
func changing() int { return 0 }
func caller() int { return changing() }`)
	for _, c := range []struct {
		name   string
		source func(i int) string
	}{
		{"fmt", func(i int) string { return fmt.Sprintf("fmt.Println(%d)", i) }},
		{"variable", func(i int) string { return fmt.Sprintf("v%d := []int{%d}", i, i) }},
		{"gomlx call", func(i int) string { return fmt.Sprintf("exec.MustCall(float32(%d))[0]", i) }},
		{"gomlx network", func(i int) string {
			return fmt.Sprintf(`func net%d(s *model.Scope, x *Node) *Node {
	x = Tanh(layers.Dense(s.In("h"), x, true, 16))
	x = MaxPool(Reshape(x, 1, 4, 4, -1)).Window(2).Done()
	return layers.Dense(s.In("out"), Reshape(x, 1, -1), true, %d)
}`, i, i+1)
		}},
		{"redefinition", func(i int) string { return fmt.Sprintf("func changing() int { return %d }", i) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				took = append(took, run(b, c.source(i)))
			}
			report(b, took)
		})
	}
	b.Run("300th", func(b *testing.B) {
		for n < 300 {
			run(b, fmt.Sprintf("w%d := %d", n, n))
		}
		var took []time.Duration
		for b.Loop() {
			took = append(took, run(b, "fmt.Println(1)"))
		}
		report(b, took)
	})
}

// BenchmarkOpen prints what it costs to open a session whose host library is in the cache.
func BenchmarkOpen(b *testing.B) {
	openTest(b, Options{Packages: gomlxPackages})
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		s := openTest(b, Options{Packages: gomlxPackages})
		took = append(took, time.Since(begun))
		s.Close()
	}
	report(b, took)
}

func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.95), "p95-ms")
	b.ReportMetric(0, "ns/op")
}
