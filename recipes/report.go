package recipes

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"fovea/internal/atomicfile"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"class": func(v Verdict) string { return strings.ReplaceAll(string(v), " ", "") },
	"json": func(raw json.RawMessage) (string, error) {
		var b bytes.Buffer
		err := json.Indent(&b, raw, "", "  ")
		return b.String(), err
	},
}).Parse(reportPage))

// reportName is the file that a report is written to, beside result.json.
const reportName = "report.html"

type reportClaim struct {
	ClaimResult
	Pictures []reportPicture
}

type reportPicture struct {
	Name string
	URL  template.URL
}

// WriteReport writes a result as a page, report.html, into the folder of its figures. Everything is in the one file, the
// pictures too, so that it can be sent or kept without the folder.
func (e *Entry) WriteReport(r *Result, folder string) error {
	page := struct {
		Paper  Paper
		Card   string
		Result *Result
		Claims []reportClaim
	}{e.Paper, Card(e.Name), r, nil}
	for _, c := range r.Claims {
		claim := reportClaim{ClaimResult: c}
		for _, name := range c.Figures {
			data, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				return fmt.Errorf("report of %s: %w", e.Name, err)
			}
			// Of our own pictures, so the address is safe whatever the picture shows.
			url := "data:" + http.DetectContentType(data) + ";base64," + base64.StdEncoding.EncodeToString(data)
			claim.Pictures = append(claim.Pictures, reportPicture{strings.TrimSuffix(name, filepath.Ext(name)), template.URL(url)})
		}
		page.Claims = append(page.Claims, claim)
	}
	var b bytes.Buffer
	if err := reportTemplate.Execute(&b, page); err != nil {
		return fmt.Errorf("report of %s: %w", e.Name, err)
	}
	return atomicfile.WriteBytes(filepath.Join(folder, reportName), b.Bytes())
}
