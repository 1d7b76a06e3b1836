# Every target sets up what it needs: `make quickstart` and `make test` work in a fresh clone.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# Present while an install runs: an environment that still has it was interrupted and is made anew.
UNFINISHED := $(VENV)/.unfinished

# The interpreter that makes $(VENV); override with `make test PYTHON=/path/to/python3.12`.
PYTHON ?=
CANDIDATES := $(or $(PYTHON),python3 python3.11 python3.12 python3.13 python)
SUPPORTED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-16s %s\n", $$1, $$2 }'

.PHONY: setup
setup: $(READY) ## make .venv with the pinned dependencies (the other commands do it themselves)

# From plain PyPI, torch on Linux brings several GB of CUDA libraries. For the CPU build, name the index of
# PyTorch's CPU wheels in PIP_EXTRA_INDEX_URL (or a folder of wheels in PIP_FIND_LINKS) before the first command.
$(READY): pyproject.toml constraints.txt
	@python=; for candidate in $(CANDIDATES); do \
	  if "$$candidate" -c '$(SUPPORTED)' >/dev/null 2>&1; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "None of these is a Python 3.11, 3.12 or 3.13 with the venv module: $(CANDIDATES);" \
	       "install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	if [ -e $(UNFINISHED) ] || ! $(PY) -c '$(SUPPORTED)' >/dev/null 2>&1; then \
	  echo "making $(VENV) with $$("$$python" --version)" >&2; \
	  "$$python" -m venv --clear $(VENV); \
	fi; \
	touch $(UNFINISHED); \
	echo "installing the pinned dependencies (minutes, the first time)" >&2; \
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt pip; \
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt '.[train,loadtests,dev]'; \
	rm $(UNFINISHED); touch $@

.PHONY: quickstart
quickstart: $(READY) ## train the embedded sample model, save it, serve it, ask it
	@$(PY) quickstart.py

.PHONY: serve
serve: $(READY) ## serve the newest saved model on port 3000
	@$(VENV)/bin/bentoml serve

.PHONY: test
test: $(READY) ## the test suite, without the slow and the container tests
	@$(PY) -m pytest

.PHONY: test-slow
test-slow: $(READY) ## the tests that take minutes
	@$(PY) -m pytest -m slow

.PHONY: test-container
test-container: $(READY) ## build the image, run it hardened, stop it under load
	@$(PY) -m pytest -m container -s

.PHONY: lint
lint: $(READY) ## ruff (rules and format) and mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

.PHONY: bench
bench: $(READY) ## engines and services beside baselines, in turn: tables, JSON, a plot
	@$(PY) -m benchmarks

.PHONY: loadtest
loadtest: $(READY) ## serve the newest saved model, load it with Locust, check the thresholds
	@$(PY) -m loadtests

.PHONY: container
container: $(READY) ## image of the newest saved model: build, run hardened, check, report
	@$(PY) -m deploy

.PHONY: readme
readme: $(READY) ## rewrite the generated blocks of the README
	@PYTHONPATH=. $(PY) tests/test_readme.py

.PHONY: clean
clean: ## remove what the commands made: runs, reports, caches (not .venv, not the model store)
	@rm -rf runs loadtests/reports benchmarks/results .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
