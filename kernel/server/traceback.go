package server

import (
	"regexp"
	"strings"
)

// Colours of a traceback, of those that frontends show legibly on their red ground, in the light and in the dark.
const (
	bold   = "\x1b[1m"
	green  = "\x1b[32m"
	red    = "\x1b[1;31m"
	normal = "\x1b[0m"
)

var (
	tracePlace = regexp.MustCompile(`^In\[\d+\](:\d+)*`)
	traceCaret = regexp.MustCompile(`^\s*\^$`)
)

// coloured sets off what a reader of a traceback looks for first: what happened, where, and the caret below the place.
// Everything else stays as it is, and so does a line that brings colours of its own.
func coloured(traceback []string) []string {
	out := make([]string, len(traceback))
	for i, line := range traceback {
		place := tracePlace.FindString(line)
		switch rest := line[len(place):]; {
		case strings.Contains(line, "\x1b") || line == "":
			out[i] = line
		case place != "":
			out[i] = green + place + normal
			if message, ok := strings.CutPrefix(rest, ": "); ok {
				rest = ": " + bold + message + normal
			}
			out[i] += rest
		case traceCaret.MatchString(line):
			out[i] = red + line + normal
		case i == 0:
			out[i] = bold + line + normal
		default:
			out[i] = line
		}
	}
	return out
}
