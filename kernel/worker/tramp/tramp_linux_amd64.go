package tramp

// Keep makes package addmd reachable for the linker. It does nothing else.
func Keep()
