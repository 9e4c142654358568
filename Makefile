# Two commands matter: `make preview` and `make test`. Both set up what is missing, once.

STACK ?= dev
EXAMPLE ?=
UV_VERSION := 0.13.8

# A uv on PATH is used; else one is installed into the project's own tool folder.
UV := $(or $(shell command -v uv 2>/dev/null),.tools/uv/bin/uv)
RUN := .venv/bin/python
SANDBOX := $(RUN) -m sandbox
# An example brings its stack files; the program is the same.
CHOSEN := --stack $(STACK)$(if $(EXAMPLE), --example $(EXAMPLE))

.DEFAULT_GOAL := help
.PHONY: help setup setup-test preview up refresh recover destroy test attacks lint bench bench-jobs clean

help: ## List the commands
	@awk -F ":.*## " "/^[a-z-]+:.*## / {printf \"  make %-11s %s\\n\", \$$1, \$$2}" $(MAKEFILE_LIST)
	@echo '  STACK=dev|staging|prod chooses the stack (now: $(STACK))'
	@echo '  EXAMPLE=S2 takes the stack from examples/S2, with a state and a cloud of its own (preview ... destroy)'

setup: .venv/packages.stamp .tools/engine.stamp ## Packages and engine; the other commands do it when needed

.tools/uv/bin/uv:
	@echo 'setup: no uv on PATH, installing uv $(UV_VERSION) into .tools/uv'
	@python3 -m venv .tools/uv
	@.tools/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=$(UV_VERSION)'

.venv/packages.stamp: pyproject.toml uv.lock $(if $(filter .tools/%,$(UV)),$(UV))
	@echo 'setup: installing the locked packages into .venv'
	@$(UV) sync --frozen
	@touch $@

.tools/engine.stamp: .venv/packages.stamp sandbox/engine_build/go.mod
	@echo 'setup: looking for the Pulumi engine'
	@$(SANDBOX) engine
	@mkdir -p .tools && touch $@

preview: setup ## The stack's plan, judged by the policies; offline, creates nothing
	@$(SANDBOX) preview $(CHOSEN)

up: setup ## Preview with the policies, then create it all in the simulated cloud
	@$(SANDBOX) up $(CHOSEN)

refresh: setup ## Bring the state in line with the simulated cloud
	@$(SANDBOX) refresh $(CHOSEN)

recover: setup ## After a crash: account for everything that was interrupted
	@$(SANDBOX) recover $(CHOSEN)

destroy: setup ## Delete what may be deleted; lists what is kept, why, and until when
	@$(SANDBOX) destroy $(CHOSEN)

setup-test: setup ## What only the tests need: a PostgreSQL server
	@sh tests/jobs/ensure_postgres.sh

test: setup-test ## All tests: unit, components, policies, contract, jobs, engine
	@$(RUN) -m pytest

# Each release is one of the tests' own servers; one that cannot be had stops the command and is named.
MAJORS ?= 15,16,17,18
comma := ,

attacks: setup-test ## A hostile tenant against the jobs, on PostgreSQL 15, 16, 17 and 18; MAJORS=15,18 chooses
	@$(RUN) -m tests.jobs.majors $(subst $(comma), ,$(MAJORS))
	@ATTACKS=all POSTGRES_MAJORS=$(MAJORS) $(RUN) -m pytest tests/jobs/attacks tests/jobs/test_apply.py \
		tests/jobs/test_rds.py tests/jobs/test_kills.py tests/jobs/test_killed_dumps.py

lint: .venv/packages.stamp ## Ruff and mypy
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m mypy

bench: setup ## Preview time and memory against a flat program; a tenant's cost by kind
	@$(RUN) -m bench

bench-jobs: setup-test ## The SQL job with nothing to do, per tenant, at 20, 200 and 1,000 tenants
	@$(RUN) -m bench --sql-job

clean: ## Forget the sandbox: its states and its clouds
	@rm -rf .sandbox
