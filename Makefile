# `make demo` and `make test` set everything up by themselves; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
DEMO_ARGS ?=
DEMO_SECONDS ?=
HEADLESS ?=
TEST_ARGS ?=
BENCH_ARGS ?=

bootstrap = $(PYTHON) scripts/bootstrap.py
in_environment = scripts/run.sh
demo_options = $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS)) $(if $(filter-out 0 no false,$(HEADLESS)),--headless) $(DEMO_ARGS)

bench_parts = engine accuracy switch memory startup frame_path transport decision clocks gpu

export TORCH_INDEX

.DEFAULT_GOAL := help
.PHONY: help python setup test-setup bench-setup build demo test lint format bench bench-manager bench-board bench-report clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20
	@printf '  %-17s one part of it: %s\n' 'make bench-PART' '$(bench_parts)'
	@echo "Variables: PYTHON=python3.12, DEMO_SECONDS=60, HEADLESS=1, DEMO_ARGS=..., TEST_ARGS=..., BENCH_ARGS=--quick"

python:
	@$(PYTHON) -c '' 2>/dev/null || { echo "\`$(PYTHON)\` does not run: install Python 3.10 to 3.13 with venv and headers (\`sudo apt install python3 python3-venv python3-dev\`) or name one with \`make PYTHON=...\`." >&2; exit 1; }

setup: python ## create .venv, install pinned packages, build the messages
	@$(bootstrap)

build: setup ## the same; does only what changed

test-setup: python
	@$(bootstrap) --tests

demo: setup ## the demonstration; leaves out/demo/report.html
	@$(in_environment) dynofa demo $(demo_options)

test: lint ## checks and the whole test suite
	@$(in_environment) pytest $(TEST_ARGS)

lint: test-setup ## ruff and mypy
	@$(in_environment) ruff check .
	@$(in_environment) ruff format --check .
	@$(in_environment) mypy

format: test-setup ## apply ruff's fixes and formatting
	@$(in_environment) ruff check --fix .
	@$(in_environment) ruff format .

bench-setup: python
	@$(bootstrap) --bench

# One after the other, also under `make -j`: parts that run together measure each other.
bench: bench-setup ## all benchmarks, then their tables and plots in out/bench/report
	@failed=; for part in $(bench_parts); do echo "== $$part"; \
	  $(in_environment) python benchmarks/bench_$$part.py $(BENCH_ARGS) || failed="$$failed $$part"; done; \
	$(in_environment) python benchmarks/report.py --allow-quick --out out/bench/report; \
	[ -z "$$failed" ] || { echo "parts that did not run to their end:$$failed" >&2; exit 1; }

$(addprefix bench-,$(bench_parts)): bench-%: bench-setup
	@$(in_environment) python benchmarks/bench_$*.py $(BENCH_ARGS)

bench-manager: bench-setup ## docs/results_simulated.md: all policies in all scenarios (simulated, takes its time)
	@$(in_environment) python benchmarks/bench_manager.py $(BENCH_ARGS)

bench-board: bench-setup ## docs/simulated_board.md, from the measured sweep in DYNOFA_DATA
	@$(in_environment) python benchmarks/validate_board.py $(BENCH_ARGS)

bench-report: bench-setup ## docs/benchmarks.md and its plots from out/bench/*.json
	@$(in_environment) python benchmarks/report.py --out docs

clean: ## remove everything that the other targets made, out/ excepted
	rm -rf .venv build install log .setup.lock .mypy_cache .pytest_cache .ruff_cache .hypothesis
