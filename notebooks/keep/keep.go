// Package keep teaches the kernel to save GoMLX's values with %checkpoint: tensors, wherever they lie, and stores, which are
// the variables and hyperparameters of a model. Programs on a backend are not among them: they are compiled again.
//
// It only has to be linked into the process that runs cells.
package keep

import (
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"io"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/kernel/checkpoint"
)

func init() {
	checkpoint.Register(saveTensor, loadTensor)
	checkpoint.Register(saveStore, loadStore)
	checkpoint.Name[dtypes.DType]()
}

// A tensor is kept as its data type, its rank and dimensions, and its bytes. What lies on a device only is copied for that, and
// the copy freed.
func saveTensor(w io.Writer, t *tensors.Tensor) error {
	if !t.Ok() {
		return fmt.Errorf("the tensor was finalized")
	}
	shape := t.Shape()
	if shape.IsTuple() {
		return fmt.Errorf("tuples are not kept")
	}
	header := []int64{int64(shape.DType), int64(shape.Rank())}
	for _, d := range shape.Dimensions {
		header = append(header, int64(d))
	}
	if err := binary.Write(w, binary.LittleEndian, header); err != nil {
		return err
	}
	if t.IsOnAnyDevice() && !t.HasLocal() && !t.IsShared() {
		defer t.FinalizeLocal()
	}
	var failed error
	err := t.ConstBytes(func(data []byte) { _, failed = w.Write(data) })
	if err != nil {
		return err
	}
	return failed
}

// maxRank is more than any backend has.
const maxRank = 64

func loadTensor(r io.Reader) (*tensors.Tensor, error) {
	var head [2]int64
	if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
		return nil, err
	}
	if head[1] < 0 || head[1] > maxRank {
		return nil, fmt.Errorf("a tensor of rank %d", head[1])
	}
	dimensions := make([]int64, head[1])
	if err := binary.Read(r, binary.LittleEndian, dimensions); err != nil {
		return nil, err
	}
	shape := shapes.Shape{DType: dtypes.DType(head[0])}
	for _, d := range dimensions {
		shape.Dimensions = append(shape.Dimensions, int(d))
	}
	t := tensors.FromShape(shape)
	var failed error
	err := t.MutableBytes(func(data []byte) { _, failed = io.ReadFull(r, data) })
	if err == nil {
		err = failed
	}
	return t, err
}

// A store is kept as its hyperparameters and its variables, in order.
func saveStore(w io.Writer, s *model.Store) error {
	parameters := map[string]any{}
	for path, value := range s.IterParams() {
		parameters[path] = value
	}
	e := gob.NewEncoder(w)
	if err := e.Encode(parameters); err != nil {
		return fmt.Errorf("its hyperparameters: %w", err)
	}
	if err := e.Encode(s.NumVariables()); err != nil {
		return err
	}
	for v := range s.IterVariables() {
		value, err := v.Value()
		if err != nil {
			return fmt.Errorf("variable %s: %w", v.Path(), err)
		}
		if value == nil {
			return fmt.Errorf("variable %s has no value yet", v.Path())
		}
		if err := e.Encode(variable{v.Path(), v.Trainable}); err != nil {
			return err
		}
		if err := saveTensor(w, value); err != nil {
			return fmt.Errorf("variable %s: %w", v.Path(), err)
		}
	}
	return nil
}

type variable struct {
	Path      string
	Trainable bool
}

func loadStore(r io.Reader) (*model.Store, error) {
	r = byByte{r}
	s := model.NewStore()
	d := gob.NewDecoder(r)
	var parameters map[string]any
	var n int
	if err := d.Decode(&parameters); err != nil {
		return nil, err
	}
	for path, value := range parameters {
		s.SetParam(path, value)
	}
	if err := d.Decode(&n); err != nil {
		return nil, err
	}
	for range n {
		var v variable
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		t, err := loadTensor(r)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", v.Path, err)
		}
		made, err := s.CreateVariable(v.Path, t)
		if err != nil {
			return nil, err
		}
		made.Trainable = v.Trainable
	}
	return s, nil
}

// byByte keeps gob from reading ahead, into the bytes of a tensor.
type byByte struct{ io.Reader }

func (r byByte) ReadByte() (byte, error) {
	var one [1]byte
	_, err := io.ReadFull(r.Reader, one[:])
	return one[0], err
}
