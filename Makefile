# Everything works from a bare clone on Debian or Ubuntu with Python 3.11 or newer and make. Root is needed for system
# packages alone, and each command says which.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: help demo run up down test test-calls test-admission test-rest properties coverage lint bench bench-admission bench-ingest \
    bench-restart bench-directory bench-provisioning faults record-frames openapi docs lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(READY) ## set everything up, place real calls, print minutes and the bill, check them
	@$(BIN)/bridge sandbox demo

run: $(READY) ## the whole product in the foreground, with a small demo account; Ctrl-C ends it
	@$(BIN)/bridge sandbox run

up: $(READY) ## the same in the background; .sandbox/env says where everything is
	@$(BIN)/bridge sandbox up

down: $(READY) ## stop what `make up` started; data stay
	@$(BIN)/bridge sandbox down

test: $(READY) ## all tests, with real Asterisk, real callers and real Postgres
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(MAKE) --no-print-directory --jobs=3 test-calls test-admission test-rest
endif

# Calls mostly wait, the rest mostly computes: side by side they take little longer than one of them. Callers' digits
# are sent in time only where the rest gives way. The faults come last, when the others have ended.
ADMISSION := tests/e2e/admission/test_admission.py tests/e2e/admission/test_daemon_away.py

test-calls: $(READY)
	@$(BIN)/python -m pytest tests/e2e $(ADMISSION:%=--ignore=%)

test-admission: $(READY)
	@$(BIN)/python -m pytest $(ADMISSION) tests/faults

test-rest: $(READY)
	@nice -n 19 $(BIN)/python -m pytest --ignore=tests/e2e --ignore=tests/faults

properties: $(READY) ## over 100,000 generated journals against the rules of the fold: about half an hour
	@$(BIN)/python -m pytest --hypothesis-profile=long --timeout=0 tests/domain/metering/test_fold_properties.py \
	    tests/domain/metering/test_meetings.py $(ARGS)

coverage: $(READY) ## branches that the fast tests go through; those of the domain must all be, by its own tests
	@$(BIN)/python -m coverage run --data-file=.coverage-domain -m pytest -q tests/domain
	@$(BIN)/python -m coverage run -m pytest -q --ignore=tests/e2e --ignore=tests/faults --ignore=tests/domain $(ARGS)
	@$(BIN)/python -m coverage combine --quiet --append --keep .coverage-domain
	@$(BIN)/python -m coverage report
	@$(BIN)/python -m coverage report --data-file=.coverage-domain --include='bridge/domain/*' --fail-under=100

lint: $(READY) ## ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: bench-admission bench-ingest bench-restart bench-directory bench-provisioning ## all benches

bench-admission: $(READY) ## last digit to room, beside plain dialplan, FastAGI and func_odbc in the same run: 17 minutes
	@$(BIN)/python -m tests.bench.admission $(ARGS)

bench-ingest: $(READY) ## journal to ledger: how fast the daemon reads a backlog, and a long journal
	@$(BIN)/python -m tests.bench.ingest $(ARGS)

bench-restart: $(READY) ## from a kill of the daemon to the first caller served, with a million passcodes
	@$(BIN)/python -m tests.bench.restart $(ARGS)

bench-directory: $(READY) ## a million passcodes in the local directory: filling, restart, look-ups, memory, changes
	@$(BIN)/python -m tests.bench.directory $(ARGS)

bench-provisioning: $(READY) ## single and bulk creations and lists over REST, with a million passcodes in the database
	@$(BIN)/python -m tests.bench.provisioning $(ARGS)

faults: $(READY) ## half an hour of real calls under faults of every part, and an audit; ARGS="--seeds 6" for six runs
	@$(BIN)/python -m tests.faults.run $(if $(findstring --short,$(ARGS)),,--report docs/faults.md) $(ARGS)

record-frames: $(READY) ## record anew what a real Asterisk sends over ARI and AMI, for the tests that replay it
	@$(BIN)/python -m tests.asterisk.record

openapi: $(READY) ## renew docs/openapi.json from the operation table
	@$(BIN)/python -c 'from bridge.api import table; from bridge.api.openapi import document; print(end=document.text(document.document(table.OPERATIONS)))' \
	    > docs/openapi.json.new
	@mv docs/openapi.json.new docs/openapi.json

docs: $(READY) ## renew the tables of docs/ that are generated from the code: settings, metrics, REST
	@$(BIN)/python -m tests.docs.generated

lock: ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-annotate --extra dev pyproject.toml --output-file requirements.lock

clean: down ## remove the sandbox, its data and the Python environment
	@-$(BIN)/bridge sandbox remove
	rm -rf $(VENV)

# Exact versions with hashes, from whichever package index this machine's pip is set up for.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version) if sys.version_info < (3, 11) else 0'
	@echo "Python packages into $(VENV) (the first time takes about half a minute) ..."
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	    test "$$(id -u)" = 0 || { echo "Missing: python3-venv. Install it with: sudo apt-get install python3-venv"; exit 1; }; \
	    echo "Installing the system package python3-venv ..."; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@
