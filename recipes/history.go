package recipes

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"fovea/internal/atomicfile"
	"fovea/internal/tfevents"
)

// Point is one measurement of a training: a line of metrics.jsonl.
type Point struct {
	Split        string  `json:"split"` // "train": means over the steps since the point before; "eval": over a whole set
	Step         int     `json:"step"`  // steps done
	Epoch        float64 `json:"epoch"`
	Loss         float64 `json:"loss"`
	Accuracy     float64 `json:"accuracy"` // from 0 to 1; 0 where the loss is not a classifier's
	LearningRate float64 `json:"lr,omitempty"`
	Seconds      float64 `json:"seconds"` // wall time of training so far, evaluation included
}

// History is what a training measured, in order.
type History []Point

// Split returns the points of one split.
func (h History) Split(name string) History {
	var part History
	for _, p := range h {
		if p.Split == name {
			part = append(part, p)
		}
	}
	return part
}

// Last returns the newest point of a split, and false if there is none.
func (h History) Last(split string) (Point, bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Split == split {
			return h[i], true
		}
	}
	return Point{}, false
}

// Curve returns steps against a value of the points, for a plot: h.Split("eval").Curve(func(p Point) float64 { return p.Loss }).
func (h History) Curve(value func(Point) float64) (steps, values []float64) {
	for _, p := range h {
		steps = append(steps, float64(p.Step))
		values = append(values, value(p))
	}
	return steps, values
}

// event writes the point for TensorBoard, where "train" and "eval" share a picture.
func (p Point) event(w *tfevents.Writer) error {
	now := time.Now()
	err := w.Scalar("loss/"+p.Split, p.Step, p.Loss, now)
	if p.Accuracy != 0 {
		err = errors.Join(err, w.Scalar("accuracy/"+p.Split, p.Step, p.Accuracy, now))
	}
	if p.LearningRate != 0 {
		err = errors.Join(err, w.Scalar("learning rate", p.Step, p.LearningRate, now))
	}
	return err
}

// metricsLog appends points to a file, one JSON line each. A line goes out in one write, so a reader never sees half.
type metricsLog struct{ file *os.File }

func (m *metricsLog) append(p Point) error {
	if m == nil || m.file == nil {
		return nil
	}
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if _, err := m.file.Write(append(line, '\n')); err != nil {
		return atomicfile.Explain(err, m.file.Name())
	}
	return nil
}

func (m *metricsLog) close() error {
	if m == nil || m.file == nil {
		return nil
	}
	return m.file.Close()
}

// openMetrics opens the file for appending after dropping the points later than step: those of a training that was
// interrupted after its last checkpoint, which are about to be measured again.
func openMetrics(path string, step int) (*metricsLog, History, error) {
	kept, err := ReadHistory(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, nil, err
	}
	n := 0
	for n < len(kept) && kept[n].Step <= step {
		n++
	}
	kept = kept[:n]
	err = atomicfile.WriteFile(path, func(w io.Writer) error {
		for _, p := range kept {
			line, err := json.Marshal(p)
			if err != nil {
				return err
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, err
	}
	return &metricsLog{f}, kept, nil
}

// ReadHistory reads a metrics.jsonl. A last line that a crash cut short is left out.
func ReadHistory(path string) (History, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var h History
	reader := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := reader.ReadBytes('\n')
		if err == io.EOF {
			return h, nil
		}
		if err != nil {
			return nil, err
		}
		var p Point
		if err := json.Unmarshal(line, &p); err != nil {
			return nil, fmt.Errorf("%s, line %d is no measurement: %w", path, n, err)
		}
		h = append(h, p)
	}
}

// Columns is a History as columns, the way drawing wants it: fig.Training(fig.History(h.Columns()), fig.TrainingOptions{}).
type Columns struct {
	Step                   []float64
	Loss, Accuracy         []float64
	EvalStep               []float64
	EvalLoss, EvalAccuracy []float64
}

// Columns takes the history apart. Accuracies are left out where the loss is not a classifier's.
func (h History) Columns() Columns {
	var c Columns
	loss := func(p Point) float64 { return p.Loss }
	accuracy := func(p Point) float64 { return p.Accuracy }
	classifier := false
	for _, p := range h {
		classifier = classifier || p.Accuracy != 0
	}
	c.Step, c.Loss = h.Split("train").Curve(loss)
	c.EvalStep, c.EvalLoss = h.Split("eval").Curve(loss)
	if classifier {
		_, c.Accuracy = h.Split("train").Curve(accuracy)
		_, c.EvalAccuracy = h.Split("eval").Curve(accuracy)
	}
	return c
}
