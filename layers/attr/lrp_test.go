package attr_test

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/attr"
	"fovea/layers/layertest"
	"fovea/layers/resnet"
)

// allRules has a composite with each rule, for images between −2 and 3.
var allRules = map[string]attr.Composite{
	"ε 0":                   {},
	"γ":                     {Conv: attr.Gamma{Gamma: 0.25}, Dense: attr.Gamma{Gamma: 0.5}},
	"z⁺":                    {Conv: attr.ZPlus{}, Dense: attr.ZPlus{}},
	"αβ":                    {First: attr.AlphaBeta{Alpha: 2, Beta: 1}}, // which sees terms of both signs
	"flat":                  {Conv: attr.Flat{}, Dense: attr.Flat{}},
	"w²":                    {First: attr.WSquare{}},
	"zB":                    {First: attr.ZBox{Low: []float64{-2}, High: []float64{3, 4}}},
	"ε plus":                attr.EpsilonPlus,
	"ε plus flat":           attr.EpsilonPlusFlat,
	"ε γ box":               attr.EpsilonGammaBox([]float64{-2}, []float64{3}),
	"passing normalisation": {Conv: attr.ZPlus{}, PassBatchNorm: true},
}

// mixed has every part that relevance passes, and no biases: [B 8 8 2] → [B 3].
func mixed(s *model.Scope, x *Node) *Node {
	conv := func(name string, x *Node, o layers.ConvOptions) *Node {
		o.NoBias = true
		return layers.Conv(s.In("%s", name), x, o)
	}
	x = layers.ReLU(layers.BatchNorm(s.In("norm"), conv("conv1", x, layers.ConvOptions{Filters: 6}), layers.BatchNormOptions{}))
	x = layers.MaxPool(x, layers.PoolOptions{})                                                 // [B 4 4 6]
	branch := layers.ReLU(conv("conv2", x, layers.ConvOptions{Filters: 6, Groups: 2, Size: 2})) // an even window
	branch = layers.ReLU(conv("conv3", branch, layers.ConvOptions{Filters: 6, Groups: 6}))      // depthwise
	x = layers.ReLU(Add(x, branch))
	x = layers.MeanPool(x, layers.PoolOptions{})                                                             // [B 2 2 6]
	x = Concatenate([]*Node{x, layers.LeakyReLU(conv("conv4", x, layers.ConvOptions{Filters: 2}), 0.1)}, -1) // [B 2 2 8]
	x = layers.ReLU(layers.DenseWith(s.In("fc1"), layers.Flatten(x), layers.DenseOptions{Units: 16, NoBias: true}))
	return layers.DenseWith(s.In("fc2"), x, layers.DenseOptions{Units: 3, NoBias: true})
}

// scoresOf are the network's outputs for a class, [B].
func scoresOf(t *testing.T, b compute.Backend, store *model.Store, n attr.Network, x *tensors.Tensor, class int) []float64 {
	t.Helper()
	y, err := model.CallOnce(b, store, func(s *model.Scope, x *Node) *Node { return n(s, x) }, x)
	if err != nil {
		t.Fatal(err)
	}
	k := y.Shape().Dimensions[1]
	var scores []float64
	for i, v := range layertest.Floats(y) {
		if i%k == class {
			scores = append(scores, v)
		}
	}
	return scores
}

// sums adds up each of n maps.
func sums(maps []float64, n int) []float64 {
	totals := make([]float64, n)
	for i, v := range maps {
		totals[i*n/len(maps)] += v
	}
	return totals
}

// Without biases the map adds up to the score, whatever the rule, if only each output that has relevance has terms of each
// sign that the rule shares by.
func TestRelevanceIsConserved(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		x := layertest.Random[float32](2, 2, 8, 8, 2)
		store := layertest.NewStore(1)
		for name, c := range allRules {
			if b.Name() != "go" && !strings.Contains(name, "box") { // compiling takes time; this one has three rules
				continue
			}
			maps := explain(t, b, store, mixed, attr.LRP(c), x, 1)
			scores := scoresOf(t, b, store, mixed, x, 1)
			near(t, name, sums(maps, 2), scores, 2e-4)
		}
	})
}

// ε takes relevance away, the more the larger it is.
func TestEpsilonAbsorbs(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), layertest.Random[float32](2, 1, 8, 8, 2)
	before := math.Inf(1)
	for _, e := range []float64{0, 0.1, 1, 10} {
		rule := attr.Epsilon{Epsilon: e}
		energy := 0.0
		for _, r := range explain(t, b, store, mixed, attr.LRP(attr.Composite{Conv: rule, Dense: rule}), x, 1) {
			energy += math.Abs(r)
		}
		if !(energy < before) || energy == 0 {
			t.Errorf("ε %g: the magnitudes add up to %g, to %g for the ε before", e, energy, before)
		}
		before = energy
	}
}

// LRP of a linear network is input × weight, with biases and without ε too, and the composite without ε is input ×
// gradient in any network of ReLUs.
func TestRelevanceIsInputTimesGradient(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for name, c := range map[string]struct {
			network attr.Network
			x       *tensors.Tensor
		}{
			"linear": {linear, layertest.Random[float32](2, 2, 3, 3, 2)},
			"ReLUs":  {convolutional(true), layertest.Random[float32](2, 2, 6, 6, 2)},
		} {
			store := layertest.NewStore(1)
			gradient := explain(t, b, store, c.network, attr.InputGradient, c.x, 2)
			for i, v := range layertest.Floats(c.x) {
				gradient[i] *= v
			}
			near(t, name, explain(t, b, store, c.network, attr.LRP(attr.Composite{}), c.x, 2), gradient, 1e-5)
		}
	})
}

// twoDense is x·W + b, ReLU, ·V + c: [B 1 1 5] → [B 3].
func twoDense(s *model.Scope, x *Node) *Node {
	x = layers.ReLU(layers.Dense(s.In("a"), layers.Flatten(x), 7))
	return layers.Dense(s.In("b"), x, 3)
}

func set(t *testing.T, v *model.Variable, value *tensors.Tensor) {
	t.Helper()
	if err := v.SetValue(value); err != nil {
		t.Fatal(err)
	}
}

// setBiases gives values to all biases, which start from 0.
func setBiases(t *testing.T, b compute.Backend, store *model.Store, n attr.Network, x *tensors.Tensor) {
	t.Helper()
	scoresOf(t, b, store, n, x, 0) // makes the variables
	seed := uint64(7)
	for v := range store.IterVariables() {
		if v.Name() == "biases" || v.Name() == "offset" || v.Name() == "mean" {
			seed++
			set(t, v, layertest.Random[float32](seed, v.Shape().Dimensions...))
		}
	}
}

// What is missing in the map are the biases' shares: with the basic rule b_k·∂S/∂b_k each, since S is homogeneous of degree
// one in the image and the biases together.
func TestLeakEqualsTheSharesOfBiases(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), layertest.Random[float32](2, 1, 6, 6, 2)
	network := convolutional(true)
	setBiases(t, b, store, network, x)
	const class = 2
	total := sums(explain(t, b, store, network, attr.LRP(attr.Composite{}), x, class), 1)
	leak := scoresOf(t, b, store, network, x, class)[0] - total[0]
	shares := 0.0
	for v := range store.IterVariables() {
		if v.Name() != "biases" && v.Name() != "offset" && v.Name() != "mean" {
			continue
		}
		outputs, err := model.CallOnce(b, store, func(s *model.Scope, x *Node) *Node {
			score := ReduceAllSum(Slice(network(s, x), AxisRange(), AxisElem(class)))
			value := v.NodeValue(x.Graph())
			return ReduceAllSum(Mul(value, Gradient(score, value)[0]))
		}, x)
		if err != nil {
			t.Fatal(err)
		}
		shares += layertest.Floats(outputs)[0]
	}
	if math.Abs(leak) < 0.1 {
		t.Fatalf("leak %g: too small to tell anything", leak)
	}
	near(t, "leak", []float64{leak}, []float64{shares}, 1e-4)
}

// Every rule against its formula, written out for a dense network with biases.
func TestRulesEqualTheirFormulas(t *testing.T) {
	b, x := layertest.Go(), layertest.Random[float32](2, 2, 1, 1, 5)
	plus := func(v float64) float64 { return max(v, 0) }
	minus := func(v float64) float64 { return min(v, 0) }
	// A formula is the list of sums that relevance is shared by: the factor, the term of an input, the share of the bias.
	type sum struct {
		factor, epsilon float64
		term            func(x, w, z float64) float64
		bias            func(b, z float64) float64
	}
	none := func(_, _ float64) float64 { return 0 }
	all := func(b, _ float64) float64 { return b }
	const low, high = -3, 4
	for _, c := range []struct {
		rule attr.PropagationRule
		sums []sum
	}{
		{attr.Epsilon{}, []sum{{1, 0, func(x, w, _ float64) float64 { return x * w }, all}}},
		{attr.Epsilon{Epsilon: 0.5}, []sum{{1, 0.5, func(x, w, _ float64) float64 { return x * w }, all}}},
		{attr.Gamma{Gamma: 0.25, Epsilon: 0.1}, []sum{{1, 0.1,
			func(x, w, z float64) float64 {
				if x*w*z > 0 {
					return 1.25 * x * w
				}
				return x * w
			},
			func(b, z float64) float64 {
				if b*z > 0 {
					return 1.25 * b
				}
				return b
			}}}},
		{attr.ZPlus{}, []sum{{1, 0, func(x, w, _ float64) float64 { return plus(x * w) }, func(b, _ float64) float64 { return plus(b) }}}},
		{attr.ZPlus{NoBias: true}, []sum{{1, 0, func(x, w, _ float64) float64 { return plus(x * w) }, none}}},
		{attr.AlphaBeta{Alpha: 2, Beta: 1}, []sum{
			{2, 0, func(x, w, _ float64) float64 { return plus(x * w) }, func(b, _ float64) float64 { return plus(b) }},
			{-1, 0, func(x, w, _ float64) float64 { return minus(x * w) }, func(b, _ float64) float64 { return minus(b) }}}},
		{attr.Flat{}, []sum{{1, 0, func(_, _, _ float64) float64 { return 1 }, none}}},
		{attr.WSquare{}, []sum{{1, 0, func(_, w, _ float64) float64 { return w * w }, none}}},
		{attr.ZBox{Low: []float64{low}, High: []float64{high}}, []sum{{1, 0,
			func(x, w, _ float64) float64 { return x*w - low*plus(w) - high*minus(w) }, none}}},
	} {
		store := layertest.NewStore(1)
		setBiases(t, b, store, twoDense, x)
		got := explain(t, b, store, twoDense, attr.LRP(attr.Composite{Dense: c.rule}), x, 1)

		layer := func(name string) (w, bias []float64) {
			return layertest.Floats(store.GetVariable("/" + name + "/weights").MustValue()), layertest.Floats(store.GetVariable("/" + name + "/biases").MustValue())
		}
		forward := func(x, w, bias []float64) []float64 {
			z := append([]float64(nil), bias...)
			for j, v := range x {
				for k := range z {
					z[k] += v * w[j*len(z)+k]
				}
			}
			return z
		}
		back := func(x, w, bias, relevance []float64) []float64 {
			out, z := make([]float64, len(x)), forward(x, w, bias)
			for _, s := range c.sums {
				for k, r := range relevance {
					total := s.bias(bias[k], z[k])
					for j, v := range x {
						total += s.term(v, w[j*len(z)+k], z[k])
					}
					total += math.Copysign(s.epsilon, total)
					for j, v := range x {
						if total != 0 {
							out[j] += s.factor * s.term(v, w[j*len(z)+k], z[k]) / total * r
						}
					}
				}
			}
			return out
		}
		var want []float64
		images := layertest.Floats(x)
		for n := range 2 {
			x := images[n*5 : n*5+5]
			w, a := layer("a")
			v, bias := layer("b")
			hidden := forward(x, w, a)
			for i := range hidden {
				hidden[i] = plus(hidden[i])
			}
			score := make([]float64, 3)
			score[1] = forward(hidden, v, bias)[1]
			want = append(want, back(x, w, a, back(hidden, v, bias, score))...)
		}
		near(t, c.rule.String(), got, want, 1e-4)
	}
}

// A normalisation counts as part of the convolution before it: the map is that of a network with folded weights.
func TestNormalisationIsFolded(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), layertest.Random[float32](2, 2, 6, 6, 2)
	network := func(folded bool) attr.Network {
		return func(s *model.Scope, x *Node) *Node {
			conv, norm := s.In("conv"), s.In("norm")
			if !folded {
				x = layers.BatchNorm(norm, layers.Conv(conv, x, layers.ConvOptions{Filters: 4}), layers.BatchNormOptions{})
			} else {
				x = layers.Conv(s.In("folded"), x, layers.ConvOptions{Filters: 4})
			}
			return layers.Dense(s.In("dense"), layers.Flatten(layers.ReLU(x)), 3)
		}
	}
	setBiases(t, b, store, network(false), x)
	value := func(name string) []float64 { return layertest.Floats(store.GetVariable(name).MustValue()) }
	set(t, store.GetVariable("/norm/variance"), tensors.FromValue([]float32{0.5, 1, 2, 3}))
	set(t, store.GetVariable("/norm/scale"), tensors.FromValue([]float32{1, -1, 0.5, 2}))
	w, bias, variance, scale, mean, offset := value("/conv/weights"), value("/conv/biases"), value("/norm/variance"), value("/norm/scale"), value("/norm/mean"), value("/norm/offset")
	weights, biases := make([]float32, len(w)), make([]float32, len(bias))
	for i := range w {
		weights[i] = float32(w[i] * scale[i%4] / math.Sqrt(variance[i%4]+1e-5))
	}
	for i := range bias {
		biases[i] = float32((bias[i]-mean[i])*scale[i]/math.Sqrt(variance[i]+1e-5) + offset[i])
	}
	scoresOf(t, b, store, network(true), x, 0)
	set(t, store.GetVariable("/folded/weights"), tensors.FromFlatDataAndDimensions(weights, 3, 3, 2, 4))
	set(t, store.GetVariable("/folded/biases"), tensors.FromFlatDataAndDimensions(biases, 4))
	for _, rule := range []attr.PropagationRule{attr.Epsilon{Epsilon: 0.1}, attr.Gamma{Gamma: 0.25}, attr.AlphaBeta{Alpha: 2, Beta: 1}, attr.WSquare{}} {
		lrp := attr.LRP(attr.Composite{Conv: rule})
		near(t, rule.String(), explain(t, b, store, network(false), lrp, x, 1), explain(t, b, store, network(true), lrp, x, 1), 1e-4)
	}
}

// A sum shares by proportion, a mean likewise, and a maximum gives all to the winner.
func TestWhatStandsBetweenTheLayers(t *testing.T) {
	b := layertest.Go()
	x := tensors.FromFlatDataAndDimensions([]float32{1, 2, 3, 6}, 1, 2, 2, 1)
	for _, c := range []struct {
		name  string
		build func(x *Node) *Node
		want  []float64 // the score is 12
	}{
		{"sum", func(x *Node) *Node { return ReduceSum(x, 1, 2) }, []float64{1, 2, 3, 6}},
		{"mean", func(x *Node) *Node { return MulScalar(layers.GlobalMeanPool(x), 4) }, []float64{1, 2, 3, 6}},
		{"maximum", func(x *Node) *Node { return MulScalar(layers.Flatten(layers.MaxPool(x, layers.PoolOptions{})), 2) }, []float64{0, 0, 0, 12}},
		{"residual", func(x *Node) *Node {
			largest := layers.Flatten(layers.MaxPool(x, layers.PoolOptions{}))
			return Add(MulScalar(largest, 0.5), MulScalar(ReduceSum(x, 1, 2), 0.75))
		}, []float64{0.75, 1.5, 2.25, 4.5 + 3}},
	} {
		network := func(_ *model.Scope, x *Node) *Node { return c.build(x) }
		near(t, c.name, explain(t, b, layertest.NewStore(1), network, attr.LRP(attr.EpsilonPlus), x, 0), c.want, 1e-6)
	}
}

// Rules by scope go before those by kind, the longest path before shorter ones.
func TestRulesByScope(t *testing.T) {
	b, x := layertest.Go(), layertest.Random[float32](2, 1, 1, 1, 5)
	store := layertest.NewStore(1)
	network := func(s *model.Scope, x *Node) *Node {
		in := s.In("block")
		x = layers.ReLU(layers.Dense(in.In("a"), layers.Flatten(x), 7))
		return layers.Dense(in.In("b"), x, 3)
	}
	flat := explain(t, b, store, network, attr.LRP(attr.Composite{First: attr.Flat{}, Dense: attr.ZPlus{}}), x, 0)
	scoped := attr.Composite{Scopes: map[string]attr.PropagationRule{"block/a": attr.Flat{}, "block": attr.ZPlus{}}}
	near(t, "rules by scope", explain(t, b, store, network, attr.LRP(scoped), x, 0), flat, 1e-6)
}

// Residual networks, as recipes build them, on the best backend.
func TestRelevanceOfAResidualNetwork(t *testing.T) {
	b, store, x := backendtest.ForTest(t), layertest.NewStore(1), layertest.Random[float32](2, 2, 8, 8, 3)
	config := resnet.CIFAR(8)
	config.Shortcut = resnet.Projection
	network := resnet.Network(config, resnet.Hooks{})
	for name, c := range map[string]attr.Composite{"ε plus flat": attr.EpsilonPlusFlat} {
		maps := explain(t, b, store, network, attr.LRP(c), x, 4)
		near(t, name, sums(maps, 2), scoresOf(t, b, store, network, x, 4), 1e-3)
	}
}

// Nothing is explained that no rule covers.
func TestUncoveredOperations(t *testing.T) {
	b, x := layertest.Go(), layertest.Random[float32](2, 1, 8, 8, 2)
	head := func(s *model.Scope, x *Node) *Node { return layers.Dense(s.In("out"), layers.Flatten(x), 3) }
	for _, c := range []struct {
		name    string
		method  attr.Method
		network attr.Network
		want    string
	}{
		{"sigmoid", attr.LRP(attr.EpsilonPlus), func(s *model.Scope, x *Node) *Node {
			return head(s, Sigmoid(layers.Tap(layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: 2}), "conv")))
		}, "after tap conv"},
		{"gate", attr.LRP(attr.EpsilonPlus), func(s *model.Scope, x *Node) *Node {
			return head(s, Mul(x, x))
		}, "both of its sides"},
		{"softmax", attr.LRP(attr.EpsilonPlus), func(s *model.Scope, x *Node) *Node { return Softmax(head(s, x)) }, "no rule for the operation"},
		{"own product", attr.LRP(attr.EpsilonPlus), func(s *model.Scope, x *Node) *Node {
			w := s.In("own").VariableWithShape("weights", x.Shape()).NodeValue(x.Graph())
			return head(s, Einsum("bhwc,bhwd->bhcd", x, w))
		}, "layers.Dense"},
		{"no path", attr.LRP(attr.EpsilonPlus), func(s *model.Scope, x *Node) *Node {
			return head(s, ConvertDType(GreaterThan(x, ZerosLike(x)), x.DType()))
		}, "no rule"},
		{"unknown scope", attr.LRP(attr.Composite{Scopes: map[string]attr.PropagationRule{"stage1": attr.ZPlus{}}}), head, `"stage1"`},
		{"wrong box", attr.LRP(attr.EpsilonGammaBox([]float64{1, 2, 3}, []float64{1})), head, "3 values"},
		{"wrong α and β", attr.LRP(attr.Composite{Dense: attr.AlphaBeta{Alpha: 2}}), head, "Alpha − Beta = 1"},
		{"maximum", attr.DeepLift(attr.DeepLiftOptions{}), func(s *model.Scope, x *Node) *Node { return head(s, MaxScalar(x, 0)) }, "layers.ReLU"},
		{"gate", attr.DeepLift(attr.DeepLiftOptions{}), func(s *model.Scope, x *Node) *Node { return head(s, Mul(x, x)) }, "both of its sides"},
		{"wrong baseline", attr.DeepLift(attr.DeepLiftOptions{Baselines: layertest.Random[float32](1, 2, 8, 4, 2)}), head, "[N H W C]"},
	} {
		_, err := attr.Explain(b, layertest.NewStore(1), c.network, c.method, x, 0)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}
