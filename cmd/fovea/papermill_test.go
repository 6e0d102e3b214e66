package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The wheel is what pip expects: every file is in its list with hash and size.
func TestPapermillWheel(t *testing.T) {
	dir := t.TempDir()
	out, err := kernelRun(t, "papermill", "--dir", dir)
	if err != nil {
		t.Fatal(err)
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "fovea_papermill-*-py3-none-any.whl"))
	if err != nil || len(wheels) != 1 || !strings.Contains(out, "pip install "+wheels[0]) {
		t.Fatalf("%v, %v\n%s", wheels, err, out)
	}
	data, err := os.ReadFile(wheels[0])
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	record, lines, points := "", []string{}, ""
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Name, ".dist-info/RECORD") {
			record = string(content)
			lines = append(lines, f.Name+",,\n")
			continue
		}
		if strings.HasSuffix(f.Name, ".dist-info/entry_points.txt") {
			points = string(content)
		}
		sum := sha256.Sum256(content)
		lines = append(lines, fmt.Sprintf("%s,sha256=%s,%d\n", f.Name, base64.RawURLEncoding.EncodeToString(sum[:]), len(content)))
	}
	if record != strings.Join(lines, "") {
		t.Errorf("RECORD is\n%s\nthe files are\n%s", record, strings.Join(lines, ""))
	}
	if !strings.Contains(points, "[papermill.engine]\nfovea = fovea_papermill:Engine") {
		t.Errorf("entry points:\n%s", points)
	}
}

func TestPapermillNeedsItsPython(t *testing.T) {
	if _, err := kernelRun(t, "papermill", "--dir", t.TempDir(), "--python", "/does/not/exist"); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("got %v", err)
	}
}
