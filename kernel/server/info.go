package server

import (
	"fmt"
	"os"
	"time"

	"fovea/kernel/wire"
)

func (s *Server) info() wire.KernelInfoReply {
	return wire.KernelInfoReply{
		OK:                    wire.Good,
		ProtocolVersion:       wire.ProtocolVersion,
		Implementation:        "fovea",
		ImplementationVersion: s.options.Version,
		Banner: fmt.Sprintf("Fovea %s, Go %s. Values stay alive from cell to cell.",
			s.options.Version, s.options.GoVersion),
		SupportedFeatures: []string{"kernel subshells"},
		Language: wire.LanguageInfo{
			Name:           "go",
			Version:        s.options.GoVersion,
			MIMEType:       "text/x-go",
			FileExtension:  ".go",
			PygmentsLexer:  "go",
			CodeMirrorMode: "go",
			Exporter:       "script",
		},
		HelpLinks: []wire.HelpLink{
			{Text: "Go packages", URL: "https://pkg.go.dev"},
			{Text: "The Go language", URL: "https://go.dev/ref/spec"},
			{Text: "GoMLX", URL: "https://github.com/gomlx/gomlx"},
		},
	}
}

// parentPoll is how often the parent process is looked for.
const parentPoll = time.Second

// watchParent ends the server when the process that started it has ended without a word, so that no kernel is left over.
func (s *Server) watchParent() {
	parent := s.options.Parent
	// A parent that cannot be seen from the start lives elsewhere, outside a container, say.
	if parent <= 1 || !alive(parent) {
		return
	}
	direct := os.Getppid() == parent
	tick := time.NewTicker(parentPoll)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		if direct && os.Getppid() != parent || !alive(parent) {
			s.log(fmt.Sprintf("the process %d that started the kernel has ended: the kernel ends too", parent))
			s.end()
			return
		}
	}
}
