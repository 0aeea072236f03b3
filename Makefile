PYTHON ?= python
ENGINES ?= .engines
.DEFAULT_GOAL := help
.PHONY: bench check engines fmt help lint proof test type

bench: ## measure the ratios of docs/benchmarks.md
	$(PYTHON) -m pytest benchmarks -m bench -n 0 --timeout 0 --write

check: lint type test ## everything that has to pass before a commit

engines: ## the main job on older ClickHouse releases (older chdb wheels behind the test server)
	$(PYTHON) -m venv "$(ENGINES)/3.7.2" && "$(ENGINES)/3.7.2/bin/pip" install -q "chdb==3.7.2"
	AAICLICK_ENGINES="$(ENGINES)/3.7.2/bin/python" \
		$(PYTHON) -m pytest tests/acceptance/test_engines.py -m engines -n 0 --timeout 1800

fmt: ## format, and fix what can be fixed
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

lint: ## ruff, without changing a file
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

proof: ## the long proofs: crash sweeps, kill -9, stampedes, writers; prints the table of docs/reliability.md
	rm -f .proof-counts
	AAICLICK_PROOF_COUNTS="$(CURDIR)/.proof-counts" $(PYTHON) -m pytest -m proof -n 2 --timeout 3600
	$(PYTHON) -m tests.reliability.counts .proof-counts
	rm -f .proof-counts

test: ## the tests
	$(PYTHON) -m pytest -n 2

type: ## mypy and pyright, both strict
	$(PYTHON) -m mypy
	$(PYTHON) -m pyright --pythonpath "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
