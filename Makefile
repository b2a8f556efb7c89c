# Everything a clone needs: Python 3.11 or newer and make. Nothing is installed outside this folder.
#
#   make demo     roll 1,000 simulated deployments out and read the report
#   make test     lint, types, import law and all tests
#   make help     the other targets

PYTHON ?= python3
SPEED ?= 60
PYTEST_ARGS ?= -n auto

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input --retries 5

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-keystone lint soak bench clean

help: ## say what the targets do
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

demo: .venv/.installed ## 1,000 deployments on 100 simulated clusters, live, within a minute
	@$(BIN)/batch-deployer run manifests/thousand.yaml --simulate --speed $(SPEED) \
		--state-dir .demo --report .demo/report --yes

test: lint ## lint, types, import law and all tests
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-keystone: .venv/.installed-dev .venv-keystone/.installed ## logins at a real Keystone, in an environment of its own
	@REQUIRE_KEYSTONE=1 REQUIRE_PROGRAMS=1 $(BIN)/python -m pytest $(PYTEST_ARGS) tests/keystone

lint: .venv/.installed-dev ## ruff (rules and format), bandit, mypy --strict and actionlint
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m bandit -q -r batch_deployer -c pyproject.toml
	@$(BIN)/python -m mypy
	@if [ -x $(BIN)/actionlint ]; then $(BIN)/actionlint .github/workflows/*.yml; \
	elif [ "$$(uname -sm)" = "Linux x86_64" ]; then \
		echo "lint: actionlint is missing; remove .venv and run make again" >&2; exit 1; \
	else echo "lint: no actionlint for this platform, so the workflows are not checked" >&2; fi

soak: .venv/.installed-dev ## the full numbers: hundreds of adverse runs and kill points
	@$(BIN)/python tests/soak

bench: .venv/.installed-dev ## measure, and write the figures into benchmarks/
	@$(BIN)/python benchmarks

clean: ## remove the environment, caches and the demo's traces
	@rm -rf .venv .venv-keystone .demo .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment, two levels: what a run needs, and what the tests need on top.
# Both are brought up to date again whenever pyproject.toml changes.
.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making .venv" >&2
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: pyproject.toml .venv/.python
	@echo "Installing batch-deployer into .venv (about a minute the first time)" >&2
	@$(PIP) install --editable .
	@touch $@

.venv/.installed-dev: pyproject.toml .venv/.python
	@echo "Installing batch-deployer and its test tools into .venv (some minutes the first time)" >&2
	@$(PIP) install --editable '.[dev]'
	@touch $@ .venv/.installed

# Keystone needs other versions of what the program needs. Tests start it; it is never installed beside the program.
.venv-keystone/.installed: Makefile .venv/.python
	@echo "Installing Keystone into .venv-keystone" >&2
	@$(PYTHON) -m venv .venv-keystone
	@.venv-keystone/bin/python -m pip --quiet --disable-pip-version-check --no-input --retries 5 install keystone==30.0.0
	@touch $@
