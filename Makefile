# Every target does the set-up it needs; a set-up with nothing new takes under a second.
# ARGS is passed on: make demo ARGS="--once --city zunyi", make test ARGS="-k publish"

SHELL := /bin/bash
PYTHON ?= python3
WORKERS ?= 2
ARGS ?=

bin := .venv/bin
ready := .venv/.setup-done
derived := dbt_project/.build/.made
declared := $(shell find systems core orchestration/derive -name '*.yaml' -o -name '*.py' -o -name '*.json' -o -name '*.jinja')

.PHONY: help setup system demo test check bench lock

help:
	@echo "make setup   .venv with locked packages; browser, font and database servers where apt may"
	@echo "make demo    a whole simulated city, end to end            ARGS=\"--once --city zunyi\""
	@echo "make test    every test, on private servers                ARGS=\"-k publish\""
	@echo "make check   style, types, import rules, SQL, derived files"
	@echo "make bench   figures, each with its harness                ARGS=\"--help\""
	@echo "make lock    choose versions anew from pyproject.toml"

setup: $(ready) $(derived) system

$(ready): pyproject.toml requirements.lock deploy/uv.lock.txt deploy/setup.sh
	@PYTHON=$(PYTHON) deploy/setup.sh

# What dbt reads and nobody commits. A build makes it as well; tools that know only the folder need it here.
$(derived): $(ready) $(declared)
	@$(bin)/cityrisk derive --only-build
	@touch $@

system: $(ready)
	@deploy/setup-system.sh

demo: $(ready)
	@$(bin)/cityrisk demo $(ARGS)

test: $(ready) $(derived) system
	$(bin)/python -m pytest -n $(WORKERS) $(ARGS)

check: $(ready) $(derived)
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/lint-imports --no-cache
	$(bin)/mypy
	$(bin)/sqlfluff lint --processes $(WORKERS) --disable-progress-bar dbt_project
	$(bin)/cityrisk derive --check
	$(bin)/python -m pytest -q tests/test_house.py

bench: $(ready)
	$(bin)/python -m benchmarks $(ARGS)

lock: $(ready)
	$(bin)/uv pip compile pyproject.toml --all-extras --universal --fork-strategy fewest --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet --upgrade -o requirements.lock
