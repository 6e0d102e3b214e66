package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fovea/internal/backend"
)

// doctor runs the command on a machine whose folders are empty.
func doctor(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	t.Setenv("FOVEA_SHARE", t.TempDir())
	t.Setenv("FOVEA_CACHE", t.TempDir())
	command := doctorCommand()
	var out bytes.Buffer
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs(args)
	err = command.ExecuteContext(t.Context())
	return out.String(), err
}

func TestDoctorJSON(t *testing.T) {
	t.Setenv("GOMLX_BACKEND", "go")
	t.Setenv("FOVEA_DATA", filepath.Join(t.TempDir(), "missing"))
	jupyter := t.TempDir()
	t.Setenv("JUPYTER_DATA_DIR", jupyter)
	for name, argv := range map[string]string{"ours": `["/usr/bin/fovea", "kernel"]`, "other": `["python3"]`, "broken": `[`} {
		dir := filepath.Join(jupyter, "kernels", name)
		os.MkdirAll(dir, 0o755)
		os.WriteFile(filepath.Join(dir, "kernel.json"), []byte(`{"argv": `+argv+`}`), 0o644)
	}
	out, err := doctor(t, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if r.Backend != "go" || len(r.Steps) != 6 || r.Steps[0].State != backend.Used || len(r.Devices) < 2 {
		t.Errorf("backend %q, devices %q, steps %+v", r.Backend, r.Devices, r.Steps)
	}
	if len(r.Speed) != 2 || r.Speed[0].GFLOPS <= 0 || r.Speed[1].GFLOPS <= 0 {
		t.Errorf("speed %+v", r.Speed)
	}
	if len(r.Kernels) == 0 || r.Kernels[0] != filepath.Join(jupyter, "kernels", "ours") {
		t.Errorf("kernels %v, want ours", r.Kernels)
	}
	for _, f := range r.Folders {
		if f.Name == "FOVEA_DATA" && !strings.Contains(f.Note, "no such file") {
			t.Errorf("a missing FOVEA_DATA: %+v", f)
		}
	}
}

func TestDoctorText(t *testing.T) {
	t.Setenv("GOMLX_BACKEND", "go")
	out, err := doctor(t, "--quick")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Backend: go", "GOMLX_BACKEND", "not tried", "Devices", "go-xla", "g++", "cache"} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "GFLOP/s") {
		t.Error("--quick measured")
	}
}

// What the user asked for and can't have is an error, and the report is printed all the same.
func TestDoctorWithoutBackend(t *testing.T) {
	for config, want := range map[string]string{"tpu": "no backend", "xla:/no/such/plugin.so": "no such file"} {
		t.Setenv("GOMLX_BACKEND", config)
		out, err := doctor(t)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", config, err, want)
		}
		if !strings.Contains(out, "Backend: none") || !strings.Contains(out, "failed") {
			t.Errorf("%s: report\n%s", config, out)
		}
	}
}
