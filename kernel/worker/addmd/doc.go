// Package addmd gives runtime.addmoduledata a second name in the host library, for package tramp.
package addmd
