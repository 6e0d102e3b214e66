package celltest_test

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"fovea/kernel/celltest"
)

// The suite runs in a process of its own: package testing is busy with this one.
func TestRun(t *testing.T) {
	if os.Getenv("CELLTEST_CHILD") != "" {
		t.Skip("in the child")
	}
	for _, c := range []struct {
		args   string
		status int
		want   []string
		not    []string
	}{
		{"-test.v -test.run=^TestGood$", 0, []string{"--- PASS: TestGood (", "PASS\n"}, []string{"TestPanics"}},
		{"-v -run Good", 0, []string{"--- PASS: TestGood ("}, []string{"TestPanics"}},
		{"", 1, []string{"--- FAIL: TestPanics", "panic: boom", "--- FAIL: TestPanics/inner", "panic: inside", "the test has ended its goroutine", "FAIL\n"}, nil},
		{"-run FuzzSeeds -v", 0, []string{"--- PASS: FuzzSeeds", "FuzzSeeds/seed#0"}, nil},
		{"-run ExampleGood", 0, nil, nil},
		{"-run ExampleBad", 1, []string{"got:\nhello", "want:\nbye"}, nil},
		{"-run ^$ -bench . -benchtime 3x", 0, []string{"BenchmarkLoop", "       3\t"}, nil},
		{"-nosuch", 2, []string{"flag provided but not defined: -nosuch"}, nil},
		{"-fuzz .", 2, []string{"needs a program of its own"}, nil},
	} {
		command := exec.Command(os.Args[0], "-test.run=^TestChild$")
		command.Env = append(os.Environ(), "CELLTEST_CHILD=1 "+c.args)
		out, _ := command.CombinedOutput()
		if got := command.ProcessState.ExitCode(); got != c.status {
			t.Errorf("%q: status %d, want %d\n%s", c.args, got, c.status, out)
		}
		for _, text := range c.want {
			if !strings.Contains(string(out), text) {
				t.Errorf("%q: no %q in\n%s", c.args, text, out)
			}
		}
		for _, text := range c.not {
			if strings.Contains(string(out), text) {
				t.Errorf("%q: %q in\n%s", c.args, text, out)
			}
		}
	}
}

func TestMain(m *testing.M) {
	args := strings.Fields(os.Getenv("CELLTEST_CHILD"))
	if len(args) == 0 {
		os.Exit(m.Run())
	}
	os.Exit(celltest.Run(args[1:], celltest.Suite{
		Tests: []testing.InternalTest{
			{Name: "TestGood", F: func(t *testing.T) {
				t.Run("skips", func(t *testing.T) { t.Skip("not now") })
			}},
			{Name: "TestPanics", F: func(t *testing.T) {
				t.Run("inner", celltest.Guard(func(t *testing.T) { panic("inside") }))
				t.Run("fatal", celltest.Guard(func(t *testing.T) { t.Fatal("said so") }))
				panic("boom")
			}},
			{Name: "TestEnds", F: func(t *testing.T) { runtime.Goexit() }},
		},
		Benchmarks: []testing.InternalBenchmark{{Name: "BenchmarkLoop", F: func(b *testing.B) {
			for b.Loop() {
			}
		}}},
		Fuzz: []testing.InternalFuzzTarget{{Name: "FuzzSeeds", Fn: func(f *testing.F) {
			f.Add(3)
			f.Fuzz(func(t *testing.T, n int) {
				if n != 3 {
					t.Error(n)
				}
			})
		}}},
		Examples: []testing.InternalExample{
			{Name: "ExampleGood", F: func() { os.Stdout.WriteString("hello\n") }, Output: "hello\n"},
			{Name: "ExampleBad", F: func() { os.Stdout.WriteString("hello\n") }, Output: "bye\n"},
		},
	}))
}
