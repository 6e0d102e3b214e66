package tensorfile

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var examples = []Named{
	{Name: "conv.weight", Shape: []int{2, 1, 3}, Values: []float32{1, 2, 3, -4, 5.5, float32(math.Inf(1))}},
	{Name: "bias", Shape: []int{2}, Values: []float32{0.25, -1e-30}},
	{Name: "scalar", Shape: nil, Values: []float32{7}},
	{Name: "empty", Shape: []int{0, 4}, Values: nil},
}

func write(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	var err error
	if strings.HasSuffix(name, ".npz") {
		err = WriteNpz(path, examples)
	} else {
		err = WriteSafetensors(path, examples, map[string]string{"format": "pt"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, name := range []string{"a.safetensors", "a.npz"} {
		f, err := Open(write(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Tensors) != len(examples) {
			t.Errorf("%s: %d tensors", name, len(f.Tensors))
		}
		for _, want := range examples {
			got := f.Tensor(want.Name)
			if got == nil {
				t.Errorf("%s: no %s", name, want.Name)
				continue
			}
			values, err := got.Values()
			if err != nil || !slices.Equal(values, want.Values) || !slices.Equal(got.Shape, want.Shape) {
				t.Errorf("%s: %s is %v %v, %v", name, want.Name, got.Shape, values, err)
			}
		}
		if name == "a.safetensors" && f.Metadata["format"] != "pt" {
			t.Errorf("metadata %v", f.Metadata)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	twice := []Named{examples[1], examples[1]}
	if err := WriteSafetensors(filepath.Join(t.TempDir(), "x"), twice, nil); err == nil {
		t.Error("a name was written twice")
	}
	if err := WriteNpz(filepath.Join(t.TempDir(), "x"), []Named{{Name: "a", Shape: []int{3}, Values: []float32{1}}}); err == nil {
		t.Error("one value was written as three")
	}
}

// safetensors builds a file from a header and a number of zero bytes.
func safetensors(t *testing.T, header string, values int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.safetensors")
	data := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	if err := os.WriteFile(path, append(data, make([]byte, values)...), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDamagedFilesAreNamed(t *testing.T) {
	for name, test := range map[string]struct {
		header string
		values int
		want   string
	}{
		"cut short":        {`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, 12, "cut short"},
		"other size":       {`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,12]}}`, 16, "takes 16 bytes"},
		"backwards":        {`{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}`, 16, "takes 16 bytes"},
		"negative":         {`{"a":{"dtype":"F32","shape":[-4,-1],"data_offsets":[0,16]}}`, 16, "negative"},
		"before the start": {`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 16, "takes 4 bytes"},
		"huge":             {`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]}}`, 16, "too large"},
		"large":            {`{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}`, 16, "cut short"},
		"type":             {`{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}`, 8, "C64"},
		"no JSON":          {`{"a":`, 0, "JSON"},
		"another JSON":     {`{"a":[1]}`, 0, `tensor "a"`},
	} {
		_, err := Open(safetensors(t, test.header, test.values))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
	for _, name := range []string{"a.safetensors", "a.npz"} {
		path := write(t, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range data {
			if err := os.WriteFile(path, data[:cut], 0o644); err != nil {
				t.Fatal(err)
			}
			if f, err := Open(path); err == nil {
				f.Close()
				t.Errorf("%s cut to %d of %d bytes was taken as whole", name, cut, len(data))
			} else if !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name the file: %v", err)
			}
		}
	}
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}

// Whatever is changed in a file, reading it ends in values or an error, and takes no memory that the file does not have.
func TestChangedFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"a.safetensors", "a.npz"} {
		path := write(t, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const rounds = 2000
		for range rounds {
			data := slices.Clone(whole)
			for range 1 + r.IntN(4) {
				data[r.IntN(len(data))] = byte(r.Uint32())
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := Open(path)
			if err != nil {
				continue
			}
			for _, tensor := range f.Tensors {
				if values, err := tensor.Values(); err == nil && len(values) != tensor.Size() {
					t.Errorf("%d values for shape %v", len(values), tensor.Shape)
				}
			}
			f.Close()
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 1<<20 {
			t.Errorf("%s: %d bytes for a file of %d", name, each, len(whole))
		}
	}
}

func TestTypes(t *testing.T) {
	for dtype, test := range map[string]struct {
		data []byte
		want float32
	}{
		"F16":  {[]byte{0x00, 0xc0}, -2},
		"BF16": {[]byte{0xc0, 0x3f}, 1.5},
		"F64":  {binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.1)), 0.1},
		"I64":  {binary.LittleEndian.AppendUint64(nil, 1<<20), 1 << 20},
		"I32":  {[]byte{0xff, 0xff, 0xff, 0xff}, -1},
		"I16":  {[]byte{0xfe, 0xff}, -2},
		"I8":   {[]byte{0x80}, -128},
		"U8":   {[]byte{0x80}, 128},
	} {
		if got := decode(test.data, dtype); len(got) != 1 || got[0] != test.want {
			t.Errorf("%s: %v, want %g", dtype, got, test.want)
		}
	}
	for b, want := range map[uint16]float32{0x0001: 1.0 / (1 << 24), 0x8000: float32(math.Copysign(0, -1)), 0x03ff: 1023.0 / (1 << 24), 0x7bff: 65504, 0xfc00: float32(math.Inf(-1))} {
		if got := half(b); math.Float32bits(got) != math.Float32bits(want) {
			t.Errorf("half %#04x is %g, want %g", b, got, want)
		}
	}
	if v := fromFortran([]float32{1, 2, 3, 4, 5, 6}, []int{2, 3}); !slices.Equal(v, []float32{1, 3, 5, 2, 4, 6}) {
		t.Errorf("from Fortran order %v", v)
	}
}
