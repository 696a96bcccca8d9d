# Everything here needs only make and Python 3.11+: each target sets up what it uses, once.
# `make help` lists the targets. PYTHON=... picks the interpreter, ARGS=... goes to the program that a target runs.

.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# Only what the lock files name is installed, and only if its hash is right.
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input
INSTALL_LOCKED := $(INSTALL) --require-hashes

# Stamps: a target's environment is up to date while its stamp is newer than what it was made from.
RUNTIME := $(VENV)/.runtime-installed
TEST := $(VENV)/.test-installed
SOAK := $(VENV)/.soak-installed
BENCHMARKS := $(VENV)/.bench-installed
LINT := $(VENV)/.lint-installed
LOCK := $(VENV)/.lock-installed

# A half-made, broken or moved environment (its scripts hold absolute paths) is made anew.
ifneq ($(wildcard $(VENV)),)
ifneq ($(shell $(BIN)/python -c '' 2>&1 && grep -sF '$(CURDIR)/$(BIN)' $(BIN)/pip > /dev/null && echo usable),usable)
$(info The environment in $(VENV) is broken or was moved: making it anew.)
$(shell rm -rf $(VENV))
endif
endif

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(RUNTIME) ## run the worker against the bundled simulator and show what it did
	@$(BIN)/python -m worker.simulator.demo $(ARGS)

.PHONY: test
test: $(TEST) ## run the whole test suite; ARGS="-k ledger -x" goes to pytest
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 $(ARGS)

.PHONY: soak
soak: $(SOAK) ## run what takes too long for the suite: thousands of seeds, hundreds of kills
	$(BIN)/python -m pytest -m soak --timeout 0 $(ARGS)

.PHONY: lint
lint: $(LINT) ## check style, types, Dockerfile and changelog
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(wildcard worker rules tests benchmarks)
	$(BIN)/hadolint Dockerfile
	@$(BIN)/towncrier build --draft --version next > /dev/null
	@echo "lint: all good"

.PHONY: format
format: $(LINT) ## rewrite the code the way that `make lint` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(BENCHMARKS) ## run the benchmarks; BENCH=backlog runs one
	@for script in benchmarks/$(or $(BENCH),[a-z]*).py; do \
		[ -f "$$script" ] || { echo "no such benchmark: $$script" >&2; exit 1; }; \
		echo "== $$script"; \
		$(BIN)/python "$$script" $(ARGS) || exit $$?; \
	done

.PHONY: lock
lock: $(LOCK) ## compile requirements/*.txt from pyproject.toml; UPGRADE=1 moves every pin
	@scripts/lock.sh $(BIN)/uv $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## remove the environment, build results and caches; var/ (the ledger) stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -type d -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@scripts/venv.sh $(VENV)

$(RUNTIME): requirements/runtime.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@$(INSTALL_LOCKED) -r requirements/build.txt -r requirements/runtime.txt
	@$(INSTALL) --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(TEST): requirements/test.txt $(RUNTIME)
	@$(INSTALL_LOCKED) -r requirements/test.txt
	@touch $@

$(SOAK): requirements/soak.txt $(TEST)
	@$(INSTALL_LOCKED) -r requirements/soak.txt
	@touch $@

$(BENCHMARKS): requirements/bench.txt $(TEST)
	@$(INSTALL_LOCKED) -r requirements/bench.txt
	@touch $@

$(LINT): requirements/lint.txt $(TEST)
	@$(INSTALL_LOCKED) -r requirements/lint.txt
	@touch $@

$(LOCK): requirements/lock.txt | $(BIN)/python
	@$(INSTALL_LOCKED) -r requirements/lock.txt
	@touch $@
