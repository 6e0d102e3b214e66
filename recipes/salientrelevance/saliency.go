package salientrelevance

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// Saliency is the context-aware saliency of Goferman, Zelnik-Manor and Tal 2012 on a map in place of an image: what is unlike
// everything around it stands out, and so does what is near to what stands out most. maps [B H W] → [B H W], from 0 to less
// than 1.
//
// Two patches differ by d = d_value/(1 + Distance·d_position) (their eq. 1): the values' Euclidean distance, where the map goes from 0
// to 1, and that of the places, where the image's longer side is 1. The saliency of a patch is 1 − exp(−mean of d) over the
// Neighbours patches that it differs least from (eq. 3), its mean over Scales that of a pixel (eq. 4), and that falls with the distance
// from the nearest focus (eq. 5). A constant map has no saliency.
func Saliency(maps *Node, c Config) *Node {
	if maps.Rank() != 3 || c.Patch < 1 || c.Patch%2 == 0 || c.Neighbours < 1 || len(c.Scales) == 0 || c.Distance < 0 {
		Panicf("salientrelevance.Saliency: map %s and %+v: want [B H W], an odd patch, neighbours and scales", maps.Shape(), c)
	}
	height, width := maps.Shape().Dimensions[1], maps.Shape().Dimensions[2]
	low, high := ReduceAndKeep(maps, ReduceMin, 1, 2), ReduceAndKeep(maps, ReduceMax, 1, 2) // [B 1 1]
	maps = quotient(Sub(maps, low), Sub(high, low))
	var sum *Node
	for _, scale := range c.Scales {
		h, w := scaled(height, scale), scaled(width, scale)
		s := stretch(distinctness(maps, h, w, c), resizing(h, height, 0), resizing(w, width, 0)) // [B H W]
		if sum == nil {
			sum = s
		} else {
			sum = Add(sum, s)
		}
	}
	return nearFoci(DivScalar(sum, float64(len(c.Scales))), c.Foci)
}

// distinctness is the saliency at one scale: maps [B H W] → [B h w].
func distinctness(maps *Node, h, w int, c Config) *Node {
	batch, n, border := maps.Shape().Dimensions[0], h*w, c.Patch/2
	maps = stretch(maps, resizing(maps.Shape().Dimensions[1], h, border), resizing(maps.Shape().Dimensions[2], w, border))
	var patches []*Node // the map, moved by each place in a patch
	for y := range c.Patch {
		for x := range c.Patch {
			patches = append(patches, Slice(maps, AxisRange(), AxisRange(y, y+h), AxisRange(x, x+w)))
		}
	}
	p := Reshape(Stack(patches, -1), batch, n, c.Patch*c.Patch) // [B n P²]
	squares := ReduceSum(Square(p), -1)                         // [B n]
	products := Einsum("bip,bjp->bij", p, p)                    // [B n n]
	values := Sub(Add(InsertAxes(squares, -1), InsertAxes(squares, 1)), MulScalar(products, 2))
	values = Sqrt(MaxScalar(values, 0)) // rounding may leave less than 0
	near := OnePlus(MulScalar(positions(maps, h, w), c.Distance))
	d := Div(values, InsertAxes(near, 0)) // [B n n]
	mean := DivScalar(sumOfSmallest(d, min(c.Neighbours, n)), float64(min(c.Neighbours, n)))
	return Reshape(OneMinus(Exp(Neg(mean))), batch, h, w)
}

// halvings bring the bound of sumOfSmallest to a millionth of the largest value.
const halvings = 20

// sumOfSmallest is the sum of the k smallest of each row, none negative: x [B n m] → [B n]. Sorting rows is slow on all
// backends; halving the interval that the k-th value lies in takes a few passes.
func sumOfSmallest(x *Node, k int) *Node {
	below := func(bound *Node) *Node { return ConvertDType(LessOrEqual(x, InsertAxes(bound, -1)), x.DType()) } // [B n m]
	high := ReduceMax(x, -1)                                                                                   // [B n], at least k values do not exceed it
	low := Neg(OnesLike(high))                                                                                 // fewer do not exceed this
	for range halvings {
		middle := MulScalar(Add(low, high), 0.5)
		enough := GreaterOrEqual(ReduceSum(below(middle), -1), Scalar(x.Graph(), x.DType(), k))
		low, high = Where(enough, low, middle), Where(enough, middle, high)
	}
	inside := below(low)
	rest := Neg(AddScalar(ReduceSum(inside, -1), -float64(k))) // values between the two bounds
	return Add(ReduceSum(Mul(x, inside), -1), Mul(rest, MaxScalar(high, 0)))
}

// nearFoci weighs saliency [B H W] by one minus the distance from the nearest focus, in lengths of the image's longer side.
func nearFoci(s *Node, foci float64) *Node {
	batch, h, w := s.Shape().Dimensions[0], s.Shape().Dimensions[1], s.Shape().Dimensions[2]
	largest := ReduceAndKeep(s, ReduceMax, 1, 2)
	focus := GreaterOrEqual(s, MulScalar(largest, foci)) // [B H W], at least one
	focus = Reshape(focus, batch, 1, h*w)
	distance := BroadcastPrefix(positions(s, h, w), batch)                                                                    // [B n n]
	far := Scalar(s.Graph(), s.DType(), 2)                                                                                    // more than the diagonal
	distance = ReduceMin(Where(BroadcastToDims(focus, batch, h*w, h*w), distance, BroadcastToDims(far, batch, h*w, h*w)), -1) // [B n]
	return Mul(s, Reshape(OneMinus(MinScalar(distance, 1)), batch, h, w))
}

// positions are the distances between the pixels of an image of h×w whose longer side is 1: [h·w h·w].
func positions(like *Node, h, w int) *Node {
	side := float64(max(h, w))
	coordinate := func(of func(i int) int) *Node { // squared differences along one axis, [n n]
		at := make([]float32, h*w)
		for i := range at {
			at[i] = float32(float64(of(i)) / side)
		}
		x := ConvertDType(Const(like.Graph(), at), like.DType())
		return Square(Sub(InsertAxes(x, 1), InsertAxes(x, 0)))
	}
	return Sqrt(Add(coordinate(func(i int) int { return i / w }), coordinate(func(i int) int { return i % w })))
}

func scaled(size int, scale float64) int { return max(1, int(math.Round(float64(size)*scale))) }

// stretch resizes maps [B H W] by a matrix for each axis, [h H] and [w W]: [B h w].
func stretch(maps *Node, rows, columns [][]float32) *Node {
	matrix := func(m [][]float32) *Node { return ConvertDType(Const(maps.Graph(), m), maps.DType()) }
	return Einsum("bhX,wX->bhw", Einsum("bYX,hY->bhX", maps, matrix(rows)), matrix(columns))
}

// resizing is the matrix of a bilinear resize along one axis, with border more pixels on each side that repeat the edge.
func resizing(from, to, border int) [][]float32 {
	rows := make([][]float32, to+2*border)
	for i := range rows {
		rows[i] = make([]float32, from)
		inside := min(max(i-border, 0), to-1)
		at := min(max((float64(inside)+0.5)*float64(from)/float64(to)-0.5, 0), float64(from-1))
		low := int(at)
		share := float32(at - float64(low))
		rows[i][low] += 1 - share
		rows[i][min(low+1, from-1)] += share
	}
	return rows
}

// quotient is a/b, and 0 where b is.
func quotient(a, b *Node) *Node {
	none := Equal(b, ZerosLike(b))
	b = Where(none, OnesLike(b), b)
	return Div(a, b)
}
