package session

import "fovea/kernel/worker/view"

// A Variable is a live variable with what its value looks like.
type Variable struct {
	Name string `json:"name"`
	Cell int    `json:"cell"` // the number of the cell that declared it last
	view.Value
}
