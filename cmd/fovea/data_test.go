package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runData runs 'fovea data …' with an empty cache and the given $FOVEA_DATA.
func runData(t *testing.T, data string, args ...string) (out string, err error) {
	t.Helper()
	t.Setenv("FOVEA_CACHE", t.TempDir())
	t.Setenv("FOVEA_DATA", data)
	c := dataCommand()
	var buffer bytes.Buffer
	c.SetOut(&buffer)
	c.SetErr(&buffer)
	c.SetArgs(args)
	c.SilenceUsage, c.SilenceErrors = true, true
	err = c.ExecuteContext(t.Context())
	return buffer.String(), err
}

// smallCIFAR writes a set of one record a file, the last label being as given.
func smallCIFAR(t *testing.T, label byte) (data string) {
	t.Helper()
	data = t.TempDir()
	dir := filepath.Join(data, "cifar-10-batches-bin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	record := make([]byte, 3073)
	for _, name := range []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"} {
		if name == "test_batch" {
			record[0] = label
		}
		if err := os.WriteFile(filepath.Join(dir, name+".bin"), record, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func TestData(t *testing.T) {
	good, bad := smallCIFAR(t, 3), smallCIFAR(t, 99)
	for _, c := range []struct {
		args string
		data string
		out  string // must be printed
		err  string // must be in the error; "": none
	}{
		{"list", "", "not here", ""},
		{"list", "", "generated", ""},
		{"list", good, "reduced set: 5 of 50000", ""},
		{"list", good, "Krizhevsky", ""},
		{"get", "", "", "cifar10, digits, shapes"},
		{"get shapes", "", "nothing to fetch", ""},
		{"get cifar10", good, "cifar10 is here", ""},
		{"get cifar10 cifar11", "", "", `unknown data set "cifar11": there are cifar10, digits, shapes`},
		{"path cifar10", good, "cifar-10-batches-bin", ""},
		{"path cifar10", "", "cifar-10-batches-bin", "fovea data get cifar10"},
		{"path shapes", "", "", "has no folder"},
		{"verify cifar10", good, "5 training and 1 test images", ""},
		{"verify cifar10", bad, "", "test_batch.bin: record 0 (byte 0) has label 99"},
		{"verify cifar10", "", "", "fovea data get cifar10"},
		{"verify", "", "shapes: ok", ""},
		{"verify", bad, "shapes: ok", "label 99"}, // one failure doesn't stop the others
	} {
		out, err := runData(t, c.data, strings.Fields(c.args)...)
		if !strings.Contains(out, c.out) {
			t.Errorf("%s: printed %q, want %q", c.args, out, c.out)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.args, err, c.err)
		}
	}
}

func TestDataListJSON(t *testing.T) {
	out, err := runData(t, "", "list", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		Info struct {
			Name    string
			Classes []string
		}
		State string
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	state := map[string]string{}
	for _, set := range list {
		state[set.Info.Name] = set.State
		if len(set.Info.Classes) != 10 {
			t.Errorf("%s has the classes %v", set.Info.Name, set.Info.Classes)
		}
	}
	want := map[string]string{"cifar10": "not here", "digits": "generated", "shapes": "generated"}
	if !maps.Equal(state, want) {
		t.Errorf("got %v, want %v", state, want)
	}
}
