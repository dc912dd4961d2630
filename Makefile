# Every entry is listed by `make help`. Only git, make and Python 3.11 with venv are needed to start.

.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
STAMP := .venv/.polc-setup
# Without its bytecode a command takes twice as long, and tests start hundreds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test tests lint format types imports unit kernel golden golden-update docs-update bench load fuzz mutants mutated soak wheel clean

help:  ## list every entry
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP)  ## build .venv with .venv/bin/polc and all development tools

$(STAMP): pyproject.toml .ci/setup
	@.ci/setup
	@touch $(STAMP)

demo: setup  ## client, node and workload in namespaces: a policy at work on real traffic (root for all of it)
	@$(BIN)/polc demo

test: setup lint types imports tests  ## everything CI checks: lint, types, import rules, all tests

lint: setup  ## ruff: rules and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: setup  ## rewrite the formatting
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: setup  ## mypy, strict
	@$(BIN)/mypy -p polc

imports: setup  ## the arrows between the rooms
	@$(BIN)/lint-imports --no-logo

# Two workers; tests/conftest.py says who gets what.
PYTEST := $(BIN)/pytest -q -n 2 --dist loadgroup --no-loadscope-reorder --durations=15

tests: setup  ## all tests (those on the kernel are skipped, saying why, without root)
	@$(PYTEST)

unit: setup  ## the tests that need no privilege
	@$(PYTEST) -m "not kernel"

kernel: setup  ## the tests on the real kernel
	@$(PYTEST) -m kernel

golden: setup  ## the golden cases: YAML in; IR, plan, diagnostics and hand-written verdicts out
	@$(BIN)/pytest -q tests/golden

golden-update: setup  ## rewrite the golden files not written by hand, as root the fake kernel's errnos too; read the diff
	@$(BIN)/pytest -q tests/golden tests/fake_kernel/test_held_to_real.py --golden-update
	@git --no-pager diff --stat -- tests

bench: setup  ## what checking costs beside reading YAML; what a verdict costs, natively and (as root) in the kernel, as ratios in one interleaved run
	@$(BIN)/python -m polc.bench.checking
	@$(BIN)/python -m polc.bench.verdicts

load: setup  ## 500 interfaces under one agent: attach, restart, idle, updates, a storm; what each costs (root, 6 minutes)
	@$(BIN)/python -m polc.bench.agent_load

MINUTES ?= 5
JOBS ?= 1
fuzz: setup  ## model = native (and = kernel as root) on fresh seeds for MINUTES=5 with JOBS=1; keeps what differs
	@$(BIN)/python -m polc.tests.fuzz.run --minutes $(MINUTES) --jobs $(JOBS)

mutants: setup  ## does a fault in resolve, passes, plan, code or flow table go unseen? some 10 minutes; writes the report
	@$(BIN)/python -m polc.tests.mutants.run

COUNT ?= 100000
SEED ?= 1
mutated: setup  ## COUNT=100000 spoilt files with SEED=1 and JOBS=1: `polc check` of each ends in findings, soon
	@$(BIN)/python -m polc.tests.hostile.mutated_files --count $(COUNT) --seed $(SEED) --jobs $(JOBS)

SWAPS ?= 100000
soak: setup  ## SWAPS=100000 swaps under traffic, half by tcx, half by clsact: none lost, none through, nothing left; root
	@POLC_SWAPS=$$(( $(SWAPS) / 2 )) $(BIN)/pytest -q -s tests/soak

docs-update: setup  ## rewrite the outputs that README and docs show, and the JSON schemas; as root
	@$(BIN)/pytest -q tests/docs tests/cli/test_schemas.py --golden-update
	@git --no-pager diff --stat -- README.md docs

wheel: setup  ## build the wheel into dist/
	@$(BIN)/python -m build --wheel

clean:  ## remove everything that is made here, .venv too
	rm -rf .venv build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
