// Package kernels measures Fovea's kernel beside GoNB's, on one machine in one run: the same cells, or the same line of
// work where values do not stay alive, sent in turns by one client (driver.py), so that what else the machine does hits
// both. GoNB is taken as it is published, at a pinned version, with its tools; it is built into Fovea's cache and no
// user's Jupyter sees it. Both kernels compute on GoMLX's pure-Go backend, are built by the same toolchain, complete with
// the same gopls, and have the network switched off: GoNB calls 'go get' in every cell, which then asks nobody.
package kernels
