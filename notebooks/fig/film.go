package fig

import (
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/tensors"
)

// FilmOptions describes FilmStrip. The zero value is useful.
type FilmOptions struct {
	Title, Caption string
	// Rate is the number of frames a second; 0 numbers the frames instead of giving times.
	Rate float64
	// Max is the greatest number of frames drawn, evenly spread from the first to the last; 0 means 8.
	Max int
	// Columns; 0 puts up to eight beside each other.
	Columns int
	// Normalize as in GridOptions.
	Normalize Normalize
	Colormap  Colormap
}

// FilmStrip draws frames of a clip, evenly spread, with their times.
func FilmStrip(frames []Image, o FilmOptions) *Figure {
	if len(frames) == 0 {
		fail("FilmStrip", "no frames: pass at least one")
	}
	chosen, at := spread(frames, orDefault(o.Max, 8))
	var titles []string
	for _, i := range at {
		if o.Rate > 0 {
			titles = append(titles, fmt.Sprintf("%.2f s", float64(i)/o.Rate))
		} else {
			titles = append(titles, fmt.Sprint(i))
		}
	}
	if o.Columns == 0 {
		o.Columns = fullRows(len(chosen), 8)
	}
	return grid("FilmStrip", "frames", chosen, GridOptions{Title: o.Title, Caption: o.Caption, Titles: titles, Columns: o.Columns,
		Normalize: o.Normalize, Colormap: o.Colormap, Padding: 4})
}

// VolumeSlices draws slices of a volume [D H W] or [D H W C] along its first axis, evenly spread, numbered.
func VolumeSlices(volume *tensors.Tensor, o FilmOptions) *Figure {
	const function = "VolumeSlices"
	if volume == nil {
		fail(function, "the tensor is nil")
	}
	dims := volume.Shape().Dimensions
	if len(dims) != 3 && len(dims) != 4 {
		fail(function, "the volume has dimensions %v, want [D H W] or [D H W C]", dims)
	}
	images := FromTensor(volume)
	if len(dims) == 3 { // read as H, W, C: cut it anew
		flat := images[0].Pix
		images = FromFloats(flat, dims[0], dims[1], dims[2], 1)
	}
	if o.Max == 0 {
		o.Max = 16
	}
	if o.Normalize == Natural {
		o.Normalize = PerGrid
	}
	o.Rate = 0
	return FilmStrip(images, o)
}

// spread chooses at most most of the images, first and last among them.
func spread(images []Image, most int) (chosen []Image, at []int) {
	n := min(len(images), max(most, 1))
	for k := range n {
		i := 0
		if n > 1 {
			i = int(math.Round(float64(k) * float64(len(images)-1) / float64(n-1)))
		}
		chosen, at = append(chosen, images[i]), append(at, i)
	}
	return chosen, at
}
