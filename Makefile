# make demo    installs into .venv and runs the main job
# make test    installs into .venv and runs the fast tests
# make help    lists the other targets
#
# Needs Python >= 3.11 (PYTHON=python3.12 picks another one) and nothing else.

PYTHON ?= python3
VENV ?= .venv
FLOOR_VENV ?= .venv-floor
TPU_VENV ?= .venv-tpu
ACCELERATOR ?=# cuda or tpu, for `make bench` and `make demo` on such a machine
WORKERS ?= 2
PYTEST_ARGS ?=
BENCH_ARGS ?=
TPU_ARGS ?=
DEMO_ARGS ?=
SOAK_ARGS ?=

# The oldest supported versions: what Colab's TPU runtime ships.
FLOOR := jax==0.7.2 jaxlib==0.7.2 flax==0.11.2 optax==0.2.8 numpy==2.1.3

# CrypTen names `sklearn`, which no longer installs: its other dependencies by name, then CrypTen without any.
CRYPTEN_NEEDS := torch torchvision omegaconf onnx pandas pyyaml tensorboard future scipy scikit-learn

# Fresh memory in huge pages: most of what is written once is written at a third of the cost (Linux, glibc).
# And few arenas: what compilation leaves behind in sixteen of them is half a gigabyte.
# A round allocates and frees arrays of tens of megabytes all the time, which glibc by default takes from the kernel and gives
# back, page by page, every time. Where they are kept by the process, large rounds take a third to two thirds of the time, and
# more memory. Of what lies at the top of the heap glibc gives back what is over the trim threshold: 16 GB, so never.
ifeq ($(origin GLIBC_TUNABLES),undefined)
GLIBC_TUNABLES := glibc.malloc.hugetlb=1:glibc.malloc.arena_max=2
demo bench bench-long bench-compare: GLIBC_TUNABLES := \
  glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184
endif
export GLIBC_TUNABLES

PIP_FLAGS := --quiet --disable-pip-version-check
PY := $(VENV)/bin/python
PYTEST := -m pytest -n $(WORKERS) --dist worksteal
LINTED := $(wildcard mpcjax tests benchmarks experiments)
comma := ,

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo demo-network soak test test-long test-floor lint format notebook bench bench-long bench-compare bench-accelerator bench-peers \
	peers-spu peers-crypten tpu-check clean

help:
	@sed -n 's/^\([a-z][a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-24s %s\n", $$1, $$2 }'

demo: $(VENV)/.installed-train$(ACCELERATOR:%=-%) ## train 25 peers, 5 of them malicious, under MPC; some minutes
	$(PY) -m experiments.demo $(DEMO_ARGS)

demo-network: $(VENV)/.installed-train-peer ## seven processes train together over TLS, one is killed, one cheats; some minutes
	$(PY) -m experiments.network main $(DEMO_ARGS)

soak: $(VENV)/.installed-train-peer ## seven processes, 200 rounds, kills and returns: one model, flat memory? ten minutes
	$(PY) -m experiments.soak $(SOAK_ARGS)

test: $(VENV)/.installed-test ## the fast tests
	$(PY) $(PYTEST) $(PYTEST_ARGS)

test-long: $(VENV)/.installed-test ## the tests that take minutes (marker `long`)
	$(PY) $(PYTEST) -m long $(PYTEST_ARGS)

test-floor: $(FLOOR_VENV)/.installed-floor ## the fast tests on the oldest supported versions, in their own environment
	$(FLOOR_VENV)/bin/python $(PYTEST) $(PYTEST_ARGS)

lint: $(VENV)/.installed-test ## ruff (rules and format) and pyright
	$(PY) -m ruff check $(LINTED)
	$(PY) -m ruff format --check $(LINTED)
	$(PY) -m pyright --pythonpath $(PY)

format: $(VENV)/.installed-test ## let ruff fix and format what it can
	$(PY) -m ruff check --fix $(LINTED)
	$(PY) -m ruff format $(LINTED)

notebook: $(VENV)/.installed-test ## write the notebook's other form, experiments/colab.ipynb, from experiments/colab.py
	$(PY) -m jupytext --update --to ipynb experiments/colab.py

bench: $(VENV)/.installed-bench$(ACCELERATOR:%=-%) ## throughput as a table and JSON; under five minutes on 2 cores
	$(PY) -m benchmarks $(BENCH_ARGS)

bench-long: $(VENV)/.installed-bench$(ACCELERATOR:%=-%) ## the longer grid of the same benchmarks
	$(PY) -m benchmarks --long $(BENCH_ARGS)

bench-compare: $(VENV)/.installed-bench$(ACCELERATOR:%=-%) ## what got slower between the two newest results of `make bench`
	$(PY) -m benchmarks.compare $(BENCH_ARGS)

bench-accelerator: $(VENV)/.installed-bench$(ACCELERATOR:%=-%) ## the full size beside its targets; give ACCELERATOR=cuda or tpu
	$(PY) -m benchmarks.accelerator $(BENCH_ARGS)

tpu-check: $(TPU_VENV)/.installed-tpu ## compile every program of a round for TPU v5e, without one: does it fit? hours
	$(TPU_VENV)/bin/python -m benchmarks.tpu_check $(TPU_ARGS)

bench-peers: $(VENV)/.installed-bench-peers peers-spu peers-crypten ## other engines (ByzFL, SPU, MP-SPDZ, MPyC, CrypTen) on the same jobs
	$(PY) -m benchmarks.peers $(BENCH_ARGS)

# Engines that exclude our dependencies get environments of their own. One that does not install is skipped later, with a line.
peers-spu:
	@test -e .venv-spu/.installed || { $(PYTHON) -m venv .venv-spu \
	  && .venv-spu/bin/python -m pip install $(PIP_FLAGS) spu && touch .venv-spu/.installed; } || echo "SPU did not install"

peers-crypten:
	@test -e .venv-crypten/.installed || { $(PYTHON) -m venv .venv-crypten \
	  && .venv-crypten/bin/python -m pip install $(PIP_FLAGS) $(CRYPTEN_NEEDS) \
	  && .venv-crypten/bin/python -m pip install $(PIP_FLAGS) --no-deps crypten && touch .venv-crypten/.installed; } \
	  || echo "CrypTen did not install"

clean: ## remove the environments and caches, keep results
	rm -rf $(VENV) $(FLOOR_VENV) $(TPU_VENV) .venv-spu .venv-crypten .cache .hypothesis build dist
	find mpcjax tests benchmarks experiments -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# Only the stamps decide what is installed again: one per environment and set of extras, older than pyproject.toml
# when it has to be repeated. An interrupted installation leaves no stamp.
$(VENV)/.created $(FLOOR_VENV)/.created $(TPU_VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "mpcjax needs Python >= 3.11, and '$(PYTHON)' is not one; try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(@D)
	@touch $@

$(VENV)/.installed-%: pyproject.toml | $(VENV)/.created
	@echo "Installing mpcjax[$(subst -,$(comma),$*)] into $(VENV) (a minute or two, only once)"
	@$(PY) -m pip install $(PIP_FLAGS) -e '.[$(subst -,$(comma),$*)]'
	@touch $@

$(FLOOR_VENV)/.installed-floor: pyproject.toml Makefile | $(FLOOR_VENV)/.created
	@echo "Installing the oldest supported versions into $(FLOOR_VENV) (a minute or two, only once)"
	@$(FLOOR_VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[test]' $(FLOOR)
	@touch $@

$(TPU_VENV)/.installed-tpu: pyproject.toml | $(TPU_VENV)/.created
	@echo "Installing mpcjax and the TPU compiler into $(TPU_VENV) (a minute or two, only once)"
	@$(TPU_VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[bench,tpu]'
	@touch $@
