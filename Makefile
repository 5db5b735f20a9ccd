# BluBees: `make` shows what there is. python3 (3.11+) and make are all that must be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCKS := requirements/bootstrap.lock requirements/dev.lock

.DEFAULT_GOAL := help
.PHONY: help setup run cluster test check format bench proof rolling chaos new-connector connector-examples connector-pages lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## put the locked tools and the product into .venv

$(READY): $(LOCKS) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "BluBees needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.lock requirements/bootstrap.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

run: $(READY) ## start BluBees and the development Jira site here; Ctrl-C stops all of it
	@exec $(BIN)/blubees demo

cluster: $(READY) ## start a whole cluster here: PostgreSQL, 3 broker nodes, 2 control planes, 2 conduits
	@exec $(BIN)/blubees cluster

test: $(READY) ## run the tests (random order, loopback only)
	@$(BIN)/python -m pytest

check: $(READY) ## all that CI runs: format, lint, types, arrows, tests, docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

format: $(READY) ## format the code and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## measure beside the raw ceiling; writes docs/bench/
	@$(BIN)/python bench/bench.py

proof: $(READY) ## show that payload is in no byte that was written; writes docs/proof.md (root gives the strongest form)
	@$(BIN)/python bench/proof.py

rolling: $(READY) ## restart and kill each process of a cluster under load, and see that nothing is lost
	@$(BIN)/python -m pytest -m campaign -n 0

chaos: $(READY) ## 2,000 runs under faults, and what became of each; writes docs/chaos.md
	@$(BIN)/python bench/chaos.py

new-connector: $(READY) ## make the file of a new connector: make new-connector NAME=acme
	@$(BIN)/python -m blubees.main.connector_files new "$(NAME)"

connector-examples: $(READY) ## make examples of a connector from its OpenAPI document: NAME=jira DOCUMENT=file.json
	@$(BIN)/python -m blubees.main.connector_files examples "$(NAME)" "$(DOCUMENT)"

connector-pages: $(READY) ## write docs/connectors.md and a page for each connector of the catalogue
	@$(BIN)/python -m blubees.main.connector_files pages

lock: $(READY) ## refresh the lock files (releases younger than a week stay out)
	@$(BIN)/python requirements/lock.py

clean: ## remove what setup and the tests made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
