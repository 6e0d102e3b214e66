package backendtest

import "os"

// CompileQuickly has XLA compile without optimising in this test binary, for tests of many programs that run once each: that takes
// about a fifth of the time. Call it from TestMain, since XLA reads its flags when it is opened; those in XLA_FLAGS come
// after these, and so win.
func CompileQuickly() {
	const quick = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
	os.Setenv("XLA_FLAGS", quick+" "+os.Getenv("XLA_FLAGS"))
}
