// Package gonb is the kernel's end of the two named pipes through which programs under GoNB show things: a cell that
// imports github.com/janpfeifer/gonb/gonbui, or a package around it, works here as it does there.
//
// GoNB starts a process for each cell, and pipes with it. Here one process holds all values, so gonbui opens its pipes once
// and they are served, in the same process, as long as it lives. What comes through them is handed to kernel/display,
// and to a comm on the page where gonbui's own comms and widgets ask for one.
package gonb
