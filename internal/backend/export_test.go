package backend

// TunesMemory is for the tests outside of the package, which run programs without such variables.
var TunesMemory = tunesMemory
