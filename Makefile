# The tasks of this repository. Each makes the .venv it needs; only python3 >= 3.11 is presumed.
#
#   make demo     weigh a zoo network and a real ONNX file: a table here, an HTML report in out/
#   make test     all tests but the slow ones
#   make check    style, types, import contracts, docs
#   make verify   the slow proofs, and the papers' tables beside ours
#   make bench    speed and coverage against other tools

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check verify bench docs lock browser clothes clean

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

help:
	@sed -n 's/^#   make /  make /p' Makefile

# ---- installing ------------------------------------------------------------------------------
# Three steps, each marked by a file: torch, what users need, what developers need.

.venv/.torch: constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("steelyard needs Python >= 3.11, and $(PYTHON) is " + sys.version.split()[0] + "; try: make PYTHON=python3.11")'
	@echo "making .venv and installing torch: a few minutes the first time"
	@$(PYTHON) -m venv .venv
	@$(PIP) torch==2.13.0 hatchling editables
	@touch $@

.venv/.user: .venv/.torch pyproject.toml
	@$(PIP) --no-build-isolation -e '.[onnx,plots]'
	@touch $@

.venv/.dev: .venv/.user tests/requirements.txt
	@$(PIP) --no-build-isolation -e '.[dev]'
	@$(PIP) --no-deps -r tests/requirements.txt
	@touch $@

.venv/.bench: .venv/.dev benchmarks/requirements.txt
	@# these ask for torchvision, which asks for its own torch: hence without their dependencies
	@$(PIP) --no-deps -r benchmarks/requirements.txt
	@touch $@

.venv/.distributed: .venv/.dev
	@$(PIP) --no-build-isolation -e '.[distributed]'
	@touch $@

.venv/.huggingface: .venv/.dev
	@$(PIP) --no-build-isolation -e '.[huggingface]'
	@touch $@

# ---- tasks -----------------------------------------------------------------------------------

ONNX_NETWORKS = import importlib.util as u, pathlib as p; print(p.Path(u.find_spec("onnx").origin).parent / "backend/test/data/light")

demo: .venv/.user
	@mkdir -p out
	@cp "$$($(BIN)/python -c '$(ONNX_NETWORKS)')/light_squeezenet.onnx" out/
	$(BIN)/steelyard cost resnet50 --by stage
	@echo
	$(BIN)/steelyard cost out/light_squeezenet.onnx
	@echo
	$(BIN)/steelyard report resnet50 out/light_squeezenet.onnx --quiet -o out/demo.html
	@echo "the report: $(CURDIR)/out/demo.html"

test: .venv/.dev clothes
	@$(BIN)/pytest -q

check: .venv/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory docs

docs: .venv/.dev
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

verify: .venv/.bench .venv/.distributed .venv/.huggingface browser clothes
	$(BIN)/pytest -q -m slow
	$(BIN)/python benchmarks/same_networks.py
	$(BIN)/steelyard tables popular-networks
	$(BIN)/steelyard tables eyeriss-chip
	$(BIN)/steelyard tables row-stationary
	$(BIN)/steelyard tables dataflows
	$(BIN)/steelyard tables network-energy

bench: .venv/.bench
	$(BIN)/python -m benchmarks

# A headless browser for the tests that look at reports; they say so and are skipped without one.
browser:
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; fi

# Fashion-MNIST, as Debian packages it, for the tests that read it; they say so and are skipped without it.
clothes:
	@if ! [ -d /usr/share/datasets/fashion-mnist ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends dataset-fashion-mnist; } \
	  || echo "Debian's dataset-fashion-mnist cannot be installed: its tests are skipped"; fi

# Writes constraints.txt anew from the newest versions that pyproject.toml allows.
lock:
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install --quiet torch==2.13.0 hatchling editables '.[dev,distributed,huggingface]'
	@{ sed -n '/^#/p' constraints.txt; .venv-lock/bin/python -m pip freeze --all \
	  | grep -viE '^(-e|#|pip=|setuptools=|steelyard)' | sed 's/+cpu$$//'; } > constraints.new
	@mv constraints.new constraints.txt
	@rm -rf .venv-lock

clean:
	rm -rf .venv out docs/_build build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
