# Everything runs in a virtual environment that is made on first use.
# Settings: PYTHON (3.11 or newer), VENV, ARGS, WORKERS (processes that run tests beside the first: 0, or as many as cores).
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 0
ARGS ?=
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test pythons parity check docs audit sbom format constraints clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed  ## run the closed loop on the built-in shop; for a smoke-size run, ARGS=--quick
	$(BIN)/copybandit loop $(ARGS)

test: $(VENV)/.installed-dev  ## run the tests; without the slow ones, ARGS="-m 'not slow'"
	@# A file's tests stay together, for the fixtures they share; the files of the longest jobs, first by name, begin.
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Its own pins shut out this stack, and none of them is needed: it goes into an environment on top of ours, without them.
parity: $(VENV)/.installed-dev  ## hold the off-policy estimators against the Open Bandit Pipeline's
	$(PYTHON) -m venv --clear $(VENV)-parity
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> $$(echo $(VENV)-parity/lib/python*/site-packages)/ours.pth
	$(VENV)-parity/bin/pip install --no-deps --ignore-requires-python obp==0.5.7 pyieoe==0.1.1 seaborn==0.13.2
	$(VENV)-parity/bin/python -m pytest tests/experiments/test_parity.py

check: $(VENV)/.installed-dev  ## lint, formatting, types, import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

docs: $(VENV)/.installed  ## build the pages into site/
	$(BIN)/pip install -q -c constraints.txt -e '.[docs]'
	$(BIN)/mkdocs build --strict

pythons:  ## run the tests but the slow ones with each of Python 3.11 to 3.13 that is here
	@for version in 3.11 3.12 3.13; do \
		if python$$version -c '' 2> /dev/null; then \
			$(MAKE) test PYTHON=python$$version VENV=$(VENV)-$$version ARGS="-m 'not slow' $(ARGS)" || exit 1; \
		else echo "python$$version: not here"; fi; \
	done

audit:  ## look up known weaknesses of what constraints.txt pins (pip-audit; needs a network)
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/pip install -q 'pip-audit>=2.7'
	$(VENV)-audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

sbom: $(VENV)/.installed  ## write what is installed as a bill of materials (CycloneDX) into build/sbom.json
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/pip install -q 'cyclonedx-bom>=4'
	mkdir -p build
	$(VENV)-audit/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml -o build/sbom.json

format: $(VENV)/.installed-dev  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints:  ## pin anew, in constraints.txt, what a fresh install takes
	$(PYTHON) -m venv --clear $(VENV)-pins
	$(VENV)-pins/bin/pip install '.[dev]' torch==2.13.0
	$(VENV)-pins/bin/pip list --format=freeze --exclude copybandit --exclude pip > $(VENV)-pins/all.txt
	@# What CUDA builds of torch bring along, and the build's own suffix, belong to one kind of machine.
	sed -e '/^nvidia-/d;/^triton=/d;/^cuda-/d' -e 's/+[a-z0-9.]*$$//' $(VENV)-pins/all.txt > constraints.txt
	rm -r $(VENV)-pins

clean:  ## remove the virtual environment, build products and caches; runs stay
	rm -rf $(VENV) $(VENV)-parity $(VENV)-audit $(VENV)-3.1? build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Copybandit needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -c constraints.txt -e '.[dev]'
	@touch $@
