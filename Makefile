# The two main commands are `make demo` and `make test`.
PYTHON ?= python3
UV := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Container images often set this variable, so that Python keeps no compiled modules. Then each of the hundreds of
# processes that tests start would compile all its imports again, which takes a second of CPU time each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# The versions of the linters for the CI templates. `make ci-lint` downloads them.
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

install: $(STAMP) ## create the environment

demo: $(STAMP) ## show Flotilla on a local fleet: sandbox, preview, up, a change, drift
	@$(BIN)/python -m flotilla.cli.demo

demo-down: $(STAMP) ## remove everything that the demo created
	@$(BIN)/flotilla sandbox down

test: lint ## run the whole test suite; the last lines say what was skipped and why
	@-$(BIN)/flotilla sandbox prepare  # may build for minutes, too long for a test; if it fails, tests are skipped
	@$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

unit: $(STAMP) ## run the tests that start no processes
	@$(BIN)/pytest tests/unit

sandbox-tests: $(STAMP) ## run the tests on real API servers
	@$(BIN)/pytest tests/sandbox

live: $(STAMP) ## run the tests on the real programs, where they are installed
	@$(BIN)/pytest tests/live

lint: $(STAMP) ## check style, types, import layers and words
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/codespell

words: $(STAMP) ## find the words that plain English avoids (ci/plain-words.txt); a part of lint
	@$(BIN)/codespell

bench: $(STAMP) ## run the benchmarks: ratios measured in one run
	@$(BIN)/python -m tests.bench.members
	@$(BIN)/python -m tests.bench.overview
	@$(BIN)/python -m tests.bench.quick
	@$(BIN)/python -m tests.bench.hanging
	@$(BIN)/python -m tests.bench.rollout
	@$(BIN)/python -m tests.bench.chart

kills: $(STAMP) ## kill a hundred runs at random moments, each followed by a clean run
	@$(BIN)/python -m tests.bench.kills 100

chaos: $(STAMP) ## run 200 random schedules of faults and kills, each followed by clean runs (CHAOS="20 --first 7")
	@$(BIN)/python -m tests.chaos.run $(CHAOS)

lock: ## compile requirements.lock and the locks of ci/packaging for all platforms, without index addresses
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url \
		--python-version 3.11 --quiet --output-file requirements.lock --custom-compile-command "make lock"
	@$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --constraints requirements.lock \
		--python-version 3.11 --quiet --output-file ci/packaging/requirements.txt --custom-compile-command "make lock"
	@$(BIN)/uv pip compile ci/packaging/tools.in --universal --generate-hashes --no-emit-index-url \
		--python-version 3.12 --quiet --output-file ci/packaging/tools.txt --custom-compile-command "make lock"
	@$(BIN)/uv pip compile ci/packaging/docs.in --universal --generate-hashes --no-emit-index-url \
		--python-version 3.11 --quiet --output-file ci/packaging/docs.txt --custom-compile-command "make lock"

distributions: $(STAMP) ## build sdist and wheel into dist/, twice to the same bytes, and check them as a release does
	@$(BIN)/uv tool run --quiet --with-requirements ci/packaging/tools.txt --from build bash ci/packaging/distributions.sh

docs: $(STAMP) ## build the documentation's site into site/; a warning is an error (docs/decisions/docs-site.md)
	@rm -rf site
	@$(BIN)/uv tool run --quiet --with-requirements ci/packaging/docs.txt --from sphinx \
		sphinx-build --conf-dir docs/site --doctree-dir build/docs --builder html --fresh-env --fail-on-warning --keep-going --quiet . site
	@echo "site/index.html"

ci-lint: $(STAMP) ## check the CI templates with published linters
	@go run $(ACTIONLINT) ci/github/*.yml .github/workflows/*.yml flotilla/scaffold/template/.github/workflows/*.yml
	@$(BIN)/uv tool run --quiet $(ZIZMOR) --offline --no-progress --quiet ci/github/*.yml .github/workflows/*.yml flotilla/scaffold/template/.github/workflows/*.yml
	@$(BIN)/uv tool run --quiet $(CHECK_JSONSCHEMA) --builtin-schema vendor.gitlab-ci ci/gitlab/*.yml

ci-rehearsal: $(STAMP) ## run the real steps of the CI templates on the sandbox
	@$(BIN)/flotilla sandbox up
	@$(BIN)/python -m ci.rehearsal

schema: $(STAMP) ## generate stacks/fleet.schema.json
	@$(BIN)/python -m flotilla.stack.schema

completions: $(STAMP) ## generate the completion scripts that the wheel installs
	@$(BIN)/python -m ci.packaging.completions

template: $(STAMP) ## generate the files of flotilla/scaffold/template that are made from the repository's files
	@$(BIN)/python -m ci.packaging.template

reference: $(STAMP) ## generate the pages of docs/reference that are made from models, parser and exit codes
	@$(BIN)/python -m ci.reference

picture: $(STAMP) ## draw docs/picture/demo.svg from a real run of the demo
	@$(BIN)/python docs/picture/record.py

clean: ## remove the environment and caches (not a running sandbox)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
