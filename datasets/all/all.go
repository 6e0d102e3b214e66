// Package all links in every set of images, so that datasets.Open finds them by name.
package all

import (
	_ "fovea/datasets/cifar10"
	_ "fovea/datasets/synth"
)
