package client

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fovea/internal/atomicfile"
)

// A Suite is one notebook's part in a JUnit report.
type Suite struct {
	Notebook *Notebook
	Report   Report
	Started  time.Time         // zero: it was not started
	Err      error             // what kept the notebook from running, or its result from being written; nil: nothing
	Facts    map[string]string // such as the backend
}

// WriteJUnit writes a report that build servers read: a test suite for each notebook, a test case for each code cell.
// The file is written whole, or not at all.
func WriteJUnit(path string, suites []Suite) error {
	all := junitSuites{Name: "fovea"}
	for _, s := range suites {
		suite := s.junit()
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Skipped += suite.Skipped
		all.seconds += s.Report.Duration
		all.Suites = append(all.Suites, suite)
	}
	all.Time = junitTime(all.seconds)
	data, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("JUnit report: %w", err)
	}
	return atomicfile.WriteBytes(path, []byte(xml.Header+string(data)+"\n"))
}

type junitSuites struct {
	XMLName xml.Name `xml:"testsuites"`
	Name    string   `xml:"name,attr"`
	junitCounts
	Time    string       `xml:"time,attr"`
	Suites  []junitSuite `xml:"testsuite"`
	seconds time.Duration
}

type junitCounts struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
}

type junitSuite struct {
	Name string `xml:"name,attr"`
	junitCounts
	Time       string           `xml:"time,attr"`
	Timestamp  string           `xml:"timestamp,attr,omitempty"`
	Properties *junitProperties `xml:"properties"`
	Cases      []junitCase      `xml:"testcase"`
}

type junitProperties struct {
	List []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr"`
	Time    string        `xml:"time,attr"`
	Skipped *junitMessage `xml:"skipped"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Out     *junitText    `xml:"system-out"`
	Err     *junitText    `xml:"system-err"`
}

type junitMessage struct {
	Message string `xml:"message,attr,omitempty"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",cdata"`
}

// junitText keeps its lines, which people read too.
type junitText struct {
	Text string `xml:",cdata"`
}

func newJUnitText(s string) *junitText {
	if s == "" {
		return nil
	}
	return &junitText{plainXML(s)}
}

func (s Suite) junit() junitSuite {
	out := junitSuite{Name: s.Notebook.Path, Time: junitTime(s.Report.Duration)}
	if !s.Started.IsZero() {
		out.Timestamp = s.Started.UTC().Format("2006-01-02T15:04:05")
	}
	for _, name := range sortedKeys(s.Facts) {
		if out.Properties == nil {
			out.Properties = &junitProperties{}
		}
		out.Properties.List = append(out.Properties.List, junitProperty{name, s.Facts[name]})
	}
	reports := map[int]CellReport{}
	for _, c := range s.Report.Cells {
		reports[c.Index] = c
	}
	add := func(c junitCase) {
		c.Class, c.File = s.Notebook.Name(), s.Notebook.Path
		out.Tests++
		switch {
		case c.Error != nil:
			out.Errors++
		case c.Failure != nil:
			out.Failures++
		case c.Skipped != nil:
			out.Skipped++
		}
		out.Cases = append(out.Cases, c)
	}
	if s.Err != nil {
		add(junitCase{Name: "notebook", Time: junitTime(0), Error: &junitMessage{Message: oneLine(s.Err.Error(), 300), Type: "Error", Text: plainXML(s.Err.Error())}})
	}
	n := 0
	for i, cell := range s.Notebook.Cells {
		if cell.Type != "code" || strings.TrimSpace(cell.Source) == "" {
			continue
		}
		n++
		title := oneLine(s.Notebook.Title(i), 120)
		report, ran := reports[i]
		if !ran {
			why := "not run: the notebook ended before"
			switch {
			case cell.skipped():
				why = "the cell's tag says " + TagSkip
			case s.Started.IsZero():
				why = "not run: the notebook was not started"
			}
			add(junitCase{Name: fmt.Sprintf("cell %d: %s", n, title), Time: junitTime(0), Skipped: &junitMessage{Message: why}})
			continue
		}
		c := junitCase{Name: fmt.Sprintf("cell %d: %s", n, title), Time: junitTime(report.Duration),
			Out: newJUnitText(cell.printed("stdout")), Err: newJUnitText(cell.printed("stderr"))}
		switch {
		case report.Err != nil && !report.Expected:
			c.Failure = &junitMessage{Message: oneLine(report.Err.Error(), 300), Type: report.Err.Name, Text: plainXML(report.ErrorText())}
		case report.Diff != "":
			c.Failure = &junitMessage{Message: "the outputs are not those that the notebook holds", Type: "OutputsDiffer", Text: plainXML(report.Diff)}
		}
		add(c)
	}
	return out
}

// printed is the text that the cell wrote to a stream.
func (c *Cell) printed(stream string) string {
	var all strings.Builder
	for _, o := range c.output {
		if o.doc["output_type"] == "stream" && o.doc["name"] == stream {
			s, _ := multiline(o.doc["text"])
			all.WriteString(s)
		}
	}
	return all.String()
}

// plainXML takes out what XML cannot hold: colours and control characters.
func plainXML(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0xFFFE || r == 0xFFFF {
			return -1
		}
		return r
	}, stripANSI(s))
}

func junitTime(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
