# What README, CONTRIBUTING and .ci/run call. Every target builds .venv first where it is missing.
PYTHON ?= python3.11
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help demo test test-long check format bench bench-export bench-peers bench-resume bench-online bench-offline bench-model bench-table bench-discrete mountain-car expert tables docs clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: .venv/.installed  ## learn to hop from ten demonstrations: a plot, a score table and a saved policy
	$(BIN)/python -m bench.experiments.demo

test: .venv/.installed  ## the test suite
	$(BIN)/python -m pytest -n 2

test-long: .venv/.installed  ## the tests that take minutes
	$(BIN)/python -m pytest -n 2 -m long

check: .venv/.installed  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: .venv/.installed  ## apply the formatter and the safe lint fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.installed  ## speed of one update as a share of the machine's matrix rate
	$(BIN)/python bench/update_rate.py --json

bench-export: .venv/.installed  ## microseconds a call of an exported policy: NumPy, onnxruntime, JAX
	$(BIN)/python -m bench.export --json

bench-peers: .venv/.installed  ## SAC and BC updates beside other libraries, each in an environment of its own
	$(BIN)/python bench/peers.py --json

bench-resume: .venv/.installed  ## kill runs at random moments, resume them, compare bit for bit
	$(BIN)/python bench/resume.py

bench-online: .venv/.installed  ## imitation with an environment: every row of its table, resumable
	$(BIN)/python -m bench.experiments.online

bench-offline: .venv/.installed  ## imitation from recorded data alone: every row of its table, resumable
	$(BIN)/python -m bench.experiments.offline

bench-model: .venv/.installed  ## learned dynamics, with rewards and with demonstrations: every row of the table, resumable
	$(BIN)/python -m bench.experiments.model_based

bench-table: .venv/.installed  ## every method on every task, three seeds a cell, resumable
	$(BIN)/python -m bench.experiments.table

bench-discrete: .venv/.installed  ## imitation with discrete actions: every method on CartPole, Acrobot and LunarLander, resumable
	$(BIN)/python -m bench.experiments.discrete

mountain-car: .venv/.installed  ## tabular IQ-Learn and ReCOIL on MountainCar: a figure and a line of results for each of three seeds
	for seed in 0 1 2; do $(BIN)/python -m bench.experiments.mountain_car --seed $$seed --out runs/mountain_car/seed-$$seed --results bench/results/mountain_car.jsonl || exit 1; done

expert: .venv/.installed  ## train the bundled Hopper expert anew and collect its demonstrations
	$(BIN)/python -m bench.experiments.expert

tables: .venv/.installed  ## regenerate the tables of README and docs, from bench/results and the code, and the claims' figures
	$(BIN)/python -m bench.experiments.tables
	$(BIN)/python -m bench.scores_table
	$(BIN)/python -m bench.experiments.claims

.venv/.docs: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

docs: .venv/.docs  ## the documentation as a site, in build/site; warnings are errors
	rm -rf build/pages build/site && mkdir -p build/pages
	cp -r README.md CONTRIBUTING.md CHANGELOG.md CITATION.cff LICENSE docs examples build/pages
	cp -r --parents bench/results/claims build/pages
	$(BIN)/zensical build --clean --strict
	$(BIN)/python -m bench.site build/site

clean:  ## remove the environment and the caches
	rm -rf .venv .pytest_cache .ruff_cache build
