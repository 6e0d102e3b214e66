// Package conformance holds no code: its tests drive the installed kernel from outside, through the clients that
// Jupyter's own frontends use. suite has them in Python:
//
//	published.py  jupyter_kernel_test, the suite that Jupyter publishes for kernels
//	protocol.py   what that suite leaves out: queues, priorities, interrupts, ends, signatures, subshells, transports
//	secure.py     encrypted channels, and kernels that choose their ports
//	notebooks.py  notebooks run by nbclient, papermill and nbmake
//	soak.py       a session of a thousand cells, when $FOVEA_SOAK says how many ('make soak')
//	parameters.py parameters that papermill sets, through the package of fovea kernel papermill
//	browser.py    notebooks in JupyterLab, in a browser without a screen
//
// 'make jupyter-env' installs what they need; $FOVEA_JUPYTER_PYTHON names its Python. Without it they are skipped.
// browser.py needs requirements-browser.txt besides, and a Chromium that $FOVEA_BROWSER names.
package conformance
