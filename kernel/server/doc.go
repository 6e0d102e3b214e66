// Package server is the Jupyter kernel around a session: it speaks the messaging protocol on five channels, and lets an
// [Engine] run the cells.
//
//	shell    cells, one after the other in a queue; every other request is answered at once, also while a cell runs
//	control  interrupt, shutdown, subshells; a goroutine of its own, never behind a running cell
//	stdin    input that a cell asks for
//	iopub    what cells put out, and the status of the kernel, to every frontend
//	heartbeat
//
// The server answers from its first moment. The session behind it opens meanwhile (the host library of a new machine
// takes tens of seconds), and the first cells wait for it, with the progress of the set-up as their output.
//
// A frontend shows what the last status message says. Because requests are answered while a cell runs, a request's idle
// is followed by one more busy of the running cell: the frontend's indicator stays right.
//
// Reference: https://jupyter-client.readthedocs.io/en/stable/messaging.html, version 5.5.
package server
