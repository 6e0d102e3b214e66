package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
)

// Every arm computes the same network: as many parameters and multiply-adds, in whatever library.
func TestArmsAreTheSameNetwork(t *testing.T) {
	b := backendtest.ForTest(t)
	for _, n := range networks() {
		size := map[string][2]int64{}
		for arm, net := range map[string]builder{plainArm: gomlx.build(n), layersArm: ours.build(n), recipesArm: recipe(n)} {
			summary, err := layers.Summarize(b, net, shapes.Make(dtypes.Float32, 2, n.Size, n.Size, 3))
			if err != nil {
				t.Fatalf("%s, %s: %v", n.Name, arm, err)
			}
			if got := summary.Outputs[0].Dimensions; len(got) != 2 || got[1] != 10 {
				t.Errorf("%s, %s: outputs %v, want [2 10]", n.Name, arm, got)
			}
			size[arm] = [2]int64{int64(summary.Parameters()), summary.MACs()}
		}
		if size[plainArm] != size[layersArm] || size[plainArm] != size[recipesArm] {
			t.Errorf("%s: parameters and multiply-adds %v", n.Name, size)
		}
	}
}

// A process that measures answers each line, and an error of one request does not end it.
func TestWork(t *testing.T) {
	backendtest.ForTest(t)
	small := network{Name: "small", Size: 8, Blocks: []block{conv(4, 2, false), normalise, relu, mean, dense(10)}}
	var in, out bytes.Buffer
	requests := json.NewEncoder(&in)
	for _, r := range []request{
		{Op: "build", Network: &small, Batch: 2, Train: true}, {Op: "run", N: 6}, {Op: "memory"},
		{Op: "build", Network: &network{Name: "wrong", Size: 8, Blocks: []block{{Op: "wavelet"}}}, Batch: 2},
		{Op: "build", Network: &small, Batch: 4}, {Op: "run", N: 1},
	} {
		if err := requests.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := work(context.Background(), recipesArm, &in, &out); err != nil {
		t.Fatal(err)
	}
	var answers []answer
	for d := json.NewDecoder(&out); d.More(); {
		var a answer
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	const parameters = 3*3*3*4 + 2*4 + 4*10 + 10
	switch {
	case len(answers) != 7:
		t.Fatalf("%d answers: %s", len(answers), out.String())
	case answers[0].Version == "" || answers[1].Parameters != parameters || answers[5].Parameters != parameters:
		t.Errorf("version %q, parameters %d and %d, want %d", answers[0].Version, answers[1].Parameters, answers[5].Parameters, parameters)
	case answers[2].Seconds <= 0 || answers[2].Value <= 0 || answers[3].Peak <= 0 || answers[6].Seconds <= 0:
		t.Errorf("measurements %+v", answers)
	case !strings.Contains(answers[4].Error, "wavelet"):
		t.Errorf("error %q", answers[4].Error)
	}
}
