package tensorfile

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"fovea/internal/atomicfile"
)

// The format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a zip archive of .npy files, each a
// magic string, a version, the length of a header, the header (a Python dictionary of type, order and shape), the values.

const npyMagic = "\x93NUMPY"

func (f *File) readNpz(file *os.File, size int64) error {
	archive, err := zip.NewReader(file, size)
	if err != nil {
		return fmt.Errorf("%s is damaged: %v; download it again", f.Path, err)
	}
	for _, entry := range archive.File {
		name, isArray := strings.CutSuffix(entry.Name, ".npy")
		if !isArray {
			if strings.HasSuffix(entry.Name, "data.pkl") {
				return fmt.Errorf("%s is one of PyTorch's own files, which must be run to be read: convert it with safetensors.torch.save_file(torch.load(%q, weights_only=True), %q)",
					f.Path, stem(f.Path)+".pth", stem(f.Path)+".safetensors")
			}
			continue
		}
		t, err := readNpy(entry, name)
		if err != nil {
			return fmt.Errorf("%s, array %q: %w", f.Path, name, err)
		}
		f.Tensors = append(f.Tensors, t)
	}
	return nil
}

var npyTypes = map[string]string{
	"<f8": "F64", "<f4": "F32", "<f2": "F16", "<i8": "I64", "<i4": "I32", "<i2": "I16", "|i1": "I8", "|u1": "U8", "|b1": "BOOL",
}

// readNpy reads the header of an array; its values are read when they are asked for.
func readNpy(entry *zip.File, name string) (*Tensor, error) {
	header, offset, err := npyHeader(entry)
	if err != nil {
		return nil, err
	}
	t := &Tensor{Name: name}
	var fortran bool
	if t.Type, t.Shape, fortran, err = parseNpyHeader(header); err != nil {
		return nil, err
	}
	n, err := values(t.Shape)
	if err != nil {
		return nil, err
	}
	dtype := npyTypes[t.Type]
	if dtype == "" {
		return nil, fmt.Errorf("type %q is not supported", t.Type)
	}
	want := uint64(n) * uint64(safetensorsWidths[dtype])
	if got := entry.UncompressedSize64 - uint64(offset); entry.UncompressedSize64 < uint64(offset) || got != want {
		return nil, fmt.Errorf("it is damaged: shape %v of %s takes %d bytes, there are %d", t.Shape, t.Type, want, got)
	}
	t.read = func() ([]float32, error) {
		r, err := entry.Open()
		if err != nil {
			return nil, err
		}
		defer r.Close()
		if _, err := io.CopyN(io.Discard, r, int64(offset)); err != nil {
			return nil, err
		}
		// Grows with what comes, since the archive's word for the size is only its word.
		data, err := io.ReadAll(io.LimitReader(r, int64(want)+1))
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", name, err)
		}
		if uint64(len(data)) != want {
			return nil, fmt.Errorf("array %q has %d bytes, not %d", name, len(data), want)
		}
		v := decode(data, dtype)
		if fortran {
			v = fromFortran(v, t.Shape)
		}
		return v, nil
	}
	return t, nil
}

// npyHeader returns an array's header and where its values begin.
func npyHeader(entry *zip.File) (header string, offset int, err error) {
	r, err := entry.Open()
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	start := make([]byte, 12)
	if _, err := io.ReadFull(r, start[:10]); err != nil || string(start[:6]) != npyMagic {
		return "", 0, fmt.Errorf("it is no NumPy array")
	}
	length, offset := int(binary.LittleEndian.Uint16(start[8:])), 10
	if start[6] >= 2 {
		if _, err := io.ReadFull(r, start[10:]); err != nil {
			return "", 0, err
		}
		length, offset = int(binary.LittleEndian.Uint32(start[8:])), 12
	}
	if length > 1<<16 {
		return "", 0, fmt.Errorf("its header has %d bytes", length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", 0, fmt.Errorf("its header is cut short")
	}
	return string(text), offset + length, nil
}

var npyFields = regexp.MustCompile(`^\s*\{\s*'descr':\s*'([^']*)',\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(([\d,\s]*)\),?\s*\}\s*$`)

func parseNpyHeader(header string) (dtype string, shape []int, fortran bool, err error) {
	m := npyFields.FindStringSubmatch(header)
	if m == nil {
		return "", nil, false, fmt.Errorf("header %q is not understood", header)
	}
	for _, field := range strings.Split(m[3], ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue
		}
		d, err := strconv.Atoi(field)
		if err != nil {
			return "", nil, false, err
		}
		shape = append(shape, d)
	}
	return m[1], shape, m[2] == "True", nil
}

// fromFortran puts values whose first axis varies fastest into the usual order.
func fromFortran(v []float32, shape []int) []float32 {
	out, index := make([]float32, len(v)), make([]int, len(shape))
	for i := range out {
		from, stride := 0, 1
		for axis, d := range shape {
			from += index[axis] * stride
			stride *= d
		}
		out[i] = v[from]
		for axis := len(shape) - 1; axis >= 0; axis-- {
			if index[axis]++; index[axis] < shape[axis] {
				break
			}
			index[axis] = 0
		}
	}
	return out
}

// WriteNpz writes float32 tensors to a file, which is whole or not there.
func WriteNpz(path string, tensors []Named) error {
	return atomicfile.WriteFile(path, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		archive, names := zip.NewWriter(b), map[string]bool{}
		for _, t := range tensors {
			if err := t.check(); err != nil {
				return err
			}
			if names[t.Name] {
				return fmt.Errorf("the name %q is taken", t.Name)
			}
			names[t.Name] = true
			// Not compressed: weights are noise.
			entry, err := archive.CreateHeader(&zip.FileHeader{Name: t.Name + ".npy", Method: zip.Store})
			if err != nil {
				return err
			}
			if _, err := io.WriteString(entry, npyPreamble(t.Shape)); err != nil {
				return err
			}
			if err := writeFloats(entry, t.Values); err != nil {
				return err
			}
		}
		if err := archive.Close(); err != nil {
			return err
		}
		return b.Flush()
	})
}

func npyPreamble(shape []int) string {
	var dims strings.Builder
	for _, d := range shape {
		fmt.Fprintf(&dims, "%d, ", d)
	}
	text := strings.TrimSuffix(dims.String(), " ")
	if len(shape) > 1 {
		text = strings.TrimSuffix(text, ",")
	}
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", text)
	for (10+len(header)+1)%64 != 0 {
		header += " "
	}
	header += "\n"
	return npyMagic + "\x01\x00" + string(binary.LittleEndian.AppendUint16(nil, uint16(len(header)))) + header
}
