package client

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// A Sanitizer replaces what every run changes before texts are compared. Rules are applied in order.
type Sanitizer struct{ rules []sanitizeRule }

type sanitizeRule struct {
	match   *regexp.Regexp
	replace string
}

// builtInSanitizer knows addresses, points in time, durations, and files in temporary folders.
var builtInSanitizer = &Sanitizer{[]sanitizeRule{
	{regexp.MustCompile(`\b0x[0-9a-fA-F]{6,16}\b`), "ADDRESS"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|UTC|[+-]\d\d:?\d\d))?( [A-Z]{3,4})?( m=[+-]\d+\.\d+)?)?`), "TIME"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "TIME"},
	{regexp.MustCompile(`\b\d+:\d\d min\b`), "DURATION"},
	{regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)? ?(ns|µs|μs|us|ms|s|min)\b`), "DURATION"},
	{regexp.MustCompile(`/tmp/[^\s"':,;)\]]+`), "TEMPORARY"},
}}

// Clean applies the rules to a line.
func (s *Sanitizer) Clean(line string) string {
	for _, r := range s.rules {
		line = r.match.ReplaceAllString(line, r.replace)
	}
	return line
}

// ReadSanitizer reads rules from a file in the form that nbval has, and puts them before those that are built in:
//
//	[any name]
//	regex: \d+ images a second
//	replace: RATE
//
// Expressions are Go's; \1 and ${1} in the replacement name a group.
func ReadSanitizer(path string) (*Sanitizer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("rules for comparing: %w", err)
	}
	var rules []sanitizeRule
	var pattern *regexp.Regexp
	for n, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		wrong := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", path, n+1, fmt.Sprintf(format, args...))
		}
		if line == "" || line[0] == '#' || line[0] == ';' || line[0] == '[' {
			if line != "" && line[0] == '[' && pattern != nil {
				return nil, wrong("the rule before has a regex and no replace")
			}
			continue
		}
		at := strings.IndexAny(line, ":=")
		if at < 0 {
			return nil, wrong("write 'regex: EXPRESSION' and 'replace: TEXT'")
		}
		value := strings.TrimSpace(line[at+1:])
		switch key := strings.TrimSpace(line[:at]); {
		case key == "regex":
			if pattern, err = regexp.Compile(value); err != nil {
				return nil, wrong("%v", err)
			}
		case key == "replace" && pattern != nil:
			rules = append(rules, sanitizeRule{pattern, pythonGroup.ReplaceAllString(value, "$${$1}")})
			pattern = nil
		case key == "replace":
			return nil, wrong("a replace without a regex before it")
		default:
			return nil, wrong("%q is neither regex nor replace", key)
		}
	}
	if pattern != nil {
		return nil, fmt.Errorf("%s: the last rule has a regex and no replace", path)
	}
	return &Sanitizer{append(rules, builtInSanitizer.rules...)}, nil
}

var pythonGroup = regexp.MustCompile(`\\(\d)`)

var numeral = regexp.MustCompile(`[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?`)

// sameNumbers reports whether two lines read the same but for numbers, and these are close.
func sameNumbers(a, b string, tolerance float64) bool {
	if numeral.ReplaceAllString(a, "#") != numeral.ReplaceAllString(b, "#") {
		return false
	}
	inA, inB := numeral.FindAllString(a, -1), numeral.FindAllString(b, -1)
	for i := range inA {
		x, errX := strconv.ParseFloat(inA[i], 64)
		y, errY := strconv.ParseFloat(inB[i], 64)
		if errX != nil || errY != nil || math.Abs(x-y) > tolerance*max(math.Abs(x), math.Abs(y)) {
			return false
		}
	}
	return true
}
