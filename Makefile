# Each target needs nothing before it: Python 3.11 or later, make and a package registry.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS = never
# uv first: three times faster, and it holds each file against the hashes of the constraints. Plain pip, which refuses
# hashes beside a folder, where uv is not to be had
install = $(PYTHON) -m venv $(VENV) && \
	if $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
	then VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode -c constraints.txt -e '.[$(1)]'; \
	else sed -E '/^ *--hash/d; s/ \\$$//' constraints.txt > $(VENV)/pins.txt && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/pins.txt -e '.[$(1)]'; fi

.PHONY: help demo test test-matrix test-browser test-oldest check bench lab notebooks snapshot constraints clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.run: pyproject.toml constraints.txt
	@echo "Setting up $(VENV) ..."
	@$(call install,notebooks)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	@echo "Setting up $(VENV) with the development tools ..."
	@$(call install,all)
	@touch $@ $(VENV)/.run

$(VENV)/.browser: pyproject.toml constraints.txt
	@echo "Setting up $(VENV) with what drives a browser ..."
	@$(call install,browser)
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run ## set up, then run the main job offline into output/
	@$(BIN)/qpv-sante demo --output output

test: $(VENV)/.dev ## set up, then run the tests
	@$(BIN)/python -m pytest -q -n 2

test-matrix: $(VENV)/.dev ## ask every function about every territory, indicator and year: some hours
	@$(BIN)/python tests/matrix.py

test-browser: $(VENV)/.browser ## open the pages and the notebooks in a headless Chromium, installed if it is absent
	@bash tests/browser/get_chromium.sh
	@$(BIN)/python -m pytest -q tests/browser

test-oldest: ## pass the tests on the lowest versions that pyproject.toml admits, in .venv-oldest
	@$(PYTHON) -m venv .venv-oldest && .venv-oldest/bin/python -m pip install --quiet uv
	@VIRTUAL_ENV=$(CURDIR)/.venv-oldest .venv-oldest/bin/uv pip install --quiet --resolution lowest-direct -e '.[test,notebooks]'
	@.venv-oldest/bin/python -m pytest -q -n 2

check: $(VENV)/.dev ## formatting, lint (security rules included), types, known vulnerabilities
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python .ci/audit

bench: $(VENV)/.dev ## time and memory as ratios, in one run
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet -c constraints.txt -e '.[benchmarks]'
	@$(BIN)/python benchmarks/run.py

lab: $(VENV)/.run ## JupyterLab on the notebooks
	@$(BIN)/jupyter lab --LabApp.news_url= --notebook-dir=notebooks

notebooks: $(VENV)/.dev ## execute the notebooks in place, from a clean kernel
	@$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

snapshot: $(VENV)/.run ## rebuild the embedded snapshot from the producers (or QPV_SANTE_MIRROR)
	@$(BIN)/qpv-sante build || echo "Sources that failed keep what the snapshot in place has of them."
	@$(BIN)/qpv-sante snapshot

constraints: $(VENV)/.dev ## pin every dependency and the hashes of its files, without addresses
	@$(BIN)/uv pip compile --quiet --no-emit-index-url --no-annotate --no-header --all-extras --generate-hashes pyproject.toml -o constraints.txt

clean: ## remove what the targets made, not the data
	rm -rf $(VENV) .venv-oldest output .pytest_cache .mypy_cache .ruff_cache
