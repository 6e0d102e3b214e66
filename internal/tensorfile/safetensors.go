package tensorfile

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"fovea/internal/atomicfile"
)

// The format (https://github.com/huggingface/safetensors): the length of the header as 8 bytes, little endian; the header,
// a JSON object from names to type, shape and place; then the values, in the places counted from the header's end.

// maxHeader is the format's own limit.
const maxHeader = 100_000_000

type safetensorsEntry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

func (f *File) readSafetensors(file *os.File, size int64) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%s is damaged: %s; download it again", f.Path, fmt.Sprintf(format, args...))
	}
	var lengthBytes [8]byte
	if _, err := file.ReadAt(lengthBytes[:], 0); err != nil {
		return bad("it has no header")
	}
	length := binary.LittleEndian.Uint64(lengthBytes[:])
	if length > maxHeader || int64(length) > size-8 {
		return bad("its header of %d bytes does not fit into its %d bytes", length, size)
	}
	text := make([]byte, length)
	if _, err := file.ReadAt(text, 8); err != nil {
		return bad("its header is cut short")
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(text, &header); err != nil {
		return bad("its header is no JSON object: %v", err)
	}
	start := int64(8 + length)
	for name, raw := range header {
		if name == "__metadata__" {
			if err := json.Unmarshal(raw, &f.Metadata); err != nil {
				return bad("its metadata: %v", err)
			}
			continue
		}
		var e safetensorsEntry
		if err := json.Unmarshal(raw, &e); err != nil {
			return bad("tensor %q: %v", name, err)
		}
		n, err := values(e.Shape)
		if err != nil {
			return bad("tensor %q: %v", name, err)
		}
		width := safetensorsWidths[e.DType]
		if width == 0 {
			return fmt.Errorf("%s: tensor %q has type %q, which is not supported", f.Path, name, e.DType)
		}
		from, to := e.Offsets[0], e.Offsets[1]
		if from < 0 || to < from || to-from != int64(n)*int64(width) {
			return bad("tensor %q of shape %v in %s takes %d bytes, not from %d to %d", name, e.Shape, e.DType, n*width, from, to)
		}
		if to > size-start {
			return bad("it is cut short: tensor %q ends at byte %d, the file at %d", name, start+to, size)
		}
		t := &Tensor{Name: name, Type: e.DType, Shape: e.Shape}
		t.read = func() ([]float32, error) {
			data := make([]byte, to-from)
			if _, err := file.ReadAt(data, start+from); err != nil {
				return nil, fmt.Errorf("%s, tensor %q: %w", f.Path, name, err)
			}
			return decode(data, e.DType), nil
		}
		f.Tensors = append(f.Tensors, t)
	}
	return nil
}

// safetensorsWidths has the bytes of a value of the types that can be read as numbers.
var safetensorsWidths = map[string]int{
	"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}

// decode turns little-endian values of a type of safetensors into float32.
func decode(data []byte, dtype string) []float32 {
	width := safetensorsWidths[dtype]
	out := make([]float32, len(data)/width)
	little := binary.LittleEndian
	for i := range out {
		b := data[i*width:]
		switch dtype {
		case "F64":
			out[i] = float32(math.Float64frombits(little.Uint64(b)))
		case "F32":
			out[i] = math.Float32frombits(little.Uint32(b))
		case "F16":
			out[i] = half(little.Uint16(b))
		case "BF16":
			out[i] = math.Float32frombits(uint32(little.Uint16(b)) << 16)
		case "I64":
			out[i] = float32(int64(little.Uint64(b)))
		case "I32":
			out[i] = float32(int32(little.Uint32(b)))
		case "I16":
			out[i] = float32(int16(little.Uint16(b)))
		case "I8":
			out[i] = float32(int8(b[0]))
		default:
			out[i] = float32(b[0])
		}
	}
	return out
}

// half is the value of an IEEE 754 number of 16 bits.
func half(b uint16) float32 {
	sign, exponent, fraction := uint32(b>>15)<<31, uint32(b>>10&31), uint32(b&1023)
	switch exponent {
	case 0: // subnormal: fraction · 2⁻²⁴
		v := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// Named is a tensor to be written.
type Named struct {
	Name   string
	Shape  []int
	Values []float32
}

func (t Named) check() error {
	if n, err := values(t.Shape); err != nil || n != len(t.Values) {
		return fmt.Errorf("tensor %q has %d values for shape %v", t.Name, len(t.Values), t.Shape)
	}
	return nil
}

// WriteSafetensors writes float32 tensors to a file, which is whole or not there.
func WriteSafetensors(path string, tensors []Named, metadata map[string]string) error {
	tensors = slices.Clone(tensors)
	header, offset := map[string]any{}, int64(0)
	if len(metadata) > 0 {
		header["__metadata__"] = metadata
	}
	for _, t := range tensors {
		if err := t.check(); err != nil {
			return err
		}
		if header[t.Name] != nil || t.Name == "__metadata__" {
			return fmt.Errorf("the name %q is taken", t.Name)
		}
		end := offset + 4*int64(len(t.Values))
		header[t.Name] = safetensorsEntry{DType: "F32", Shape: append([]int{}, t.Shape...), Offsets: [2]int64{offset, end}}
		offset = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(text)%8 != 0 { // so that the values are aligned
		text = append(text, ' ')
	}
	return atomicfile.WriteFile(path, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		if _, err := b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))); err != nil {
			return err
		}
		if _, err := b.Write(text); err != nil {
			return err
		}
		for _, t := range tensors {
			if err := writeFloats(b, t.Values); err != nil {
				return err
			}
		}
		return b.Flush()
	})
}

func writeFloats(w io.Writer, values []float32) error {
	buffer := make([]byte, 0, 4096)
	for i, v := range values {
		buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
		if len(buffer) == cap(buffer) || i == len(values)-1 {
			if _, err := w.Write(buffer); err != nil {
				return err
			}
			buffer = buffer[:0]
		}
	}
	return nil
}
