PYTHON ?= python
.DEFAULT_GOAL := help
.PHONY: bench check fmt help lint proof test type

bench: ## measure the ratios of docs/benchmarks.md
	$(PYTHON) -m pytest benchmarks -m bench -n 0 --timeout 0 --write

check: lint type test ## everything that has to pass before a commit

fmt: ## format, and fix what can be fixed
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

lint: ## ruff, without changing a file
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

proof: ## the long proofs: crash sweeps with kill -9, stampedes, large tables
	$(PYTHON) -m pytest -m proof -n 2 --timeout 3600

test: ## the tests
	$(PYTHON) -m pytest -n 2

type: ## mypy and pyright, both strict
	$(PYTHON) -m mypy
	$(PYTHON) -m pyright --pythonpath "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
