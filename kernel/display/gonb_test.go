package display

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"testing"

	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// What JSON holds, metadata of pictures above all, gets through GoNB's pipe.
func TestGobValue(t *testing.T) {
	v, ok := gobValue(map[string]any{"image/png": map[string]int{"width": 3}, "list": []any{1, nil, "x", map[string]any{"n": nil}}, "none": nil})
	if !ok {
		t.Fatal("nothing is left")
	}
	var pipe bytes.Buffer
	if err := gob.NewEncoder(&pipe).Encode(&protocol.DisplayData{Data: map[protocol.MIMEType]any{"application/json": v}}); err != nil {
		t.Fatal(err)
	}
	var back protocol.DisplayData
	if err := gob.NewDecoder(&pipe).Decode(&back); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(back.Data["application/json"]); got != "map[image/png:map[width:3] list:[1  x map[]]]" {
		t.Error(got)
	}
	for _, bad := range []any{nil, func() {}} {
		if _, ok := gobValue(bad); ok {
			t.Errorf("%T passes", bad)
		}
	}
}
