# Everything a developer types. Each target does the set-up it needs.
.DEFAULT_GOAL := help
.PHONY: help run test test-fast check format bench docs reproduce-smoke build clean

# the first Python from 3.11 to 3.13 that answers; PY=... chooses another
PY ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
READY := .venv/.ready
# a folder of wheels to look in first, such as one with a CPU build of torch
WHEELS := $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS))
ARGS ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## run an experiment, e.g. make run ARGS="model=deepsem data=toy"
	$(BIN)/python -m grn_exp $(ARGS)

test: $(READY) ## run all tests with coverage; ARGS goes to pytest
	$(BIN)/pytest -n auto --dist worksteal -m "not network" --cov --cov-report=term $(ARGS)

test-fast: $(READY) ## the unit tests that take a moment each, for every save; ARGS goes to pytest
	$(BIN)/pytest -n auto --dist worksteal -q -m "not slow and not network" $(or $(ARGS),tests/unit)

check: $(READY) ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(READY) ## format and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## speed and memory against the plain implementations
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(READY) ## build the documentation into build/site; runs the tutorial
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

SMOKE := $(basename $(notdir $(wildcard conf/experiment/smoke/*.yaml)))

reproduce-smoke: $(READY) ## every experiment in small, then outputs/smoke/report.html
	for name in $(SMOKE); do \
		echo "== $$name"; \
		$(BIN)/python -m grn_exp experiment=smoke/$$name paths.outputs=outputs/smoke $(ARGS) || exit; \
	done
	$(BIN)/python -m grn_exp.report outputs/smoke

build: $(READY) ## build wheel and source archive into dist/
	$(BIN)/python -m build

clean: ## remove the environment, caches and builds (outputs stay)
	rm -rf .venv dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache htmlcov .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs in a tenth of the time; where it cannot (a proxy that only pip knows), pip does
$(READY): pyproject.toml constraints.txt
	@test -n "$(PY)" || { echo "error: no Python 3.11 to 3.13 found; install one or give PY=path"; exit 2; }
	test -x $(BIN)/python || $(PY) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode $(WHEELS) -c constraints.txt -e '.[dev]' \
		|| $(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $(READY)
