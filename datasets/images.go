package datasets

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/gotype"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// Images is a set of labelled images of one size, in memory.
//
// Letters in comments: N images, H W space, C channels (3: red, green, blue; 1: grey), K classes.
type Images struct {
	Name       string  // such as "cifar10/train"
	Pixels     []uint8 // [N H W C]
	N, H, W, C int
	Labels     []int32  // [N], each in 0…K-1
	Classes    []string // [K] names
	Masks      []uint8  // [N H W], 1 where the labelled object is and 0 elsewhere; nil when the set has none
	Boxes      [][4]int // [N] of x0, y0, x1, y1 around the object, x1 and y1 exclusive; nil when the set has none

	// Norm is how pixels become network inputs. It belongs to the set and not to a part of it, so that training and
	// test images, and a network that is loaded a year later, all see the same scale.
	Norm      Normalization
	Info      Info
	Synthetic bool
}

// Validate checks that the lengths of the fields agree and that labels and boxes are in range.
func (im *Images) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("images %q: %s", im.Name, fmt.Sprintf(format, args...))
	}
	if im.N < 0 || im.H <= 0 || im.W <= 0 || im.C <= 0 {
		return bad("shape [%d %d %d %d] isn't positive", im.N, im.H, im.W, im.C)
	}
	if want := im.N * im.H * im.W * im.C; len(im.Pixels) != want {
		return bad("%d bytes of pixels, want %d×%d×%d×%d = %d", len(im.Pixels), im.N, im.H, im.W, im.C, want)
	}
	if len(im.Labels) != im.N {
		return bad("%d labels for %d images", len(im.Labels), im.N)
	}
	for i, label := range im.Labels {
		if label < 0 || int(label) >= len(im.Classes) {
			return bad("image %d has label %d, but there are %d classes", i, label, len(im.Classes))
		}
	}
	if im.Masks != nil && len(im.Masks) != im.N*im.H*im.W {
		return bad("%d bytes of masks, want %d×%d×%d", len(im.Masks), im.N, im.H, im.W)
	}
	if im.Boxes != nil && len(im.Boxes) != im.N {
		return bad("%d boxes for %d images", len(im.Boxes), im.N)
	}
	for i, b := range im.Boxes {
		if b[0] < 0 || b[1] < 0 || b[2] > im.W || b[3] > im.H || b[0] >= b[2] || b[1] >= b[3] {
			return bad("image %d has box %v, which is empty or leaves the %d×%d image", i, b, im.H, im.W)
		}
	}
	return im.Norm.check(im.C)
}

// String is one line for a log: name, size, classes.
func (im *Images) String() string {
	s := fmt.Sprintf("%s: %d images of %d×%d×%d, %d classes", im.Name, im.N, im.H, im.W, im.C, len(im.Classes))
	if im.Synthetic {
		s += " (synthetic)"
	}
	return s
}

// PixelsAt returns the pixels [H W C] of image i, not a copy. It panics if there is no image i.
func (im *Images) PixelsAt(i int) []uint8 {
	n := im.H * im.W * im.C
	return im.Pixels[i*n : (i+1)*n : (i+1)*n]
}

// MaskAt returns the mask [H W] of image i, not a copy, or nil if the set has no masks.
func (im *Images) MaskAt(i int) []uint8 {
	if im.Masks == nil {
		return nil
	}
	n := im.H * im.W
	return im.Masks[i*n : (i+1)*n : (i+1)*n]
}

// Class returns the name of image i's class.
func (im *Images) Class(i int) string { return im.Classes[im.Labels[i]] }

// Image returns a copy of image i as Go's image type. It panics unless C is 1, 3 or 4.
func (im *Images) Image(i int) image.Image {
	pixels, rect := im.PixelsAt(i), image.Rect(0, 0, im.W, im.H)
	switch im.C {
	case 1:
		return &image.Gray{Pix: slices.Clone(pixels), Stride: im.W, Rect: rect}
	case 4:
		return &image.NRGBA{Pix: slices.Clone(pixels), Stride: 4 * im.W, Rect: rect}
	case 3:
		out := image.NewNRGBA(rect)
		for p := range im.H * im.W {
			copy(out.Pix[4*p:4*p+3], pixels[3*p:3*p+3])
			out.Pix[4*p+3] = 255
		}
		return out
	}
	panic(fmt.Sprintf("datasets: no image of %d channels can be shown", im.C))
}

// Slice returns images i to j-1, sharing memory. Like a slice of Go it panics unless 0 ≤ i ≤ j ≤ N.
func (im *Images) Slice(i, j int) *Images {
	if i < 0 || j < i || j > im.N {
		panic(fmt.Sprintf("datasets: slice %d:%d of the %d images of %s", i, j, im.N, im.Name))
	}
	part, n := *im, im.H*im.W
	part.N = j - i
	part.Pixels = im.Pixels[i*n*im.C : j*n*im.C : j*n*im.C]
	part.Labels = im.Labels[i:j:j]
	if im.Masks != nil {
		part.Masks = im.Masks[i*n : j*n : j*n]
	}
	if im.Boxes != nil {
		part.Boxes = im.Boxes[i:j:j]
	}
	return &part
}

// Subset returns a copy of the images with those numbers, in that order; a number may come twice.
// It panics if there is no image of some number.
func (im *Images) Subset(index []int) *Images {
	part := *im
	part.N = len(index)
	part.Pixels = make([]uint8, 0, part.N*im.H*im.W*im.C)
	part.Labels = make([]int32, 0, part.N)
	part.Masks, part.Boxes = nil, nil
	for _, i := range index {
		part.Pixels = append(part.Pixels, im.PixelsAt(i)...)
		part.Labels = append(part.Labels, im.Labels[i])
		if im.Masks != nil {
			part.Masks = append(part.Masks, im.MaskAt(i)...)
		}
		if im.Boxes != nil {
			part.Boxes = append(part.Boxes, im.Boxes[i])
		}
	}
	return &part
}

// Split shuffles the images with the seed and deals them into two sets, the first with the fraction frac of them,
// rounded. It panics unless 0 ≤ frac ≤ 1.
func (im *Images) Split(frac float64, seed uint64) (first, second *Images) {
	checkFraction(frac)
	order := rand.New(rand.NewPCG(seed, splitStream)).Perm(im.N)
	cut := int(math.Round(frac * float64(im.N)))
	return im.Subset(order[:cut]), im.Subset(order[cut:])
}

// SplitStratified is Split class by class: each class has the fraction frac, rounded, of its images in the first set.
func (im *Images) SplitStratified(frac float64, seed uint64) (first, second *Images) {
	checkFraction(frac)
	random := rand.New(rand.NewPCG(seed, splitStream))
	var a, b []int
	for _, members := range im.byClass() {
		shuffle(random, members)
		cut := int(math.Round(frac * float64(len(members))))
		a, b = append(a, members[:cut]...), append(b, members[cut:]...)
	}
	// Without this the parts would be sorted by class, and their first images all of one.
	shuffle(random, a)
	shuffle(random, b)
	return im.Subset(a), im.Subset(b)
}

// Sample returns n images, chosen with the seed, as even over the classes as they allow; all of them, in their own
// order and not copied, when n is 0 or N. It panics if n is negative or above N.
func (im *Images) Sample(n int, seed uint64) *Images {
	if n < 0 || n > im.N {
		panic(fmt.Sprintf("datasets: a sample of %d from the %d images of %s", n, im.N, im.Name))
	}
	if n == 0 || n == im.N {
		return im
	}
	random := rand.New(rand.NewPCG(seed, splitStream))
	classes := im.byClass()
	for _, members := range classes {
		shuffle(random, members)
	}
	var chosen []int
	for round := 0; len(chosen) < n; round++ { // one of each class a round
		for _, members := range classes {
			if round < len(members) && len(chosen) < n {
				chosen = append(chosen, members[round])
			}
		}
	}
	shuffle(random, chosen)
	return im.Subset(chosen)
}

// splitStream keeps the random numbers of splits apart from those of batches with the same seed.
const splitStream = 0x5b1d

func checkFraction(frac float64) {
	if !(frac >= 0 && frac <= 1) {
		panic(fmt.Sprintf("datasets: a split needs a fraction from 0 to 1, got %v", frac))
	}
}

func shuffle(random *rand.Rand, index []int) {
	random.Shuffle(len(index), func(i, j int) { index[i], index[j] = index[j], index[i] })
}

func (im *Images) byClass() [][]int {
	members := make([][]int, len(im.Classes))
	for i, label := range im.Labels {
		members[label] = append(members[label], i)
	}
	return members
}

// Counts returns the number of images of each class.
func (im *Images) Counts() []int {
	counts := make([]int, len(im.Classes))
	for _, label := range im.Labels {
		counts[label]++
	}
	return counts
}

// MeanStd returns the mean and the standard deviation of each channel over all pixels, in units of 1 (pixel/255).
// The sums are exact, so the result doesn't depend on the order of the images.
func (im *Images) MeanStd() (mean, std []float32) {
	histogram := make([][256]uint64, im.C)
	for p := 0; p < len(im.Pixels); p += im.C {
		for c := range im.C {
			histogram[c][im.Pixels[p+c]]++
		}
	}
	for c := range histogram {
		var n, sum, squares uint64
		for value, count := range histogram[c] {
			v := uint64(value)
			n, sum, squares = n+count, sum+v*count, squares+v*v*count
		}
		if n == 0 {
			mean, std = append(mean, 0), append(std, 0)
			continue
		}
		m := float64(sum) / float64(n)
		variance := float64(squares)/float64(n) - m*m
		mean = append(mean, float32(m/255))
		std = append(std, float32(math.Sqrt(max(variance, 0))/255))
	}
	return mean, std
}

// Tensor returns images i to j-1 as network inputs: float32 [j-i H W C], normalised by im.Norm.
// It panics unless 0 ≤ i ≤ j ≤ N.
func (im *Images) Tensor(i, j int) *tensors.Tensor {
	part := im.Slice(i, j)
	table := im.Norm.table(im.C)
	return fill([]int{part.N, part.H, part.W, part.C}, func(x []float32) { table.apply(x, part.Pixels) })
}

// fill makes a tensor whose values are written in place: tensors.FromFlatDataAndDimensions would copy them once more.
func fill[T gotype.Supported](dimensions []int, write func(flat []T)) *tensors.Tensor {
	t := tensors.FromShape(shapes.Make(dtypes.FromGenericsType[T](), dimensions...))
	tensors.MustMutableFlatData(t, write)
	return t
}

// LabelTensor returns the labels of images i to j-1 as int32 [j-i 1], the shape that GoMLX's sparse losses take.
func (im *Images) LabelTensor(i, j int) *tensors.Tensor {
	return tensors.FromFlatDataAndDimensions(im.Labels[i:j], j-i, 1)
}

// Shrink returns a copy with H and W divided by factor: each pixel is the rounded mean of factor×factor pixels, each
// mask pixel what at least half of them are, and boxes grow outwards to whole pixels.
// It panics if factor doesn't divide H and W.
func (im *Images) Shrink(factor int) *Images {
	if factor < 1 || im.H%factor != 0 || im.W%factor != 0 {
		panic(fmt.Sprintf("datasets: %d×%d images can't be shrunk by %d", im.H, im.W, factor))
	}
	small := *im
	small.H, small.W = im.H/factor, im.W/factor
	small.Pixels = shrink(im.Pixels, im.N, im.H, im.W, im.C, factor)
	small.Labels = slices.Clone(im.Labels)
	if im.Masks != nil {
		// A mask of 0 and 1 has a rounded mean of 1 where at least half of it is 1.
		small.Masks = shrink(im.Masks, im.N, im.H, im.W, 1, factor)
	}
	if im.Boxes != nil {
		small.Boxes = make([][4]int, im.N)
		for i, b := range im.Boxes {
			small.Boxes[i] = [4]int{b[0] / factor, b[1] / factor, (b[2] + factor - 1) / factor, (b[3] + factor - 1) / factor}
		}
	}
	return &small
}

func shrink(pixels []uint8, n, h, w, c, factor int) []uint8 {
	out := make([]uint8, 0, len(pixels)/(factor*factor))
	sums := make([]int, w/factor*c) // of one row of the result
	area := factor * factor
	for row := 0; row < n*h; row += factor {
		clear(sums)
		for dy := range factor {
			line := pixels[(row+dy)*w*c : (row+dy+1)*w*c]
			for x := range w {
				for ch := range c {
					sums[x/factor*c+ch] += int(line[x*c+ch])
				}
			}
		}
		for _, sum := range sums {
			out = append(out, uint8((sum+area/2)/area))
		}
	}
	return out
}
