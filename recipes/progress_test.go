package recipes

import (
	"strings"
	"testing"
	"time"
)

func TestLineProgress(t *testing.T) {
	var out strings.Builder
	clock := time.Unix(0, 0)
	p := lineProgress(&out, 5*time.Second, func() time.Time { return clock })
	for i := range 21 {
		p(i, 20, "training")
		clock = clock.Add(time.Second)
	}
	if got, want := out.String(), "0/20 training\n5/20 training\n10/20 training\n15/20 training\n20/20 training\n"; got != want {
		t.Errorf("wrote\n%swant\n%s", got, want)
	}
}

func TestTerminalProgressInANotebookIsABar(t *testing.T) {
	var log, notebook strings.Builder
	TerminalProgress(&log)(3, 3, "done")
	t.Setenv("FOVEA_KERNEL", "1")
	p := TerminalProgress(&notebook)
	p(0, 3, "training")
	p(3, 3, "done")
	if strings.Contains(log.String(), "\r") || log.String() != "3/3 done\n" {
		t.Errorf("a log got %q", log.String())
	}
	if !strings.Contains(notebook.String(), "\r") || !strings.Contains(notebook.String(), "3/3") || !strings.HasSuffix(notebook.String(), "\n") {
		t.Errorf("a notebook got %q", notebook.String())
	}
}
