# Every target works in a fresh clone on Debian or Ubuntu, with make and Python 3.11 or newer. Only the installation of
# system packages needs root: a target that lacks one says which, and how to install it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: help demo run up down test test-calls test-admission test-rest properties coverage lint bench bench-admission bench-ingest \
    bench-restart bench-directory bench-provisioning faults attack record-frames openapi docs lock clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(READY) ## set everything up, place real calls, print minute records and the bill, check both
	@$(BIN)/bridge sandbox demo

run: $(READY) ## run the whole product in the foreground, with a small demo account; Ctrl-C stops it
	@$(BIN)/bridge sandbox run

up: $(READY) ## start the whole product in the background; .sandbox/env holds all addresses and keys
	@$(BIN)/bridge sandbox up

down: $(READY) ## stop what `make up` started; its data stay
	@$(BIN)/bridge sandbox down

test: $(READY) ## run all tests, with real Asterisk, real callers and real Postgres; ARGS=PATH runs some
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(MAKE) --no-print-directory --jobs=3 test-calls test-admission test-rest
endif

# Tests of calls mostly wait, and all others mostly compute, so that together they take little longer than either alone.
# `nice` makes the others give way, because callers must send their digits on time. The tests of faults run last, when
# most of the others have ended.
ADMISSION := tests/e2e/admission/test_admission.py tests/e2e/admission/test_daemon_away.py

test-calls: $(READY)
	@$(BIN)/python -m pytest tests/e2e $(ADMISSION:%=--ignore=%)

test-admission: $(READY)
	@$(BIN)/python -m pytest $(ADMISSION) tests/faults

test-rest: $(READY)
	@nice -n 19 $(BIN)/python -m pytest --ignore=tests/e2e --ignore=tests/faults

properties: $(READY) ## test the fold, which makes minutes, on over 100,000 generated journals: half an hour
	@$(BIN)/python -m pytest --hypothesis-profile=long --timeout=0 tests/domain/metering/test_fold_properties.py \
	    tests/domain/metering/test_meetings.py $(ARGS)

coverage: $(READY) ## measure the branches that fast tests cover; tests/domain must cover all of bridge/domain
	@$(BIN)/python -m coverage run --data-file=.coverage-domain -m pytest -q tests/domain
	@$(BIN)/python -m coverage run -m pytest -q --ignore=tests/e2e --ignore=tests/faults --ignore=tests/domain $(ARGS)
	@$(BIN)/python -m coverage combine --quiet --append --keep .coverage-domain
	@$(BIN)/python -m coverage report
	@$(BIN)/python -m coverage report --data-file=.coverage-domain --include='bridge/domain/*' --fail-under=100

lint: $(READY) ## check style, types and imports: ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: bench-admission bench-ingest bench-restart bench-directory bench-provisioning ## run all benchmarks

bench-admission: $(READY) ## time from the last digit to the room, beside plain dialplan, FastAGI and func_odbc: 17 minutes
	@$(BIN)/python -m tests.bench.admission $(ARGS)

bench-ingest: $(READY) ## speed of reading a backlog of the journal and a long journal into the ledger
	@$(BIN)/python -m tests.bench.ingest $(ARGS)

bench-restart: $(READY) ## time from a kill of the daemon to the first served caller, with a million passcodes
	@$(BIN)/python -m tests.bench.restart $(ARGS)

bench-directory: $(READY) ## the local directory with a million passcodes: loading, restart, look-ups, memory, changes
	@$(BIN)/python -m tests.bench.directory $(ARGS)

bench-provisioning: $(READY) ## creating one and many, and listing, over REST, with a million passcodes in the database
	@$(BIN)/python -m tests.bench.provisioning $(ARGS)

faults: $(READY) ## place real calls for half an hour while parts fail, and audit; ARGS="--seeds 6 --together 2": six
	@$(BIN)/python -m tests.faults.run $(if $(findstring --short,$(ARGS)),,--report docs/faults.md) $(ARGS)

attack: $(READY) ## simulate a month of guessing by phone, three sizes, and the honest callers meanwhile: four minutes
	@$(BIN)/python -m tests.attack $(ARGS)

record-frames: $(READY) ## record again what a real Asterisk sends over ARI and AMI, for tests that replay it
	@$(BIN)/python -m tests.asterisk.record

openapi: $(READY) ## generate docs/openapi.json from the operation table
	@$(BIN)/python -c 'from bridge.api import table; from bridge.api.openapi import document; print(end=document.text(document.document(table.OPERATIONS)))' \
	    > docs/openapi.json.new
	@mv docs/openapi.json.new docs/openapi.json

docs: $(READY) ## generate the tables in docs/ of settings, metrics and REST from the code
	@$(BIN)/python -m tests.docs.generated

lock: ## generate requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-annotate --extra dev pyproject.toml --output-file requirements.lock

clean: down ## remove the sandbox, its data and the Python environment
	@-$(BIN)/bridge sandbox remove
	rm -rf $(VENV)

# Exact versions, checked by their hashes, from the package index that this machine's pip is configured for.
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
