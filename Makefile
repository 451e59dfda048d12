# Thin calls of the real commands. `make demo` and `make test` start from nothing but Python 3.11,
# make and npm (the default model's files come from an npm package, the page is built with it).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt
PHOTO := examples/photos/coffee.jpg
STATIC := src/anymask/server/static/index.html
PAGE := $(shell find web/src web/public contracts -type f -not -name schema.ts) \
	web/index.html web/vite.config.ts web/tsconfig.json

.PHONY: demo studio test lint types page unit fast web bench clean

demo: $(VENV)/.base
	$(BIN)/anymask models fetch vit_t
	$(BIN)/anymask segment $(PHOTO) --point 300,190 --out anymask-out

# The Studio in the browser; Ctrl-C ends it.
studio: $(VENV)/.base $(STATIC)
	$(BIN)/anymask models fetch vit_t
	$(BIN)/anymask serve --open

# All tests: Python, the page's own, and journeys through the page in a real Chromium.
test: lint types page unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

page: web/node_modules/.installed $(STATIC)
	cd web && npm run check

unit: $(VENV)/.dev $(STATIC)
	$(BIN)/anymask models fetch vit_t text
	scripts/ensure_chromium.sh
	$(BIN)/python -m pytest

# The quick part of the tests, while working.
fast: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow"

# The Studio's page, which `anymask serve` serves; needs Node.js.
web: $(STATIC)

$(STATIC): web/node_modules/.installed $(PAGE)
	cd web && npm run api && npm run build

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	touch $@

# Speed beside the peers, which get an environment of their own; takes long, see docs/benchmarks.md.
bench: build/peers/bin/python
	$< -m anymask models fetch vit_t
	$< benchmarks/run.py

build/peers/bin/python:
	benchmarks/make_peers.sh build/peers

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + "; set PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml requirements/constraints.txt Makefile | $(VENV)/bin/python
	@echo "installing anymask into $(VENV) ..."
	$(PIP) -e ".[torch,serve]"
	touch $@

$(VENV)/.dev: pyproject.toml requirements/constraints.txt Makefile | $(VENV)/bin/python
	@echo "installing anymask and its test tools into $(VENV) ..."
	$(PIP) -e ".[dev]"
	touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) web/node_modules src/anymask/server/static anymask-out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
