# `make` lists what there is. CI runs these very targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help build test audit lint docs report redshift-smoke bench clean

PYTHON ?= python3.11
# customers in the sample events that `make build` makes where there are no event files
USERS ?= 20000
# of the report: fr or en
LANGUAGE := fr
KEY := .amazing_pseudonym_key
BIN := .venv/bin
VENV := .venv/.installed
BENCH_VENV := .venv-bench/.installed

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

build: $(VENV) profiles.yml $(if $(AMAZING_PSEUDONYM_KEY),,$(KEY)) ## load the event files and build every table, test it, show the segments
	@if [[ -z "$${AMAZING_EVENTS:-}" ]] && ! compgen -G 'data/events/*.csv*' >/dev/null; then \
	  echo "No event files in data/events: making sample events of $(USERS) users."; \
	  $(BIN)/amazing-segments sample-events --users $(USERS) --start 2019-10-01 --months 7 --seed 1 --out data/events; \
	fi
	@export AMAZING_PSEUDONYM_KEY="$${AMAZING_PSEUDONYM_KEY:-$$(cat $(KEY))}"; \
	$(BIN)/dbt build --target duckdb --exclude-resource-type unit_test
	@$(BIN)/amazing-segments show

test: lint ## check everything: lint, pytest, a sample built with every dbt test
	scripts/scratch $(BIN)/pytest --numprocesses auto --dist loadgroup --no-loadscope-reorder
	scripts/scratch scripts/build-sample

audit: $(VENV) profiles.yml ## test every row of the warehouse, not only what no passed build has tested
	@export AMAZING_PSEUDONYM_KEY="$${AMAZING_PSEUDONYM_KEY:-$$(cat $(KEY))}"; \
	$(BIN)/dbt test --target duckdb --exclude-resource-type unit_test --vars '{audit: true}'

lint: $(VENV) ## check form and conventions of Python, YAML, SQL and the dbt project
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint --strict .
	scripts/scratch scripts/lint-dbt

docs: $(VENV) profiles.yml ## write the documentation site, one file
	$(BIN)/dbt docs generate --static --target duckdb
	@echo "Open target/static_index.html"

report: $(VENV) ## write what the warehouse tells about customers as one HTML page (LANGUAGE=en)
	@$(BIN)/amazing-segments report --language $(LANGUAGE)

redshift-smoke: $(VENV) profiles.yml ## build a sample on a Redshift cluster, compare it with DuckDB, drop it
	$(BIN)/amazing-segments redshift-smoke $(if $(TARGET),--target $(TARGET))

bench: $(BENCH_VENV) ## measure time and memory: EVENTS=folder of event files, ARGS=more options
	.venv-bench/bin/python benchmarks/bench.py $(if $(EVENTS),--events "$(EVENTS)") $(ARGS)

clean: ## remove what can be made again; data/ and the pseudonym key stay
	rm -rf .venv .venv-bench target logs .hypothesis .pytest_cache .ruff_cache

profiles.yml:
	cp profiles.yml.example $@

# A new key gives every user another name, so none is made beside a warehouse that has one.
$(KEY):
	@if [[ -e "$${AMAZING_WAREHOUSE:-data/amazing.duckdb}" ]]; then \
	  echo "The warehouse was built with a key that is not here: restore $@, or set AMAZING_PSEUDONYM_KEY." >&2; \
	  exit 1; \
	fi
	@umask 077; od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n' >$@
	@echo "Made a pseudonym key in $@. Keep it safe: without it, the same users get other pseudonyms."

$(VENV): requirements-dev.lock
$(BENCH_VENV): benchmarks/requirements.lock
$(VENV) $(BENCH_VENV): pyproject.toml
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --clear --python 3.11 $(@D); \
	  install="uv pip install --quiet --python $(@D)/bin/python"; \
	else \
	  $(PYTHON) -m venv --clear $(@D); \
	  install="$(@D)/bin/python -m pip install --quiet --disable-pip-version-check"; \
	fi; \
	$$install --require-hashes -r $(filter %.lock,$^); \
	$$install --no-deps --no-build-isolation --editable .
	@touch $@
