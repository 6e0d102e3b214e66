# Fovea: `make demo` shows it, `make test` checks it. `make help` lists the rest.

# The kernel compiles cells against packages of one toolchain, so everything here is built with that one.
# Go fetches it where another is installed; naming it overrides GOTOOLCHAIN=local.
export GOTOOLCHAIN := go1.26.8
export CGO_ENABLED := 1
FOVEA  := build/fovea
VENV   := build/jupyter
OUT    ?= build/demo

.PHONY: help all build setup demo lab test bench bench-kernel claims parity generate jupyter-env soak clean

help:
	@echo 'make demo      run the quick start notebook and write its page to $(OUT)'
	@echo 'make test      every check, set-up included'
	@echo 'make lab       open the quick start in JupyterLab (installs Jupyter privately when there is none)'
	@echo 'make setup     build the command and install XLA, nothing else'
	@echo 'make bench     training and inference beside plain GoMLX, JAX and PyTorch (installed privately), the kernel beside GoNB; a page'
	@echo 'make soak      run a thousand cells and tell how time and memory grow'
	@echo 'make claims    reproduce every recipe'"'"'s small claim (long)'
	@echo 'make parity    compare networks with torchvision and timm, maps with captum (installs PyTorch privately, 5 GB)'
	@echo 'make generate  write generated tables and imports again'
	@echo 'make clean     remove build/'

all: build

build: $(FOVEA)

# The go command knows what changed: always ask it.
.PHONY: $(FOVEA)
$(FOVEA):
	@command -v go >/dev/null || { echo 'fovea needs Go 1.21 or newer in PATH: https://go.dev/dl'; exit 1; }
	@command -v gcc >/dev/null || { echo 'fovea needs gcc in PATH (on Debian: apt-get install gcc g++)'; exit 1; }
	@mkdir -p build
	go build -o $(FOVEA) ./cmd/fovea
	@# Fetching for a notebook reads the go.mod of every module: have them here, so that it can work without a network.
	@go list -m all >/dev/null

setup: build
	$(FOVEA) doctor --install

demo: setup
	$(FOVEA) run notebooks/quickstart.ipynb --html -o $(OUT)

lab: setup
	$(FOVEA) lab notebooks/quickstart.ipynb

test:
	@.ci/test

bench: setup jupyter-env peers
	FOVEA_PEERS=$(PEERS) go run ./internal/bench -o internal/bench/results.json $(ARGS)
	go run ./internal/bench -page

# PyTorch and JAX, which the benchmark compares with. PEERS names an environment that has them already.
PEERS ?= $(abspath build/peers)
.PHONY: peers
peers:
	@test -x $(PEERS)/bin/python || python3 -m venv $(PEERS)
	@# captum asks for an older NumPy than JAX does, though it works with the newer one: it is installed last, by itself.
	@$(PEERS)/bin/python -c 'import jax, torch, captum' 2>/dev/null || { \
		$(PEERS)/bin/pip install --quiet --disable-pip-version-check -r internal/bench/peers/requirements.txt && \
		$(PEERS)/bin/pip install --quiet --disable-pip-version-check --no-deps -r internal/bench/peers/requirements-captum.txt; }

# The kernel alone, with more rounds than 'make bench' has time for; ARGS='-cases fmt' and the like choose.
bench-kernel: build jupyter-env
	go run ./internal/bench -parts kernel -rounds 20 -starts 10 -late 300 -o build/bench-kernel.json $(ARGS)

claims: setup
	$(FOVEA) reproduce --all --scale small

# Reference networks come from Python; the tests that read them are skipped without.
PARITY ?= $(abspath build/parity)
parity: setup
	@test -x $(PARITY)/venv/bin/python || python3 -m venv $(PARITY)/venv
	@test -e $(PARITY)/installed || { $(PARITY)/venv/bin/pip install -q -r internal/parity/requirements.txt && touch $(PARITY)/installed; }
	$(PARITY)/venv/bin/python internal/parity/reference.py $(PARITY)/reference
	$(PARITY)/venv/bin/python internal/parity/attribution.py $(PARITY)/reference
	FOVEA_PARITY=$(PARITY)/reference go test -count=1 -v ./internal/parity

generate:
	go generate ./recipes

# What the tests that speak to the kernel from Python need, kept apart from the user's Python.
jupyter-env: $(VENV)/ready
$(VENV)/ready: kernel/conformance/requirements.txt
	rm -rf $(VENV)
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r kernel/conformance/requirements.txt
	@touch $@

# A session of a thousand cells: how its time and its memory grow.
soak: build jupyter-env
	FOVEA_SOAK=1000 FOVEA_COMMAND=$(CURDIR)/$(FOVEA) FOVEA_JUPYTER_PYTHON=$(CURDIR)/$(VENV)/bin/python go test ./kernel/conformance -run Soak -v -count=1

clean:
	rm -rf build
