package main

import (
	"testing"

	"fovea/recipes"
)

func result(verdict recipes.Verdict, claims ...recipes.ClaimResult) *recipes.Result {
	return &recipes.Result{Verdict: verdict, Claims: claims}
}

func TestVerdictsNameClaimsThatDiffer(t *testing.T) {
	a, b := recipes.ClaimResult{Name: "a", Verdict: recipes.Holds}, recipes.ClaimResult{Name: "b", Verdict: recipes.DoesNotHold}
	for want, r := range map[string]*recipes.Result{
		"holds":         result(recipes.Holds, a),
		"does not hold": result(recipes.DoesNotHold, b),
		"does not hold (a: holds, b: does not hold)": result(recipes.DoesNotHold, a, b),
	} {
		if got := verdicts(r); got != want {
			t.Errorf("verdicts: %q, want %q", got, want)
		}
	}
}

func TestTallyCountsRecipesAndClaims(t *testing.T) {
	a, b, c := recipes.ClaimResult{Verdict: recipes.Holds}, recipes.ClaimResult{Verdict: recipes.DoesNotHold}, recipes.ClaimResult{Verdict: recipes.Inconclusive}
	got := tally(map[string]*recipes.Result{"x": result(recipes.Holds, a), "y": result(recipes.DoesNotHold, a, b), "z": result(recipes.Inconclusive, c)})
	want := "1 of 3 recipes hold; of their 4 claims 2 hold, 1 do not, and 1 are left open by their seeds.\n"
	if got != want {
		t.Errorf("tally: %q, want %q", got, want)
	}
}
