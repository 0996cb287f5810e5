# Everything runs in .venv, which the first target that needs it makes.
# Another torch build: make run PIP_ARGUMENTS="--extra-index-url https://download.pytorch.org/whl/cpu"
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_ARGUMENTS ?=
BIN := .venv/bin
# One process a core, one thread a process; a file's tests share their fixtures.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(shell nproc 2>/dev/null || echo 2) --dist loadfile
READY := .venv/.ready
DEVELOPING := .venv/.developing

.PHONY: run test test-quick check format lint types docs miniature clean

run: $(READY)  ## the default cell: set up, train, evaluate, print the table
	$(BIN)/python run.py

test: $(DEVELOPING)  ## all tests
	$(PYTEST)

test-quick: $(DEVELOPING)  ## the tests that are not marked slow: two minutes on two cores
	$(PYTEST) -m "not slow"

check: format lint types test  ## what CI runs

format: $(DEVELOPING)
	$(BIN)/ruff format --check .

lint: $(DEVELOPING)  ## style, imports, docstrings, security
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(DEVELOPING)
	$(BIN)/mypy

docs: $(DEVELOPING)  ## draw docs/architecture.svg anew
	$(BIN)/python docs/draw_architecture.py

miniature: $(READY)  ## rebuild assets/miniature (at most 20 minutes on two cores)
	$(BIN)/python -m tunegrid_miniature

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "tunegrid needs Python 3.11 or newer"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check $(PIP_ARGUMENTS) $$(grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install -q --disable-pip-version-check $(PIP_ARGUMENTS) -c constraints.txt -e .
	touch $(READY)

$(DEVELOPING): $(READY)
	$(BIN)/python -m pip install -q --disable-pip-version-check $(PIP_ARGUMENTS) -c constraints.txt -e '.[dev]'
	touch $(DEVELOPING)

clean:  ## remove the environment and caches; results stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build src/*.egg-info
