package display_test

import (
	"bytes"
	"fmt"

	"fovea/kernel/display"
)

// Outside a notebook, what is shown is printed.
func ExampleShow() {
	type config struct {
		Plan    []int
		Classes int
	}
	display.Show("a line", config{Plan: []int{64, 128}, Classes: 10}, map[string]int{"b": 2, "a": 1})
	// Output:
	// a line
	// display_test.config{Plan: [64 128], Classes: 10}
	// map[string]int{"a": 1, "b": 2}
}

func ExampleTable() {
	display.Show(display.Table([]string{"network", "parameters"}, [][]string{
		{"VGG-A", "132,863,336"},
		{"VGG-E", "143,667,240"},
	}))
	// Output:
	// network   parameters
	// ───────  ───────────
	// VGG-A    132,863,336
	// VGG-E    143,667,240
}

// An update that reads the same as what stands there is not printed again.
func ExampleUpdate() {
	for _, loss := range []float64{0.9, 0.5, 0.5} {
		display.Update("loss", fmt.Sprintf("loss %.1f", loss))
	}
	// Output:
	// loss 0.9
	// loss 0.5
}

func ExampleHTML() {
	display.Show(display.HTML("<h3>Result</h3><p>71.2&nbsp;% on <i>test</i></p>"))
	// Output:
	// Result
	// 71.2 % on test
}

// A type shows itself richly by one method.
func ExampleBundler() {
	display.Show(layer{"conv1", 64})
	// Output: conv1: 64 filters
}

type layer struct {
	name    string
	filters int
}

func (l layer) MIMEBundle() map[string]any {
	return map[string]any{
		"text/html":  fmt.Sprintf("<b>%s</b>: %d filters", l.name, l.filters),
		"text/plain": fmt.Sprintf("%s: %d filters", l.name, l.filters),
	}
}

func ExampleNewProgress() {
	bar := display.NewProgress("training", 3)
	defer bar.Done()
	for i := range 3 {
		bar.Set(i+1, fmt.Sprintf("loss %.1f", 1/float64(i+1)))
	}
}

func ExampleWriteMessage() {
	var pipe bytes.Buffer
	m := display.Message{Kind: display.KindDisplay, Bundle: display.BundleOf("hello")}
	if err := display.WriteMessage(&pipe, m); err != nil {
		fmt.Println(err)
		return
	}
	back, err := display.ReadMessage(&pipe)
	fmt.Println(back.Bundle.Data["text/plain"], err)
	// Output: hello <nil>
}
