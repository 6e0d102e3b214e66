//go:build linux

package session

import (
	"fmt"
	"testing"
)

// What a session says of its values, lower-case names without their marks, after they have moved and changed.
func TestVariables(t *testing.T) {
	for _, loader := range loaders {
		t.Run(loader, func(t *testing.T) {
			if loader == "plugin" && testing.Short() {
				t.Skip("plugins take half a second a cell")
			}
			r := &runner{T: t, s: openTest(t, Options{Loader: loader})}
			check := func(want ...string) {
				t.Helper()
				list, err := r.s.Variables(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, v := range list {
					got = append(got, fmt.Sprintf("%s %s %s %s In[%d]", v.Name, v.Type, v.Shape, v.Preview, v.Cell))
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%q, want %q", got, want)
				}
			}
			check()
			r.ok("type point struct { x, größe int }\np := point{1, 2}\nlist := []float64{1, 2}\nvar some any = &p")
			check("list []float64 2 [1 2] In[1]", "p cell.point  {x:1 größe:2} In[1]", "some *cell.point  &{x:1 größe:2} In[1]")
			r.ok("p.x = 5\nlist := \"now text\"") // another type, so another variable
			check("list string 8 \"now text\" In[2]", "p cell.point  {x:5 größe:2} In[1]", "some *cell.point  &{x:5 größe:2} In[1]")
			r.ok("func (p point) sum() int { return p.x }") // the type has a new generation
			check("list string 8 \"now text\" In[2]", "p cell.point  {x:5 größe:2} In[3]", "some *cell.point  &{x:5 größe:2} In[1]")
			r.ok("p.x = 6")
			r.want("p.sum()", "6")
			check("list string 8 \"now text\" In[2]", "p cell.point  {x:6 größe:2} In[3]", "some *cell.point  &{x:5 größe:2} In[1]")
		})
	}
}
