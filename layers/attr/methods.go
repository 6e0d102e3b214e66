package attr

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/gomlx/gomlx/core/tensors"
)

// A MethodInfo describes an attribution method, and makes it.
type MethodInfo struct {
	Name string // as the field writes it
	// Kind is what the method works with: "gradient", "class activation", "perturbation", "propagation".
	Kind string
	// Passes is how often the network runs for an image: f forward, b back, n the method's samples, steps or masks, C the tap's
	// channels. Memory is how many images it holds for a batch of B; where that is more than some hundreds it takes them in
	// up to eight passes.
	Passes, Memory string
	Signed         bool // maps say what speaks against the score too
	Channels       bool // maps are [B H W C], not [B H W]
	Baseline       bool // needs images that say nothing
	Tap            bool // needs feature maps to look at
	New            func(Setting) Method
}

// A Setting is what methods need to be made with their defaults.
type Setting struct {
	Tap       string          // feature maps
	Head      string          // scope of the linear layer after global mean pooling: CAM alone
	Baselines *tensors.Tensor // [N H W C] images of the data: expected gradients alone
	Samples   int             // n of the methods that have one; 0: each method's own
}

// A MethodTable lists methods. As text it is a table.
type MethodTable []MethodInfo

// Methods lists every attribution method of this package, so that programs can go through them all.
func Methods() MethodTable {
	return append(MethodTable{}, methods...)
}

// Lookup finds a method by name. The error of an unknown name lists all.
func (t MethodTable) Lookup(name string) (MethodInfo, error) {
	var names []string
	for _, m := range t {
		if strings.EqualFold(m.Name, name) {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return MethodInfo{}, fmt.Errorf("no method %q: there are %s", name, strings.Join(names, ", "))
}

// String writes the table, with a row for each method.
func (t MethodTable) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "method\tkind\tpasses\timages at once\tsigned\tmap\tneeds")
	for _, m := range t {
		signed, shape := "", "B H W"
		if m.Signed {
			signed = "±"
		}
		if m.Channels {
			shape = "B H W C"
		}
		var needs []string
		if m.Tap {
			needs = append(needs, "tap")
		}
		if m.Baseline {
			needs = append(needs, "baseline")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.Kind, m.Passes, m.Memory, signed, shape, strings.Join(needs, ", "))
	}
	w.Flush()
	return b.String()
}

// always is a method that needs nothing.
func always(m Method) func(Setting) Method { return func(Setting) Method { return m } }

// atTap is a method that needs a tap.
func atTap(m func(tap string) Method) func(Setting) Method {
	return func(s Setting) Method { return m(s.Tap) }
}

var methods = MethodTable{
	{Name: "Gradient", Kind: "gradient", Passes: "f+b", Memory: "B", Signed: true, Channels: true, New: always(InputGradient)},
	{Name: "Saliency", Kind: "gradient", Passes: "f+b", Memory: "B", New: always(Saliency)},
	{Name: "Input × gradient", Kind: "gradient", Passes: "f+b", Memory: "B", Signed: true, Channels: true, New: always(InputTimesGradient)},
	{Name: "Deconvnet", Kind: "gradient", Passes: "f+b", Memory: "B", Signed: true, Channels: true, New: always(Deconvnet)},
	{Name: "Guided backpropagation", Kind: "gradient", Passes: "f+b", Memory: "B", Signed: true, Channels: true, New: always(Guided)},
	{Name: "SmoothGrad", Kind: "gradient", Passes: "n(f+b)", Memory: "n·B", Signed: true, Channels: true,
		New: func(s Setting) Method { return SmoothGrad(InputGradient, SmoothOptions{Samples: s.Samples}) }},
	{Name: "VarGrad", Kind: "gradient", Passes: "n(f+b)", Memory: "n·B", Channels: true,
		New: func(s Setting) Method { return VarGrad(InputGradient, SmoothOptions{Samples: s.Samples}) }},
	{Name: "Integrated gradients", Kind: "gradient", Passes: "n(f+b)", Memory: "n·B", Signed: true, Channels: true, Baseline: true,
		New: func(s Setting) Method { return IntegratedGradients(IntegratedOptions{Steps: s.Samples}) }},
	{Name: "Expected gradients", Kind: "gradient", Passes: "n(f+b)", Memory: "n·B", Signed: true, Channels: true, Baseline: true,
		New: func(s Setting) Method {
			return ExpectedGradients(ExpectedOptions{Baselines: s.Baselines, Samples: s.Samples})
		}},
	{Name: "CAM", Kind: "class activation", Passes: "f", Memory: "B", Tap: true,
		New: func(s Setting) Method { return CAM(s.Tap, s.Head) }},
	{Name: "Grad-CAM", Kind: "class activation", Passes: "f+b", Memory: "B", Tap: true, New: atTap(GradCAM)},
	{Name: "Grad-CAM++", Kind: "class activation", Passes: "f+b", Memory: "B", Tap: true, New: atTap(GradCAMPlusPlus)},
	{Name: "Smooth Grad-CAM++", Kind: "class activation", Passes: "n(f+b)", Memory: "n·B", Tap: true,
		New: func(s Setting) Method {
			return SmoothGradCAMPlusPlus(s.Tap, SmoothCAMOptions{SmoothOptions: SmoothOptions{Samples: s.Samples}})
		}},
	{Name: "Layer-CAM", Kind: "class activation", Passes: "f+b", Memory: "B", Tap: true, New: atTap(LayerCAM)},
	{Name: "XGrad-CAM", Kind: "class activation", Passes: "f+b", Memory: "B", Tap: true, New: atTap(XGradCAM)},
	{Name: "HiResCAM", Kind: "class activation", Passes: "f+b", Memory: "B", Tap: true, New: atTap(HiResCAM)},
	{Name: "Score-CAM", Kind: "class activation", Passes: "C·f", Memory: "C·B", Tap: true, New: atTap(ScoreCAM)},
	{Name: "Ablation-CAM", Kind: "class activation", Passes: "C·f above the tap", Memory: "C·B", Tap: true, New: atTap(AblationCAM)},
	{Name: "Eigen-CAM", Kind: "class activation", Passes: "f", Memory: "B", Tap: true, New: atTap(EigenCAM)},
	{Name: "Occlusion", Kind: "perturbation", Passes: "f for each place", Memory: "places·B", Signed: true, New: always(Occlusion(OcclusionOptions{}))},
	{Name: "RISE", Kind: "perturbation", Passes: "n·f", Memory: "n·B",
		New: func(s Setting) Method { return RISE(RISEOptions{Masks: s.Samples}) }},
	{Name: "DeepLift", Kind: "propagation", Passes: "2f+b", Memory: "2B", Signed: true, Channels: true, Baseline: true,
		New: always(DeepLift(DeepLiftOptions{}))},
	{Name: "LRP-ε", Kind: "propagation", Passes: "f+b", Memory: "B", Signed: true, Channels: true,
		New: always(LRP(Composite{Conv: Epsilon{1e-6}, Dense: Epsilon{1e-6}}))},
	{Name: "LRP-ε+♭", Kind: "propagation", Passes: "f+b", Memory: "B", Signed: true, Channels: true, New: always(LRP(EpsilonPlusFlat))},
}
