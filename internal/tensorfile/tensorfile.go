// Package tensorfile reads and writes files of named tensors: safetensors and NumPy's npz.
//
// A file's own words about sizes are believed only after they have been compared with the file's length, so that a file
// that is cut short or made up costs an error and no memory.
package tensorfile

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Tensor is what a file says of one of its tensors.
type Tensor struct {
	Name  string
	Type  string // as the format writes it: "F32", "<f4"
	Shape []int

	read func() ([]float32, error)
}

// Size is the number of values.
func (t *Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Values reads the tensor as float32, the last axis fastest.
func (t *Tensor) Values() ([]float32, error) { return t.read() }

// A File is an open file of tensors.
type File struct {
	Path     string
	Metadata map[string]string // what the writer said of it; only in safetensors
	Tensors  []*Tensor         // by name

	byName map[string]*Tensor
	close  func() error
}

// Open reads what is in a file, without its values. What the file is follows from its first bytes.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	file, err := open(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	file.close = f.Close
	return file, nil
}

func open(f *os.File, path string) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, not a file of weights", path)
	}
	var start [9]byte
	n, err := f.ReadAt(start[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	file := &File{Path: path, byName: map[string]*Tensor{}}
	switch head := string(start[:n]); {
	case strings.HasPrefix(head, "PK\x03\x04"):
		// PyTorch's own files are zip archives too, of pickles: programs that are run to be read.
		err = file.readNpz(f, info.Size())
	case n == 9 && start[8] == '{':
		err = file.readSafetensors(f, info.Size())
	default:
		err = fmt.Errorf("%s is neither safetensors nor npz: save the weights with safetensors.torch.save_file(model.state_dict(), %q)", path, stem(path)+".safetensors")
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(file.Tensors, func(a, b *Tensor) int { return strings.Compare(a.Name, b.Name) })
	for _, t := range file.Tensors {
		if file.byName[t.Name] != nil {
			return nil, fmt.Errorf("%s has two tensors called %q", path, t.Name)
		}
		file.byName[t.Name] = t
	}
	return file, nil
}

func stem(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}

// Tensor is the tensor of that name, nil if there is none.
func (f *File) Tensor(name string) *Tensor { return f.byName[name] }

// Close closes the file; its tensors cannot be read any more.
func (f *File) Close() error { return f.close() }

// values is the number of values of a shape, and an error if it is negative or more than could be.
func values(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative size", shape)
		}
		if d != 0 && n > math.MaxInt/16/d {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n *= d
	}
	return n, nil
}
