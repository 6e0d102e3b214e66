package resnet_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
	"fovea/layers/resnet"
)

func change(c resnet.Config, f func(c *resnet.Config)) resnet.Config {
	f(&c)
	return c
}

// The counts are torchvision's, and those of the papers' CIFAR networks; building the graph makes no weights.
func TestParameters(t *testing.T) {
	b := backendtest.ForTest(t)
	for name, test := range map[string]struct {
		config resnet.Config
		size   int
		want   int
	}{
		"ResNet-18":        {resnet.ImageNet(18), 224, 11_689_512},
		"ResNet-34":        {resnet.ImageNet(34), 224, 21_797_672},
		"ResNet-50":        {resnet.ImageNet(50), 224, 25_557_032},
		"ResNet-101":       {resnet.ImageNet(101), 224, 44_549_160},
		"ResNet-152":       {resnet.ImageNet(152), 224, 60_192_808},
		"ResNeXt-50 32×4d": {change(resnet.ImageNet(50), func(c *resnet.Config) { c.Groups, c.GroupWidth = 32, 4 }), 224, 25_028_904},
		"Wide ResNet-50-2": {change(resnet.ImageNet(50), func(c *resnet.Config) { c.GroupWidth = 128 }), 224, 68_883_240},
		"ResNet-20":        {resnet.CIFAR(20), 32, 269_722},
		"ResNet-110":       {resnet.CIFAR(110), 32, 1_727_962},
		"ResNet-1202":      {resnet.CIFAR(1202), 32, 19_421_274},
		"plain 20":         {change(resnet.CIFAR(20), func(c *resnet.Config) { c.Shortcut = resnet.None }), 32, 269_722},
		// Two 1×1 projections with their normalisations: 16·32 + 32·64 + 2·(32+64).
		"ResNet-20 B": {change(resnet.CIFAR(20), func(c *resnet.Config) { c.Shortcut = resnet.Projection }), 32, 269_722 + 512 + 2048 + 192},
	} {
		s, err := layers.Summarize(b, resnet.Network(test.config, resnet.Hooks{}), shapes.Make(dtypes.Float32, 1, test.size, test.size, 3))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := s.Parameters(); got != test.want {
			t.Errorf("%s has %d parameters, want %d", name, got, test.want)
		}
		if out := s.Outputs[0].Dimensions; !slices.Equal(out, []int{1, test.config.Classes}) {
			t.Errorf("%s: output %v", name, out)
		}
	}
}

// Table 1 and section 4.2: what each stage puts out; and every tap that is promised is there.
func TestStagesAndTaps(t *testing.T) {
	b := backendtest.ForTest(t)
	for _, test := range []struct {
		config resnet.Config
		size   int
		want   map[string][]int
	}{
		{resnet.ImageNet(50), 224, map[string][]int{"stem": {1, 56, 56, 64}, "layer1": {1, 56, 56, 256}, "layer2/0": {1, 28, 28, 512}, "layer4": {1, 7, 7, 2048}}},
		{resnet.CIFAR(32), 32, map[string][]int{"stem": {1, 32, 32, 16}, "layer1": {1, 32, 32, 16}, "layer2": {1, 16, 16, 32}, "layer3/4": {1, 8, 8, 64}}},
	} {
		g := graph.NewGraph(b, "taps")
		store := model.NewStore()
		model.SetStore(g, store)
		resnet.Network(test.config, resnet.Hooks{})(store.RootScope(), graph.Parameter(g, "x", shapes.Make(dtypes.Float32, 1, test.size, test.size, 3)))
		if got, want := layers.Taps(g), test.config.Taps(); len(got) != len(want) {
			t.Errorf("taps %v, want %v", got, want)
		}
		for _, name := range test.config.Taps() {
			node, err := layers.TapNode(g, name)
			if err != nil {
				t.Error(err)
			} else if want := test.want[name]; want != nil && !slices.Equal(node.Shape().Dimensions, want) {
				t.Errorf("tap %s is %s, want %v", name, node.Shape(), want)
			}
		}
		g.Finalize()
	}
}

// Each kind of unit behaves as a layer does.
func TestUnitsAreLayers(t *testing.T) {
	small := resnet.Config{Stages: []int{1, 1}, Widths: []int{2, 3}, Classes: 2}
	stem := 9*2*2 + 4
	first, second := 2*(9*2*2)+8, 9*2*3+9*3*3+12
	with := func(name string, parameters int, f func(c *resnet.Config)) layertest.Case {
		return layertest.Case{Name: name, Layer: resnetLayer(change(small, f)), Input: []int{2, 4, 4, 2}, Output: []int{2, 2}, Parameters: parameters}
	}
	layertest.Run(t,
		with("basic, projected", stem+first+second+2*3+6+8, func(c *resnet.Config) {}),
		with("basic, padded", stem+first+second+8, func(c *resnet.Config) { c.Shortcut = resnet.Padding }),
		// No normalisation of the stem; each unit normalises its input; one more at the end.
		with("activation first", stem-4+(2*(9*2*2)+8)+(9*2*3+9*3*3+10)+2*3+6+8, func(c *resnet.Config) { c.PreActivation = true }),
		with("bottleneck", stem+(2*2+9*2*2+2*8+8+16)+(2*8+16)+(8*3+9*3*3+3*12+12+24)+(8*12+24)+26, func(c *resnet.Config) { c.Bottleneck = true }),
	)
}

func resnetLayer(c resnet.Config) func(s *model.Scope, x *graph.Node) *graph.Node {
	net, calls := resnet.Network(c, resnet.Hooks{}), 0
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		calls++ // taps of a second use need a room of their own
		x.Graph().PushAliasScope(strings.Repeat("again", calls))
		defer x.Graph().PopAliasScope()
		return net(s, x)
	}
}

// Each hook is called where it says, with the shapes that it says, and without effect it changes nothing.
func TestHooks(t *testing.T) {
	b := backendtest.ForTest(t)
	c := resnet.Config{Stages: []int{1, 2}, Widths: []int{4, 8}, Classes: 3, Shortcut: resnet.Projection}
	var calls []string
	hooks := resnet.Hooks{
		Conv: func(s *model.Scope, x *graph.Node, name string, o layers.ConvOptions, u resnet.Unit) *graph.Node {
			calls = append(calls, "conv "+s.Scope())
			return layers.Conv(s, x, o)
		},
		After: func(s *model.Scope, x *graph.Node, name string, u resnet.Unit) *graph.Node {
			calls = append(calls, "after "+u.Name()+" "+name)
			return x
		},
		Branch: func(s *model.Scope, x *graph.Node, u resnet.Unit) *graph.Node {
			x.AssertDims(-1, -1, -1, u.Out)
			calls = append(calls, "branch "+s.Scope())
			return x
		},
		Merge: func(s *model.Scope, shortcut, branch *graph.Node, u resnet.Unit) *graph.Node {
			branch.AssertDims(shortcut.Shape().Dimensions...)
			calls = append(calls, "merge "+u.Name())
			return graph.Add(shortcut, branch)
		},
		Output: func(s *model.Scope, x *graph.Node, u resnet.Unit) *graph.Node {
			calls = append(calls, "output "+u.Name())
			return x
		},
	}
	x := layertest.Random[float32](1, 2, 8, 8, 3)
	with, err := model.CallOnce(b, layertest.NewStore(1), resnet.Network(c, hooks), x)
	if err != nil {
		t.Fatal(err)
	}
	without, err := model.CallOnce(b, layertest.NewStore(1), resnet.Network(c, resnet.Hooks{}), x)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(layertest.Floats(with), layertest.Floats(without)) {
		t.Error("hooks without effect have one")
	}
	want := []string{
		"conv /layer1/0/conv1", "after layer1/0 conv1", "conv /layer1/0/conv2", "after layer1/0 conv2", "branch /layer1/0",
		"after layer1/0 shortcut", "merge layer1/0", "output layer1/0",
		"conv /layer2/0/conv1", "after layer2/0 conv1", "conv /layer2/0/conv2", "after layer2/0 conv2", "branch /layer2/0",
		"conv /layer2/0/downsample/0", "after layer2/0 shortcut", "merge layer2/0", "output layer2/0",
		"conv /layer2/1/conv1", "after layer2/1 conv1", "conv /layer2/1/conv2", "after layer2/1 conv2", "branch /layer2/1",
		"after layer2/1 shortcut", "merge layer2/1", "output layer2/1",
	}
	if !slices.Equal(calls, want) {
		t.Errorf("calls\n%s\nwant\n%s", strings.Join(calls, "\n"), strings.Join(want, "\n"))
	}
}

// With every branch taken away what is left is the stem, the shortcuts and the head: for option A the stem's channels
// behind zeros.
func TestShortcutsAlone(t *testing.T) {
	b := backendtest.ForTest(t)
	hooks := resnet.Hooks{Merge: func(_ *model.Scope, shortcut, _ *graph.Node, _ resnet.Unit) *graph.Node { return shortcut }}
	c := resnet.Config{Stages: []int{1, 2}, Widths: []int{4, 6}, Shortcut: resnet.Padding}
	outputs, err := model.CallOnceN(b, layertest.NewStore(1), func(s *model.Scope, inputs []*graph.Node) []*graph.Node {
		y := resnet.Network(c, hooks)(s, inputs[0])
		stem, err := layers.TapNode(y.Graph(), "stem")
		if err != nil {
			panic(err)
		}
		return []*graph.Node{y, resnet.Pad(stem, 6, 2)}
	}, layertest.Random[float32](1, 2, 8, 7, 3))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(outputs[0].Shape().Dimensions, []int{2, 4, 4, 6}) {
		t.Errorf("output %s", outputs[0].Shape())
	}
	got, want := layertest.Floats(outputs[0]), layertest.Floats(outputs[1])
	if !slices.Equal(got, want) {
		t.Error("the shortcuts alone are not the stem, thinned out")
	}
	for i, v := range got {
		if i%6 >= 4 && v != 0 {
			t.Fatalf("value %d of a new channel is %g", i, v)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	b := backendtest.ForTest(t)
	for want, c := range map[string]resnet.Config{
		"as many":                   {Stages: []int{1}, Widths: []int{4, 8}},
		"at least one unit":         {Stages: []int{1, 0}, Widths: []int{4, 8}},
		`shortcut "C"`:              {Stages: []int{1}, Widths: []int{4}, Shortcut: "C"},
		"bottleneck":                {Stages: []int{1}, Widths: []int{4}, Groups: 2},
		"cannot take channels away": {Stages: []int{1, 1}, Widths: []int{8, 4}, Shortcut: resnet.Padding},
	} {
		_, err := layers.Summarize(b, resnet.Network(c, resnet.Hooks{}), shapes.Make(dtypes.Float32, 1, 8, 8, 3))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", c, err, want)
		}
	}
	for name, build := range map[string]func(){"20": func() { resnet.ImageNet(20) }, "21": func() { resnet.CIFAR(21) }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s layers were taken", name)
				}
			}()
			build()
		}()
	}
}
