# The two commands that matter: `make demo` and `make test`. Everything else serves them.
PYTHON ?= python3
UV := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Compiled modules are kept: where an environment forbids it (container images do), each of the hundreds of processes
# that tests start would compile everything that it imports, a second of CPU time each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# The linters of the CI templates, by version; they are fetched when they are asked for.
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
ZIZMOR := zizmor==1.32.0
CHECK_JSONSCHEMA := check-jsonschema==0.39.0

.PHONY: help install demo demo-down test unit sandbox-tests live lint words bench kills chaos lock schema completions template picture reference distributions docs ci-lint ci-rehearsal clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements.lock pyproject.toml
	@echo "environment: $(VENV), from requirements.lock"
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "flotilla needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install: $(STAMP) ## the environment alone

demo: $(STAMP) ## a fleet from nothing: sandbox, preview, up, a change, drift
	@$(BIN)/python -m flotilla.cli.demo

demo-down: $(STAMP) ## remove everything that the demo made
	@$(BIN)/flotilla sandbox down

test: lint ## the whole suite; the last lines say what was skipped and why
	@-$(BIN)/flotilla sandbox prepare  # minutes where it builds: not within a test's time; where it can't, tests skip
	@$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

unit: $(STAMP) ## the tests without processes, in seconds
	@$(BIN)/pytest tests/unit

sandbox-tests: $(STAMP) ## the tests on real API servers
	@$(BIN)/pytest tests/sandbox

live: $(STAMP) ## the tests on the real programs, where they are installed
	@$(BIN)/pytest tests/live

lint: $(STAMP) ## style, types, import layers
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

words: $(STAMP) ## the words that plain English avoids (ci/plain-words.txt), where they still stand
	@$(BIN)/codespell

bench: $(STAMP) ## ratios measured in one run
	@$(BIN)/python -m tests.bench.members
	@$(BIN)/python -m tests.bench.overview
	@$(BIN)/python -m tests.bench.quick
	@$(BIN)/python -m tests.bench.hanging
	@$(BIN)/python -m tests.bench.rollout
	@$(BIN)/python -m tests.bench.chart

kills: $(STAMP) ## a hundred runs killed at random moments, each followed by a clean one
	@$(BIN)/python -m tests.bench.kills 100

chaos: $(STAMP) ## 200 random schedules of faults and kills, each followed by clean runs (CHAOS="20 --first 7")
	@$(BIN)/python -m tests.chaos.run $(CHAOS)

lock: ## compile requirements.lock and those of ci/packaging for all platforms, without index addresses
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url \
		--python-version 3.11 --quiet --output-file requirements.lock --custom-compile-command "make lock"
	@$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --constraints requirements.lock \
		--python-version 3.11 --quiet --output-file ci/packaging/requirements.txt --custom-compile-command "make lock"
	@$(BIN)/uv pip compile ci/packaging/tools.in --universal --generate-hashes --no-emit-index-url \
		--python-version 3.12 --quiet --output-file ci/packaging/tools.txt --custom-compile-command "make lock"
	@$(BIN)/uv pip compile ci/packaging/docs.in --universal --generate-hashes --no-emit-index-url \
		--python-version 3.11 --quiet --output-file ci/packaging/docs.txt --custom-compile-command "make lock"

distributions: $(STAMP) ## sdist and wheel into dist/, built twice to the same bytes and checked, as a release does
	@$(BIN)/uv tool run --quiet --with-requirements ci/packaging/tools.txt --from build bash ci/packaging/distributions.sh

docs: $(STAMP) ## the documentation's site into site/; every warning fails it (docs/decisions/docs-site.md)
	@rm -rf site
	@$(BIN)/uv tool run --quiet --with-requirements ci/packaging/docs.txt --from sphinx \
		sphinx-build --conf-dir docs/site --doctree-dir build/docs --builder html --fresh-env --fail-on-warning --keep-going --quiet . site
	@echo "site/index.html"

ci-lint: $(STAMP) ## the CI templates, by their published linters
	@go run $(ACTIONLINT) ci/github/*.yml .github/workflows/*.yml flotilla/scaffold/template/.github/workflows/*.yml
	@$(BIN)/uv tool run --quiet $(ZIZMOR) --offline --no-progress --quiet ci/github/*.yml .github/workflows/*.yml flotilla/scaffold/template/.github/workflows/*.yml
	@$(BIN)/uv tool run --quiet $(CHECK_JSONSCHEMA) --builtin-schema vendor.gitlab-ci ci/gitlab/*.yml

ci-rehearsal: $(STAMP) ## the steps of the CI templates, for real, on the sandbox
	@$(BIN)/flotilla sandbox up
	@$(BIN)/python -m ci.rehearsal

schema: $(STAMP) ## generate stacks/fleet.schema.json
	@$(BIN)/python -m flotilla.stack.schema

completions: $(STAMP) ## generate the shells' completions that the wheel installs
	@$(BIN)/python -m ci.packaging.completions

template: $(STAMP) ## generate the files of flotilla/scaffold/template that are the repository's own
	@$(BIN)/python -m ci.packaging.template

reference: $(STAMP) ## generate the pages of docs/reference that models, parser and exit codes say all of
	@$(BIN)/python -m ci.reference

picture: $(STAMP) ## draw docs/picture/demo.svg from a real run of the demo
	@$(BIN)/python docs/picture/record.py

clean: ## remove the environment and caches (not a sandbox that runs)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
