package cifar10

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fovea/datasets"
)

// clean points every folder that the package looks into at an empty one.
func clean(t *testing.T) (cache string) {
	t.Helper()
	cache = t.TempDir()
	t.Setenv("FOVEA_CACHE", cache)
	t.Setenv("FOVEA_DATA", "")
	return filepath.Join(cache, "data", "cifar10")
}

// record is one record whose red, green and blue planes are told apart.
func record(label int, seed int) []byte {
	r := make([]byte, recordSize)
	r[0] = byte(label)
	for p := range Side * Side {
		r[1+p], r[1+Side*Side+p], r[1+2*Side*Side+p] = byte(p+seed), byte(p/Side+seed), 100+byte(seed)
	}
	return r
}

// files returns the content of the six files with n records each.
func files(n int) map[string][]byte {
	all := map[string][]byte{}
	for f, name := range append(trainFiles[:5:5], testFile) {
		for i := range n {
			all[name] = append(all[name], record((f*n+i)%10, f*n+i)...)
		}
	}
	return all
}

func write(t *testing.T, dir string, all map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range all {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoadReadsTheOfficialLayout(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, files(4))
	train, test, err := Load(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if train.N != 20 || test.N != 4 {
		t.Fatalf("%d and %d images", train.N, test.N)
	}
	for _, im := range []*datasets.Images{train, test} {
		if err := im.Validate(); err != nil {
			t.Error(err)
		}
	}
	for i := range train.N { // files in order, planes interleaved
		want := record(i%10, i)
		if train.Labels[i] != int32(want[0]) {
			t.Errorf("image %d has label %d, want %d", i, train.Labels[i], want[0])
		}
		for p := range Side * Side {
			got := train.PixelsAt(i)[3*p : 3*p+3]
			if !bytes.Equal(got, []byte{want[1+p], want[1+1024+p], want[1+2048+p]}) {
				t.Fatalf("image %d, pixel %d is %v", i, p, got)
			}
		}
	}
	if test.Labels[0] != 0 || test.PixelsAt(0)[2] != 120 {
		t.Error("the test set isn't test_batch.bin")
	}
}

func TestLoadOptions(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, files(20))
	train, test, err := Load(t.Context(), Options{Dir: dir, Train: 30, Test: 10, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for k, n := range train.Counts() {
		if n != 3 || test.Counts()[k] != 1 {
			t.Errorf("class %d: %d and %d images, want 3 and 1", k, n, test.Counts()[k])
		}
	}
	for _, o := range []Options{{Dir: dir, Train: 101}, {Dir: dir, Test: 21}, {Dir: dir, Train: -1}} {
		if _, _, err := Load(t.Context(), o); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%+v: got %v", o, err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Load(cancelled, Options{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
}

func TestOpenByName(t *testing.T) {
	clean(t)
	data := t.TempDir()
	write(t, filepath.Join(data, Folder), files(2))
	t.Setenv("FOVEA_DATA", data)
	train, _, err := datasets.Open(t.Context(), "cifar10", datasets.Options{Size: 16})
	if err != nil || train.H != 16 || train.N != 10 {
		t.Errorf("got %v, %v", train, err)
	}
	for _, c := range []struct {
		o    datasets.Options
		want string
	}{{datasets.Options{Size: 24}, "shrunk to 16, 8 or 4"}, {datasets.Options{Size: 64}, "not be made 64"}, {datasets.Options{Classes: 4}, "10 classes"}, {datasets.Options{Train: -1}, "negative"}} {
		if _, _, err := datasets.Open(t.Context(), "cifar10", c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %q", c.o, err, c.want)
		}
	}
	if _, _, err := datasets.Open(t.Context(), "cifar11", datasets.Options{}); err == nil || !strings.Contains(err.Error(), "cifar10") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestFind(t *testing.T) {
	cache := clean(t)
	if p := Find(); p.Present || p.Problem != nil || p.Dir != filepath.Join(cache, Folder) || Available() {
		t.Errorf("nothing there: %+v", p)
	}
	if got := datasets.FirstPresent("cifar10"); got != "" {
		t.Errorf("FirstPresent says %q", got)
	}
	_, _, err := Load(t.Context(), Options{})
	if !errors.Is(err, datasets.ErrMissing) || !strings.Contains(err.Error(), filepath.Join(cache, archiveName)) || !strings.Contains(err.Error(), "fovea data get cifar10") {
		t.Errorf("the error for a missing set: %v", err)
	}

	write(t, filepath.Join(cache, Folder), files(3))
	if p := Find(); !p.Present || p.Bytes != 18*recordSize || !strings.Contains(p.Note, "reduced set: 15 of 50000") || !Available() {
		t.Errorf("in the cache: %+v", p)
	}
	data := t.TempDir()
	t.Setenv("FOVEA_DATA", data)
	if p := Find(); !strings.HasPrefix(p.Dir, cache) {
		t.Errorf("an empty FOVEA_DATA hides the cache: %+v", p)
	}
	write(t, filepath.Join(data, Folder), files(1))
	if p := Find(); !strings.HasPrefix(p.Dir, data) || !strings.Contains(p.Note, "5 of 50000") {
		t.Errorf("FOVEA_DATA doesn't come first: %+v", p)
	}
	// A damaged set is there, and said to be damaged, rather than passed over.
	write(t, filepath.Join(data, Folder), map[string][]byte{testFile: make([]byte, 100)})
	if p := Find(); p.Present || p.Problem == nil || !Available() || datasets.FirstPresent("cifar10") != "cifar10" {
		t.Errorf("damaged: %+v", p)
	}
}

func TestBadFiles(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(dir string, all map[string][]byte)
		want  []string
		is    error
	}{
		{"truncated", func(_ string, all map[string][]byte) {
			all["data_batch_3.bin"] = all["data_batch_3.bin"][:recordSize*2-1]
		},
			[]string{"data_batch_3.bin", "6145 bytes", "30730000", "cut short", "fovea data get"}, nil},
		{"empty", func(_ string, all map[string][]byte) { all["data_batch_1.bin"] = nil }, []string{"data_batch_1.bin", "0 bytes"}, nil},
		{"too long", func(_ string, all map[string][]byte) { all[testFile] = make([]byte, (perFile+1)*recordSize) }, []string{"test_batch.bin", "more than"}, nil},
		{"missing", func(_ string, all map[string][]byte) { delete(all, "data_batch_5.bin") },
			[]string{"data_batch_5.bin is missing", "30730000", "fovea data get"}, fs.ErrNotExist},
		{"bad label", func(_ string, all map[string][]byte) { all["data_batch_2.bin"][recordSize] = 10 },
			[]string{"data_batch_2.bin", "record 1 ", "byte 3073", "label 10", "0 to 9"}, nil},
		{"folder", func(dir string, all map[string][]byte) {
			delete(all, testFile)
			_ = os.Mkdir(filepath.Join(dir, testFile), 0o755)
		}, []string{"test_batch.bin isn't a file"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, all := t.TempDir(), files(2)
			c.spoil(dir, all)
			write(t, dir, all)
			_, _, err := Load(t.Context(), Options{Dir: dir})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(c.want, dir) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v isn't %v", err, c.is)
			}
		})
	}
}

// Real photographs, if there are any: the fixed normalisation must be about right for them.
func TestRealData(t *testing.T) {
	p := Find()
	if !p.Present {
		t.Skip("CIFAR-10 isn't here: set FOVEA_DATA to the folder that holds " + Folder)
	}
	train, test, err := Load(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	mean, std := train.MeanStd()
	for c := range mean {
		if math.Abs(float64(mean[c]-Norm.Mean[c])) > 0.01 || math.Abs(float64(std[c]-Norm.Std[c])) > 0.01 {
			t.Errorf("channel %d has mean %.4f and deviation %.4f, Norm says %.4f and %.4f", c, mean[c], std[c], Norm.Mean[c], Norm.Std[c])
		}
	}
	for _, im := range []*datasets.Images{train, test} {
		for k, n := range im.Counts() {
			if want := im.N / 10; n != want {
				t.Errorf("%s has %d images of class %s, want %d", im.Name, n, im.Classes[k], want)
			}
		}
	}
	t.Log(fmt.Sprint(train, "; ", test, "; ", p.Note))
}
