package recipes

import (
	"context"
	"fmt"

	"fovea/datasets"
	_ "fovea/datasets/all" // so that --data finds every set
)

// Data is a set of images in three parts. Choices are made with Valid; Test is for the final number alone.
type Data struct {
	Train, Valid, Test *datasets.Images
}

// ImageOptions says which images an experiment wants.
type ImageOptions struct {
	Sets    []string // in order of preference; the first that is on this machine is taken. Nil: cifar10, then shapes
	Train   int      // training images, validation included; 0: all
	Test    int      // 0: all
	Size    int      // height and width; 0: the set's own
	Classes int      // of a generated set; 0: all
	Valid   float64  // the part of the training images held out for validation; 0: a tenth
	Seed    uint64   // of the choice and the split, and of generated images
}

func (o ImageOptions) validPart() float64 {
	if o.Valid == 0 {
		return 0.1
	}
	return o.Valid
}

// OpenImages opens the named set, or with an empty name the first of o.Sets that is on this machine.
// A set that has to be fetched first is an error that says how.
func OpenImages(ctx context.Context, name string, o ImageOptions) (Data, error) {
	sets := o.Sets
	if sets == nil {
		sets = []string{"cifar10", "shapes"}
	}
	if name == "" {
		if name = datasets.FirstPresent(sets...); name == "" {
			return Data{}, fmt.Errorf("none of the data sets %v is on this machine; `fovea data` shows how to get them", sets)
		}
	}
	train, test, err := datasets.Open(ctx, name, datasets.Options{Train: o.Train, Test: o.Test, Size: o.Size, Classes: o.Classes, Seed: o.Seed})
	if err != nil {
		return Data{}, err
	}
	rest, valid := train.SplitStratified(1-o.validPart(), o.Seed)
	return Data{Train: rest, Valid: valid, Test: test}, nil
}

// heldOut is how many images stand in for a test set of no stated size.
const heldOut = 2000

// openHeldOut is OpenImages without a look at the test images: as many are taken from the training file instead, and the
// parts for training and validation stay as large as they were where the file has that many.
func openHeldOut(ctx context.Context, name string, o ImageOptions) (Data, error) {
	test := o.Test
	if test == 0 {
		test = heldOut
	}
	if o.Train > 0 {
		o.Valid = o.validPart() * float64(o.Train) / float64(o.Train+test)
		o.Train += test
	}
	o.Test = 1 // the least that can be opened; it is not looked at
	d, err := OpenImages(ctx, name, o)
	if err != nil && o.Train > 0 {
		o.Train = 0 // a set that has no more: all of it
		d, err = OpenImages(ctx, name, o)
	}
	if err != nil {
		return Data{}, err
	}
	if test >= d.Train.N {
		return Data{}, fmt.Errorf("%d of %d training images cannot stand in for the test set", test, d.Train.N)
	}
	d.Train, d.Test = d.Train.SplitStratified(1-float64(test)/float64(d.Train.N), o.Seed+1)
	return d, nil
}
