# Each target makes what it needs: nothing has to be installed first but Python 3.11+ and make.
.DEFAULT_GOAL := help
.PHONY: help up test judge jobs conformance lint format regen bench docs env lock clean
export PATH := $(CURDIR)/.venv/bin:$(PATH)

RUN := .venv/.installed-run
DEV := .venv/.installed-dev

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

up: $(RUN) ## the whole of gatechat on this machine: gateway, assistant and a demo API (ARGS="--help" for the flags)
	@exec gatechat up $(ARGS)

test: $(DEV) ## every test, against the real Envoy and a real browser (ARGS="tests/cli -k port" for some)
	@.ci/debian chromium fonts-dejavu-core
	@python -m pytest -n 2 --dist loadfile $(ARGS)

judge: $(DEV) ## Apache APISIX's own tests against the gateway (APISIX=path of its source, ARGS="--only t/admin/routes.t")
	@python -m tests.judge --apisix "$(APISIX)" $(ARGS)

jobs: $(DEV) ## twenty jobs by a scripted model over MCP; counts calls and characters (ARGS="--admin-url …" on any Admin API)
	@python -m tests.jobs $(ARGS)

conformance: $(DEV) ## the official conformance suite of MCP against our server (installs it and its Node from npm)
	@.ci/conformance

lint: $(DEV) ## style, types and the contracts between the rooms
	ruff check .
	ruff format --check .
	mypy
	lint-imports

format: $(DEV) ## puts the style right
	ruff check --fix .
	ruff format .

regen: $(DEV) ## writes the golden files anew; read the difference before you keep it
	GATECHAT_REGEN=1 python -m pytest tests/gateway/translate
	$(MAKE) docs

bench: $(DEV) ## measures speed, side by side with a hand-written Envoy configuration (ARGS="--only start")
	.ci/debian wrk nginx-light
	python -m bench $(ARGS)

docs: $(DEV) ## writes the pages of docs/ that are made from the code
	python docs/generate.py

env: ## .env for the containers: a fresh admin key and token, readable by you alone
	@test -e .env && echo ".env is there already; delete it first for new keys" || container/make-env .env

lock: $(DEV) ## writes the lock files anew from pyproject.toml (ARGS=--upgrade for newer versions)
	.ci/lock $(ARGS)

clean: ## removes what the other targets made; never your data or .env
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): requirements.lock pyproject.toml
	@echo "Installing gatechat into .venv (about a minute, once)"
	@.ci/venv requirements.lock
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml
	@echo "Installing gatechat and its tools into .venv (about a minute, once)"
	@.ci/venv requirements-dev.lock
	@touch $@ $(RUN)
