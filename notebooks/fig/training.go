package fig

import "fmt"

// A History is what a training run has recorded so far.
type History struct {
	Step           []float64 // of Loss and Accuracy
	Loss, Accuracy []float64
	// EvalStep, EvalLoss and EvalAccuracy come from data that was not trained on; all may be empty.
	EvalStep               []float64
	EvalLoss, EvalAccuracy []float64
}

// TrainingOptions describes Training. The zero value is useful.
type TrainingOptions struct {
	Title, Caption string
	// Steps is the length of the whole run; the x axis spans it, so that a live figure doesn't jump. 0: what there is.
	Steps int
	// Smooth averages the training lines, as in CurveOptions.
	Smooth float64
	// LogLoss draws the loss on a logarithmic axis.
	LogLoss bool
}

// Training draws the loss and, where there is one, the accuracy (a share, 0 … 1) in two panels. It draws in a few
// hundredths of a second, to be shown again and again while a network trains. Before the first step it says so.
func Training(h History, o TrainingOptions) *Figure {
	if len(h.Loss)+len(h.Accuracy)+len(h.EvalLoss)+len(h.EvalAccuracy) == 0 {
		message := "Nothing is recorded yet."
		return newFigure(o.Title, o.Caption, paragraph(message, captionStyle, pageWidth), message)
	}
	panel := func(name string, train, eval []float64, co CurveOptions) *Figure {
		var series []Series
		if len(train) > 0 {
			series = append(series, Series{Name: "training", X: h.Step, Y: train, Color: paletteColor(0)})
		}
		if len(eval) > 0 {
			series = append(series, Series{Name: "evaluation", X: h.EvalStep, Y: eval, Color: paletteColor(1), Points: len(eval) < 30, Raw: true})
		}
		if len(series) == 0 {
			return nil
		}
		co.XLabel, co.Width, co.Height, co.Smooth = "step", 366, 250, o.Smooth
		if o.Steps > 0 {
			co.XRange = [2]float64{0, float64(o.Steps)}
		}
		b, text := curves("Training", co, series)
		head := paragraph(name, headStyle, b.width)
		return &Figure{body: stack(2, head, b), text: name + "\n" + text}
	}
	var panels []*Figure
	if f := panel("Loss", h.Loss, h.EvalLoss, CurveOptions{LogY: o.LogLoss}); f != nil {
		panels = append(panels, f)
	}
	if f := panel("Accuracy", h.Accuracy, h.EvalAccuracy, CurveOptions{YRange: [2]float64{0, 1}}); f != nil {
		panels = append(panels, f)
	}
	joined := Row(panels...)
	text := joined.text
	if n := len(h.Step); n > 0 && o.Steps > 0 {
		text = fmt.Sprintf("step %s of %d\n%s", number4(h.Step[n-1]), o.Steps, text)
	}
	return newFigure(o.Title, o.Caption, joined.body, text)
}
