package kernels

import (
	"os"
	"runtime"
	"strings"

	"fovea/kernel/session/host"
)

// A Machine is what the times depend on. It names no file or folder, so that reports can be published.
type Machine struct {
	CPU        string   `json:"cpu"`
	CPUs       int      `json:"cpus"`
	Governor   string   `json:"governor,omitempty"` // of the clock; "" where it cannot be read
	System     string   `json:"system"`
	LoadBefore string   `json:"load_before"` // over 1, 5 and 15 minutes
	LoadAfter  string   `json:"load_after"`
	Toolchain  string   `json:"toolchain"`
	Versions   []string `json:"versions"`
}

// ThisMachine describes where this runs, with its load as it is now.
func ThisMachine() Machine {
	m := Machine{CPU: "unknown", CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Toolchain: host.Release, LoadBefore: Load()}
	for line := range strings.Lines(read("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	m.Governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	if release := read("/proc/sys/kernel/osrelease"); release != "" {
		m.System += " " + release
	}
	return m
}

// Load is the machine's load average over 1, 5 and 15 minutes; "" where the system does not tell.
func Load() string {
	if fields := strings.Fields(read("/proc/loadavg")); len(fields) > 2 {
		return strings.Join(fields[:3], " ")
	}
	return ""
}

// read returns a small file's text; "" where there is none, since these are notes and not measurements.
func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
