package datasets_test

import (
	"context"
	"fmt"

	"fovea/datasets"
	_ "fovea/datasets/all"
)

// The best set that is on this machine, without a download; then one epoch of its training images.
func Example() {
	name := datasets.FirstPresent("shapes") // or "cifar10", "shapes"
	train, test, err := datasets.Open(context.Background(), name, datasets.Options{Train: 100, Test: 50, Size: 16, Classes: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(train)
	fmt.Println(test)
	batches, err := train.Batches(datasets.BatchOptions{Size: 32, Shuffle: true, Seed: 1, Last: datasets.DropLast, Augment: datasets.CropFlip(2)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for batch, err := range batches.Iter() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(batch.Inputs[0].Shape(), batch.Labels[0].Shape())
	}
	// Output:
	// shapes/train: 100 images of 16×16×3, 4 classes (synthetic)
	// shapes/test: 50 images of 16×16×3, 4 classes (synthetic)
	// (Float32)[32, 16, 16, 3] (Int32)[32, 1]
	// (Float32)[32, 16, 16, 3] (Int32)[32, 1]
	// (Float32)[32, 16, 16, 3] (Int32)[32, 1]
}
