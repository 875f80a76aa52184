# One front door. `make help` says what there is.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Folder of real recordings and labels that some tests use; they are skipped, and say so, where it is missing.
DATA ?= $(firstword $(wildcard ../shared/data))
PYTEST_ARGS ?=
# Tests start hundreds of processes, which would each compile the package anew.
unexport PYTHONDONTWRITEBYTECODE
export PENSTOCK_TEST_DATA := $(if $(DATA),$(abspath $(DATA)))

.DEFAULT_GOAL := help
-include docker/targets.mk

.PHONY: help install demo test check bench bench-stall bench-epochs bench-forecast soak golden format clean

help: ## Say what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/.installed ## Install Penstock and its tools into .venv

# torch is the build for CPUs where TORCH_INDEX, or pip by itself, has it; an empty TORCH_INDEX takes what pip finds.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python docker/packages.py install --torch-index '$(TORCH_INDEX)' -- \
	  --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install ## Train on a generated dataset, through a window a tenth its size, and report (half a minute)
	$(BIN)/penstock demo

test: install ## Run the tests
	$(BIN)/pytest -n auto --dist worksteal $(PYTEST_ARGS)

check: install ## Check style, types, import order and golden files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python pipelines/compile.py --check

bench: install ## Measure training feeds beside peers (about 40 minutes, needs nginx)
	$(BIN)/python -m benchmarks.feeds

bench-stall: install ## Measure how long a trainer waits as the link grows narrower (about 5 minutes, needs nginx)
	$(BIN)/python -m benchmarks.stall

bench-epochs: install ## Measure what windows download over several epochs (about 5 minutes, needs nginx)
	$(BIN)/python -m benchmarks.epochs

bench-forecast: install ## Compare forecasts with runs (about 12 minutes, needs nginx)
	$(BIN)/python -m benchmarks.forecast

soak: install ## Kill 1,000 times under faults, by one trainer and by two; 100 of each format; 200 signals; 1,000,000 steps of states
	PENSTOCK_SOAK_STEPS=1000000 $(BIN)/pytest -q -s --timeout 7200 tests/unit/window/test_policy.py -k machine
	$(BIN)/python -m benchmarks.chaos --kills 1000 --ranks 1 --ranks 2 --scenario all --report
	$(BIN)/python -m benchmarks.chaos --layout files --kills 100 --ranks 1 --ranks 2 --workers 0 --workers 2 --report
	$(BIN)/python -m benchmarks.signals --signals 200 --report

golden: install ## Make the golden files anew
	$(BIN)/python pipelines/compile.py
	$(BIN)/pytest -q tests/unit/test_surface.py tests/unit/steps/test_resuming.py tests/unit/steps/test_config_file.py --regenerate
	$(BIN)/pytest -q -n auto tests/integration/test_every_format.py tests/integration/test_every_source.py tests/integration/test_format_features.py --regenerate

format: install ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove what was installed and built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
