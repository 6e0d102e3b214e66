// Package command understands the special lines of a cell, those of GoNB's notebooks: %cd, %env, !ls, %%bash, %% and so
// on. Its Engine stands between a frontend and a session: it does what the special lines of a cell say, in order, and
// hands what is left, with every line at its place, to the session.
package command
