package backend_test

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"fovea/internal/backend"
	"fovea/internal/backend/backendtest"
)

// A step's memory stays with the process: running a program again touches few pages that the system must clear first.
func TestStepsUseTheirMemoryAgain(t *testing.T) {
	const rows, columns, steps, page = 8192, 2048, 40, 4096
	skipIfTuned(t)
	b := backendtest.SkipWithoutXLA(t)
	exec := graph.MustNewExec(b, func(x *graph.Node) *graph.Node { // a product reads 64 MB that only this program has
		large := graph.Add(x, graph.Iota(x.Graph(), shapes.Make(dtypes.Float32, rows, columns), 1))
		return graph.ReduceAllSum(graph.Dot(large, graph.Ones(x.Graph(), shapes.Make(dtypes.Float32, columns, 2))).Product())
	})
	defer exec.Finalize()
	run := func() {
		exec.MustCall1(float32(1)).MustFinalizeAll()
	}
	faults := func() int64 {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Skip(err)
		}
		return int64(usage.Minflt)
	}
	run()
	before := faults()
	for range steps {
		run()
	}
	if got, all := faults()-before, int64(steps*rows*columns*4/page); got > all/4 {
		t.Errorf("%d pages were new in %d steps, of %d that they use", got, steps, all)
	}
}

func skipIfTuned(t *testing.T) {
	t.Helper()
	if i := slices.IndexFunc(os.Environ(), backend.TunesMemory); i >= 0 {
		t.Skipf("the environment has settings of its own: %s", os.Environ()[i])
	}
}

// A child process gets the settings, unless the user has made some.
func TestChildrenKeepMemory(t *testing.T) {
	has := func(c backend.Choice) bool {
		return slices.ContainsFunc(c.Env(), func(v string) bool { return strings.HasPrefix(v, "GLIBC_TUNABLES=glibc.malloc.") })
	}
	skipIfTuned(t)
	xla := backend.Choice{Config: "xla:cpu", Plugin: "/plugin.so"}
	if !has(xla) {
		t.Errorf("the environment of a child is %v", xla.Env())
	}
	if has(backend.Choice{Config: "go"}) {
		t.Error("the Go backend takes no memory from the C library")
	}
	t.Setenv("GLIBC_TUNABLES", "")
	if has(xla) {
		t.Errorf("with the user's own settings the environment of a child is %v", xla.Env())
	}
}

// A program starts anew once, with the same arguments and the settings.
func TestRestart(t *testing.T) {
	if os.Getenv("FOVEA_TEST_RESTART") != "" {
		backend.Restart()
		os.Stdout.WriteString("tunables " + os.Getenv("GLIBC_TUNABLES") + "\n")
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("the settings are glibc's, on Linux")
	}
	for name, c := range map[string]struct {
		set  []string
		want string
	}{
		"untouched": {nil, "glibc.malloc.hugetlb=1"},
		"user's":    {[]string{"GLIBC_TUNABLES=glibc.malloc.check=0"}, "tunables glibc.malloc.check=0\n"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestRestart$", "-test.count=1")
		cmd.Env = slices.DeleteFunc(os.Environ(), backend.TunesMemory)
		cmd.Env = append(append(cmd.Env, "FOVEA_TEST_RESTART=1"), c.set...)
		out, err := cmd.CombinedOutput()
		if err != nil || bytes.Count(out, []byte("tunables ")) != 1 || !bytes.Contains(out, []byte(c.want)) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
