package recipes

import (
	"fmt"
	"slices"
)

// fromFile brings a tensor of a file, [O I …], to the order of a variable, [… I O]. flattened is the shape [H W C] of the
// feature map that a matrix's rows come from, or all zeros.
func fromFile(values []float32, shape, variable []int, flattened [3]int) ([]float32, error) {
	full, err := checkLayout(shape, variable, flattened)
	if err != nil || len(full) < 2 {
		return values, err
	}
	return transpose(values, full, order(len(full))), nil
}

// checkLayout says whether a tensor of a file can become a variable, and which of its axes are to be moved: the file's
// shape, taken apart where a feature map was flattened. The error says what the shape should have been.
func checkLayout(shape, variable []int, flattened [3]int) (full []int, err error) {
	full = shape
	if flattened != [3]int{} && len(shape) == 2 && shape[1] == flattened[0]*flattened[1]*flattened[2] {
		full = []int{shape[0], flattened[2], flattened[0], flattened[1]} // [O C H W]
	}
	moved := full
	if len(variable) >= 2 && len(full) >= 2 {
		moved = joined(lastFirst(full), len(variable))
	}
	if !slices.Equal(moved, variable) {
		return nil, fmt.Errorf("want %v", fileShape(variable))
	}
	return full, nil
}

// toFile is the way back: the values in the file's order, and their shape there.
func toFile(values []float32, variable []int, flattened [3]int) ([]float32, []int) {
	shape := fileShape(variable)
	if len(variable) < 2 {
		return values, shape
	}
	from := variable
	if flattened != [3]int{} && len(variable) == 2 {
		from = []int{flattened[0], flattened[1], flattened[2], variable[1]}
	}
	// [… I O] → [O I …]
	back := []int{len(from) - 1, len(from) - 2}
	for i := range len(from) - 2 {
		back = append(back, i)
	}
	return transpose(values, from, back), shape
}

// fileShape is the shape that a file usually has for a variable: the last two axes in front, in turn.
func fileShape(variable []int) []int {
	n := len(variable)
	if n < 2 {
		return slices.Clone(variable)
	}
	return append([]int{variable[n-1], variable[n-2]}, variable[:n-2]...)
}

// order is the permutation of [O I …] to [… I O].
func order(rank int) []int {
	var axes []int
	for i := 2; i < rank; i++ {
		axes = append(axes, i)
	}
	return append(axes, 1, 0)
}

// lastFirst is a shape [O I …] after that permutation.
func lastFirst(shape []int) []int {
	var moved []int
	for _, axis := range order(len(shape)) {
		moved = append(moved, shape[axis])
	}
	return moved
}

// joined makes a shape [… I O] one of the given rank: a convolution that sees its whole input is a matrix, and a matrix is
// a convolution of one pixel.
func joined(shape []int, rank int) []int {
	n := len(shape)
	switch {
	case rank == 2 && n > 2:
		rows := 1
		for _, d := range shape[:n-1] {
			rows *= d
		}
		return []int{rows, shape[n-1]}
	case n == 2 && rank > 2:
		return append(slices.Repeat([]int{1}, rank-2), shape...)
	}
	return shape
}

// transpose puts axis axes[i] of the values in place i.
func transpose(values []float32, shape, axes []int) []float32 {
	strides, stride := make([]int, len(shape)), 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = stride
		stride *= shape[i]
	}
	out, index, from := make([]float32, len(values)), make([]int, len(axes)), 0
	for i := range out {
		out[i] = values[from]
		for k := len(axes) - 1; k >= 0; k-- {
			index[k]++
			from += strides[axes[k]]
			if index[k] < shape[axes[k]] {
				break
			}
			from -= index[k] * strides[axes[k]]
			index[k] = 0
		}
	}
	return out
}
