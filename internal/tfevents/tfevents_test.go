package tfevents

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestScalarsComeBack(t *testing.T) {
	dir := t.TempDir()
	want := []Scalar{{"loss/train", 1, 0.5}, {"loss/eval", 300, 2.25}, {"accuracy/eval", 1 << 40, -1}}
	w, err := Create(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range want {
		if err := w.Scalar(s.Name, s.Step, s.Value, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := Create(dir, 300)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if len(files) != 2 {
		t.Fatalf("files %v", files)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(bytes.NewReader(data))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if got, err := Read(bytes.NewReader(data[:len(data)-3])); err != nil || len(got) != 2 {
		t.Errorf("cut short: %v, %v", got, err)
	}
	data[len(data)-6] ^= 1
	if _, err := Read(bytes.NewReader(data)); err == nil || !strings.Contains(err.Error(), "record 3 is damaged") {
		t.Errorf("damaged: %v", err)
	}
}

// The checksum of the usual check string is 0xe3069283 before it is masked; the event is the wall time 0 and the version.
func TestBytes(t *testing.T) {
	if got := maskedSum([]byte("123456789")); got != 0xc78ab0e5 {
		t.Errorf("masked sum %#08x", got)
	}
	event := appendString(appendTime(time.Unix(0, 0)), 3, "brain.Event:2")
	if got, want := hex.EncodeToString(event), "0900000000000000001a0d627261696e2e4576656e743a32"; got != want {
		t.Errorf("event %s, want %s", got, want)
	}
}
