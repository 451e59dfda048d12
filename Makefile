# Thin calls of the real commands. `make demo` and `make test` start from nothing but Python 3.11,
# make and npm (the default model's files come from an npm package).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt
PHOTO := examples/photos/coffee.jpg


.PHONY: demo test lint types unit fast bench clean

demo: $(VENV)/.base
	$(BIN)/anymask models fetch vit_t
	$(BIN)/anymask segment $(PHOTO) --point 300,190 --out anymask-out

test: lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/anymask models fetch vit_t
	$(BIN)/python -m pytest

# The quick part of the tests, while working.
fast: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow"

# Speed beside the peers, which get an environment of their own; takes long, see docs/benchmarks.md.
bench: build/peers/bin/python
	$< -m anymask models fetch vit_t
	$< benchmarks/run.py

build/peers/bin/python:
	benchmarks/make_peers.sh build/peers

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + "; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml requirements/constraints.txt | $(VENV)/bin/python
	@echo "installing anymask into $(VENV) ..."
	$(PIP) -e ".[torch]"
	touch $@

$(VENV)/.dev: pyproject.toml requirements/constraints.txt | $(VENV)/bin/python
	@echo "installing anymask and its test tools into $(VENV) ..."
	$(PIP) -e ".[dev]"
	touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) anymask-out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
