package backend

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
)

// fake is a machine without plugins, GPU or network. Its folders are real and empty.
func fake(t *testing.T, config string, files ...string) (machine, string) {
	dir := t.TempDir()
	for _, name := range files {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return machine{
		getenv:  func(name string) string { return map[string]string{compute.ConfigEnvVar: config}[name] },
		folders: func() []string { return []string{"/no/such/folder", "relative", dir} },
		gpu:     func() string { return "" },
		probe: func(_ context.Context, plugin string) error {
			if strings.Contains(filepath.Base(plugin), "broken") {
				return errors.New("it crashes")
			}
			_, err := os.Stat(plugin)
			return err
		},
		release: func(context.Context) (string, error) { return "", errors.New("can't be reached") },
		wheel:   func(context.Context) (string, error) { return "", errors.New("no C++ compiler") },
	}, dir
}

const (
	cpu  = "pjrt_c_api_cpu_plugin.so"
	cuda = "pjrt_c_api_cuda_plugin.so"
)

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		name    string
		config  string
		files   []string
		change  func(m *machine)
		install bool

		want    string // Name
		plugin  string // base name; "" for none
		options string // end of Config
		states  string // of the steps, in order: u(sed) s(kipped) f(ailed) n(ot tried)
		err     string
		warning bool
	}{
		{name: "nothing there", want: "go", options: ":ops_sequential", states: "sssssu", warning: true},
		{name: "nothing can be installed", install: true, want: "go", states: "sssffu", warning: true},
		{name: "a CPU plugin", files: []string{cpu}, want: "xla:cpu", plugin: cpu, states: "ssunnn"},
		{name: "a CUDA plugin without a GPU is left alone", files: []string{cpu, cuda}, want: "xla:cpu", plugin: cpu, states: "ssunnn"},
		{name: "CUDA first", files: []string{cpu, cuda}, change: func(m *machine) { m.gpu = func() string { return "/dev/nvidia0" } },
			want: "xla:cuda", plugin: cuda, states: "sunnnn"},
		{name: "a GPU without a plugin is a failure to tell", files: []string{cpu}, change: func(m *machine) { m.gpu = func() string { return "/dev/nvidia0" } },
			want: "xla:cpu", plugin: cpu, states: "sfunnn", warning: true},
		{name: "a broken plugin is passed over", files: []string{"pjrt_c_api_cpu_v0.1.broken_plugin.so", "pjrt_c_api_cpu_v0.2.0_plugin.so"},
			want: "xla:cpu", plugin: "pjrt_c_api_cpu_v0.2.0_plugin.so", states: "ssunnn"},
		{name: "only a broken plugin", files: []string{"pjrt_c_api_cpu_v0.1.broken_plugin.so"}, want: "go", states: "ssfssu", warning: true},
		{name: "the release is installed", install: true, change: func(m *machine) {
			m.release = func(context.Context) (string, error) { return "/share/" + cpu, nil }
		}, want: "xla:cpu", plugin: cpu, states: "sssunn"},
		{name: "the wheel is built", install: true, change: func(m *machine) {
			m.wheel = func(context.Context) (string, error) { return "/share/" + cpu, nil }
		}, want: "xla:cpu", plugin: cpu, states: "sssfun"},

		{name: "user: go", config: "go", files: []string{cpu}, want: "go", options: ":ops_sequential", states: "unnnnn"},
		{name: "user: go with options", config: "go:parallelism=2", want: "go", options: "go:parallelism=2", states: "unnnnn"},
		{name: "user: xla:cpu is found", config: "xla:cpu,shared_buffers=false", files: []string{cpu}, want: "xla:cpu", plugin: cpu,
			options: ",shared_buffers=false", states: "ssunnn"},
		{name: "user: xla leaves it open", config: "xla", files: []string{cpu}, want: "xla:cpu", plugin: cpu, states: "ssunnn"},
		{name: "user: xla:cuda is never answered by the CPU", config: "xla:cuda", files: []string{cpu}, states: "sssssn", err: "not on this machine"},
		{name: "user: xla:cpu that can't be had", config: "xla:cpu", install: true, states: "sssffn", err: "no C++ compiler"},
		{name: "user: another plugin", config: "xla:rocm", files: []string{"pjrt_c_api_rocm_plugin.so"}, want: "xla:rocm",
			plugin: "pjrt_c_api_rocm_plugin.so", states: "ussss"},
		{name: "user: a path that isn't there", config: "xla:/no/such.so", states: "fnnnnn", err: "no such file"},
		{name: "user: no such backend", config: "tpu", states: "fnnnnn", err: `no backend "tpu"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, _ := fake(t, test.config, test.files...)
			if test.change != nil {
				test.change(&m)
			}
			choice, err := resolver{Options{Install: test.install}, m}.resolve(t.Context())
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			var states strings.Builder
			for _, s := range choice.Steps {
				states.WriteString(string(s.State[:1]))
				if s.Reason == "" && s.State != NotTried {
					t.Errorf("%s is %s without a reason", s.Name, s.State)
				}
			}
			if got := states.String(); got != test.states {
				t.Errorf("states %s, want %s: %+v", got, test.states, choice.Steps)
			}
			if err != nil {
				return
			}
			if choice.Name != test.want {
				t.Errorf("chose %s, want %s", choice.Name, test.want)
			}
			if test.plugin != "" && (filepath.Base(choice.Plugin) != test.plugin || choice.Config != "xla:"+choice.Plugin+test.options) {
				t.Errorf("plugin %s, config %s; want %s with options %q", choice.Plugin, choice.Config, test.plugin, test.options)
			}
			if test.plugin == "" && !strings.HasPrefix(choice.Config, "go") || !strings.HasSuffix(choice.Config, test.options) {
				t.Errorf("config %s", choice.Config)
			}
			if (choice.Warning != "") != test.warning || strings.Contains(choice.Warning, "\n") {
				t.Errorf("warning %q, want one line: %v", choice.Warning, test.warning)
			}
			if env := choice.Env(); !slices.Contains(env, "GOMLX_BACKEND="+choice.Config) || !slices.Contains(env, "GOMLX_NO_AUTO_INSTALL=1") {
				t.Errorf("environment %v", env)
			}
		})
	}
}

func TestResolveIsInterrupted(t *testing.T) {
	m, _ := fake(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	m.wheel = func(context.Context) (string, error) { cancel(); return "", errors.New("killed") }
	if _, err := (resolver{Options{Install: true}, m}).resolve(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled and not a quiet change to the Go backend", err)
	}
}

func TestPluginName(t *testing.T) {
	for file, want := range map[string]string{
		"/a/pjrt_c_api_cpu_plugin.so":          "cpu",
		"/a/pjrt_c_api_cpu_v0.114.0_plugin.so": "cpu",
		"/a/pjrt_c_api_cuda_plugin.so":         "cuda",
		"/a/pjrt-plugin-tpu.so":                "tpu",
		"/a/pjrt_c_api_my_very_own_plugin.so":  "my_very_own",
		"/a/own.so":                            "own",
	} {
		if got := pluginName(file); got != want {
			t.Errorf("pluginName(%s) = %s, want %s", file, got, want)
		}
	}
}

func TestPluginFoldersFollowTheEnvironment(t *testing.T) {
	t.Setenv("FOVEA_SHARE", t.TempDir())
	t.Setenv("PJRT_PLUGIN_LIBRARY_PATH", "/first:/second")
	folders := pluginFolders()
	if len(folders) != 4 || folders[0] != "/first" || folders[1] != "/second" || !strings.HasPrefix(folders[2], os.Getenv("FOVEA_SHARE")) {
		t.Errorf("folders %v, want the two that are set and Fovea's two", folders)
	}
}

func TestLoaderFolders(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "x.conf")
	os.WriteFile(conf, []byte("# comment\n/opt/lib\n\ninclude other/*.conf\n  /usr/lib/x \n"), 0o644)
	if got := loaderFolders(conf, "/no/such/*.conf"); !slices.Equal(got, []string{"/opt/lib", "/usr/lib/x"}) {
		t.Errorf("got %v", got)
	}
}

func TestOpenUnknown(t *testing.T) {
	if _, err := Open("nonsense:x"); err == nil || !strings.Contains(err.Error(), "xla:cpu") {
		t.Errorf("got %v, want an error that lists what can be", err)
	}
}

// A plugin that is no library, or that crashes, ends in an error of this process and in nothing worse.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	if err := probe(t.Context(), filepath.Join(dir, cpu)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	text := filepath.Join(dir, "text", cpu)
	os.Mkdir(filepath.Dir(text), 0o755)
	os.WriteFile(text, []byte("half a download"), 0o644)
	if err := probe(t.Context(), text); err == nil || !strings.Contains(err.Error(), "doesn't run here") {
		t.Errorf("a text file: %v", err)
	}
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc to make a plugin that crashes")
	}
	crash := filepath.Join(dir, cpu)
	source := filepath.Join(dir, "crash.c")
	os.WriteFile(source, []byte("const void* GetPjrtApi(void) { __builtin_trap(); }\n"), 0o644)
	if out, err := exec.Command(gcc, "-shared", "-fPIC", "-o", crash, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := probe(t.Context(), crash); err == nil || !strings.Contains(err.Error(), "doesn't run here") {
		t.Errorf("a plugin that crashes: %v", err)
	}
}
