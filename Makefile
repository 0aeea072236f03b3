PYTHON ?= python
ENGINES ?= .engines
SEEDS ?= 200
FROM ?= 0
# ClickHouse 25.8 and 24.8; 23.10, which is only read
CHDB = 3.7.2 3.0.1
READING = 1.4.1
SPACE := $(subst ,, )
.DEFAULT_GOAL := help
.PHONY: bench bom check docs engines fmt fuzz fuzz-mutants fuzz-rollback help lint package proof release simulate test test-long type

bench: ## measure the ratios of docs/benchmarks.md (LARGE=1: with 50 million rows)
	$(PYTHON) -m pytest benchmarks -m bench -n 0 --timeout 0 --write $(if $(LARGE),--large)

bom: ## dist/aaiclick.cdx.json: every package that a run needs, with its release and licence (CycloneDX)
	$(PYTHON) -m venv .bom
	.bom/bin/pip install -q .
	mkdir -p dist
	$(PYTHON) -m cyclonedx_py environment --pyproject pyproject.toml --mc-type library --output-reproducible -o dist/aaiclick.cdx.json .bom/bin/python
	rm -rf .bom

check: lint type test package ## everything that has to pass before a commit; before a pull request `test-long`, too

docs: ## the site, strict, in build/site
	$(PYTHON) -m mkdocs build --strict

engines: ## the main job and the corpus on older ClickHouse releases (older chdb wheels behind the test server)
	rm -f .engine-counts
	for chdb in $(CHDB) $(READING); do \
		"$(ENGINES)/$$chdb/bin/python" -c "import chdb" 2>/dev/null \
			|| { $(PYTHON) -m venv "$(ENGINES)/$$chdb" && "$(ENGINES)/$$chdb/bin/pip" install -q "chdb==$$chdb"; } || exit 1; \
	done
	AAICLICK_ENGINE_COUNTS="$(CURDIR)/.engine-counts" AAICLICK_ENGINES="$(subst $(SPACE),:,$(CHDB:%=$(ENGINES)/%/bin/python))" \
		AAICLICK_READING_ENGINES="$(READING:%=$(ENGINES)/%/bin/python)" \
		$(PYTHON) -m pytest tests/acceptance -m engines -n 2 --timeout 600 -r fE
	$(PYTHON) -m tests.acceptance.counts .engine-counts
	rm -f .engine-counts

fmt: ## format, and fix what can be fixed
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

fuzz: ## the adversary: random changes against a copy that it makes itself (SEEDS=20000, FROM=0; ONLY=dots or older: small tables with cases of these kinds alone; ENGINE=: the Python of an older chdb; WRITE=1: into docs/coverage.md)
	$(PYTHON) -m tests.fuzz.run --seeds $(SEEDS) --first $(FROM) --out .fuzz-found --python "$(ENGINE)" $(if $(ONLY),--only $(ONLY)) $(if $(WRITE),--write)
	$(if $(WRITE),$(PYTHON) -m tests.coverage.page kept)

fuzz-mutants: ## faults put back one at a time: the adversary has to find each (ANEW=1: looks for cases among all, not only the one that is kept)
	$(PYTHON) -m tests.fuzz.mutants $(if $(ANEW),--anew)

fuzz-rollback: ## random changes, rolled back and made again: rows and definitions are what they were (SEEDS=, FROM=)
	$(PYTHON) -m tests.fuzz.rollback --seeds $(SEEDS) --first $(FROM)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 15

lint: ## ruff, without changing a file
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

package: ## wheel and source package in dist/, and whether an index would take them
	rm -rf dist
	$(PYTHON) -m build --outdir dist .
	$(PYTHON) -m twine check --strict dist/*

proof: ## the long proofs: crash sweeps, kill -9, stampedes, writers; writes the table of docs/reliability.md
	rm -f .proof-counts
	AAICLICK_PROOF_COUNTS="$(CURDIR)/.proof-counts" $(PYTHON) -m pytest -p tests.reliability.proof_plugin -m "proof or long" -n 3 --timeout 1800; \
		ended=$$?; $(PYTHON) -m tests.reliability.counts .proof-counts --write docs/reliability.md; rm -f .proof-counts; exit $$ended

release: ## cut a release: its notes get a date, the files its version, the commit its tag (VERSION=0.2.0); publishes nothing
	$(PYTHON) -m tests.release $(VERSION)

simulate: ## schedules of several runs on a model of the server (SEEDS=200, FROM=0; TELL=1: each step by step into .simulation-found)
	$(PYTHON) -m tests.simulation.run --seeds $(SEEDS) --first $(FROM) $(if $(TELL),--tell)

test: ## the tests
	$(PYTHON) -m pytest -n 3

test-long: ## what `test` shows by one case or in one place, in all the others (part of `proof`)
	$(PYTHON) -m pytest -m "long and not proof" -n 3

type: ## mypy and pyright, both strict
	$(PYTHON) -m mypy
	$(PYTHON) -m pyright --pythonpath "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
