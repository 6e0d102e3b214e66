package export

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fovea/kernel/session/host"
)

// Mark begins the go.mod of every exported program, to tell it from what users write.
const Mark = "// Written by 'fovea export'"

// GoMod is the go.mod of a program that was exported from a notebook.
func GoMod(path, notebook string, modules []host.Module) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s from %s.\nmodule %s\n\ngo %s\n", Mark, notebook, path, strings.TrimPrefix(host.Release, "go"))
	for _, direct := range []bool{true, false} {
		var lines []string
		for _, m := range modules {
			if m.Direct != direct || m.Version == "" && m.Replace == "" {
				continue
			}
			version, comment := m.Version, ""
			if version == "" {
				version = "v0.0.0" // what stands for it has none
			}
			if !direct {
				comment = " // indirect"
			}
			lines = append(lines, fmt.Sprintf("\t%s %s%s\n", m.Path, version, comment))
		}
		if lines != nil {
			b.WriteString("\nrequire (\n" + strings.Join(lines, "") + ")\n")
		}
	}
	for _, m := range modules {
		if m.Replace != "" {
			to := m.Replace
			if filepath.IsAbs(to) {
				to = strconv.Quote(to)
			}
			fmt.Fprintf(&b, "\nreplace %s => %s\n", m.Path, to)
		}
	}
	return b.String()
}

// GoSum are the lines of a go.sum that the program needs: all hashes of go.mod files, which the go command reads to
// choose versions, and those of the modules themselves.
func GoSum(sums string, modules []host.Module) string {
	if !slices.ContainsFunc(modules, func(m host.Module) bool { return m.Version != "" }) {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(sums) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		if strings.HasSuffix(fields[1], "/go.mod") || slices.ContainsFunc(modules, func(m host.Module) bool { return m.Path == fields[0] && m.Version == fields[1] }) {
			b.WriteString(line)
		}
	}
	return b.String()
}
