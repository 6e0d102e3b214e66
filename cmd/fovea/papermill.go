package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fovea/internal/atomicfile"
)

// papermillModule teaches papermill to write parameters as Go.
//
//go:embed papermill/fovea_papermill.py
var papermillModule string

func kernelPapermillCommand() *cobra.Command {
	var dir, python string
	command := &cobra.Command{
		Use:   "papermill",
		Short: "Let papermill set the parameters of Go notebooks",
		Long: `Papermill knows no Go by itself. This writes a Python package that teaches it: a wheel for pip, which needs no network.
With --python it is installed at once.`,
		Example: `  fovea kernel papermill --python .venv/bin/python
  fovea kernel papermill --dir build && pip install build/fovea_papermill-*.whl
  papermill -k fovea train.ipynb out.ipynb -p epochs 5 -y 'plan: [64, 128]'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			name, content, err := papermillWheel()
			if err != nil {
				return err
			}
			path := filepath.Join(dir, name)
			if err := atomicfile.WriteBytes(path, content); err != nil {
				return err
			}
			if python == "" {
				fmt.Fprintf(command.OutOrStdout(), "%s\ninstall it beside papermill: pip install %s\n", path, quoteCommand([]string{path}))
				return nil
			}
			pip := exec.CommandContext(command.Context(), python, "-m", "pip", "install", "--disable-pip-version-check", "--no-index", "--no-deps", "--force-reinstall", path)
			pip.Stdout, pip.Stderr = command.OutOrStdout(), command.ErrOrStderr()
			if err := pip.Run(); err != nil {
				return fmt.Errorf("%s: %w", quoteCommand(pip.Args), err)
			}
			return nil
		},
	}
	command.Flags().StringVar(&dir, "dir", "build", "`folder` for the wheel")
	command.Flags().StringVar(&python, "python", "", "install it for this `interpreter`")
	return command
}

// papermillWheel makes the package. Its version is a hash of the content, so that pip sees when it is another one.
func papermillWheel() (name string, content []byte, err error) {
	sum := sha256.Sum256([]byte(papermillModule))
	version := "1.0+" + hex.EncodeToString(sum[:4])
	info := "fovea_papermill-" + version + ".dist-info/"
	files := []struct{ name, text string }{
		{"fovea_papermill.py", papermillModule},
		{info + "METADATA", "Metadata-Version: 2.1\nName: fovea-papermill\nVersion: " + version + "\nSummary: Parameters of Go notebooks for papermill\nRequires-Dist: papermill\n"},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: fovea\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		// The second group is where other translators announce themselves; papermill itself reads the first.
		{info + "entry_points.txt", "[papermill.engine]\nfovea = fovea_papermill:Engine\n\n[papermill.translators]\ngo = fovea_papermill:GoTranslator\n"},
	}
	var record strings.Builder
	for _, f := range files {
		sum := sha256.Sum256([]byte(f.text))
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", f.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(f.text))
	}
	fmt.Fprintf(&record, "%sRECORD,,\n", info)
	files = append(files, struct{ name, text string }{info + "RECORD", record.String()})

	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, f := range files {
		w, err := archive.Create(f.name)
		if err == nil {
			_, err = w.Write([]byte(f.text))
		}
		if err != nil {
			return "", nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return "", nil, err
	}
	return "fovea_papermill-" + version + "-py3-none-any.whl", out.Bytes(), nil
}
