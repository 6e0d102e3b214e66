package session

import (
	"fmt"
	"strings"
)

// refusedFlags says why a flag of go build does nothing for packages that cells import.
var refusedFlags = map[string]string{
	"race": "the worker's runtime has no race detector", "msan": "the worker's runtime is built without it", "asan": "the worker's runtime is built without it",
	"cover": "the kernel measures no coverage", "ldflags": "packages are linked by the kernel", "linkshared": "packages are linked by the kernel",
	"buildmode": "packages are linked by the kernel", "mod": "the kernel keeps go.mod, see %autoget", "modfile": "the kernel keeps go.mod, see %autoget",
	"C": "the kernel chooses the folder", "o": "the kernel chooses where things go", "a": "%restart compiles what has changed",
}

// CheckFlags brings flags of go build into the form -name=value. Those that the compilation of packages has no use for are
// refused with the reason.
func CheckFlags(flags []string) (checked []string, err error) {
	for i := 0; i < len(flags); i++ {
		name, value, given := strings.Cut(strings.TrimLeft(flags[i], "-"), "=")
		if !strings.HasPrefix(flags[i], "-") || name == "" {
			return nil, fmt.Errorf("%q is no flag: write -tags=a,b, or -gcflags=… in double quotes when it has spaces", flags[i])
		}
		switch name {
		case "tags", "gcflags", "asmflags":
		default:
			reason := refusedFlags[name]
			if reason == "" {
				reason = "packages are compiled for the kernel, not by go build"
			}
			return nil, fmt.Errorf("-%s does not go here: %s. What does: -tags, -gcflags, -asmflags", name, reason)
		}
		if !given {
			if i+1 == len(flags) {
				return nil, fmt.Errorf("-%s needs a value", name)
			}
			i++
			value = flags[i]
		}
		checked = append(checked, "-"+name+"="+value)
	}
	return checked, nil
}
