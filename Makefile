# Two commands do everything: `make demo` (install, then run the main job) and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install dev constraints demo test test-all lint dist check docs bench clean \
  trust fuzz mutants coverage audit bandit site-check
.DEFAULT_GOAL := help

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]'
	@touch $@

.venv/developing: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

.venv/looking: .venv/developing
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[site]'
	@touch $@

.venv/trusted: .venv/developing
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[trust]'
	@touch $@

install: .venv/installed  ## create .venv and install infomax into it, with all extras

dev: .venv/developing  ## install what developing needs, too

constraints: dev  ## write the installed versions to constraints.txt
	$(BIN)/pip install --quiet --editable '.[dev,bench]'
	(sed '/^[^#]/d' constraints.txt; \
	  $(BIN)/pip freeze --exclude-editable | sed 's/+[^+]*$$//') > constraints.new
	mv constraints.new constraints.txt

demo: install  ## learn from the built-in digits, probe, write a report (about 3 minutes)
	$(BIN)/infomax demo

WORKERS ?= 2
COVERAGE ?=
test: dev  ## the test suite, in WORKERS processes of one thread each
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal $(COVERAGE)

test-all: dev  ## the test suite with its slow tests; those of several hosts need root, on Linux
	$(BIN)/pytest -m '' -rs  # says which were skipped, and why

lint: dev  ## ruff, pyright, a docs build without warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

dist: dev  ## source archive and wheel, checked; the wheel runs outside of the repository
	rm -rf dist
	$(BIN)/python -m build --outdir dist . > /dev/null
	$(BIN)/twine check --strict dist/*
	$(BIN)/pip install --quiet --no-deps --target dist/installed dist/*.whl
	cd dist && PYTHONPATH=installed ../$(BIN)/python -m infomax.cli principle two-terms --out page > /dev/null
	cd dist && PYTHONPATH=installed ../$(BIN)/python -c \
	  "import infomax; assert 'installed' in infomax.__file__; print('infomax', infomax.__version__, 'from its wheel')"

check: lint dist test  ## all of lint, the wheel, and the tests, README examples among them

docs: dev  ## build the documentation into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

site-check: .venv/looking docs  ## look at every page in Chromium: widths, shades, contrast, no request to a network
	$(BIN)/python docs/site_check.py docs/_build/html

trust: .venv/trusted bandit  ## the tests of trust with the slow ones, and what they counted (long)
	bash -o pipefail -c "$(BIN)/pytest tests/trust -m '' 2>&1 | tee trust.log"
	@grep -h '^count:' trust.log | sort

FUZZ_SECONDS ?= 60
fuzz: .venv/developing  ## fuzz the parsers with atheris, each for FUZZ_SECONDS
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[fuzz]'
	for name in $$($(BIN)/python tests/trust/fuzz/parsers.py --names); do \
	  $(BIN)/python tests/trust/fuzz/parsers.py $$name -max_total_time=$(FUZZ_SECONDS) || exit 1; done

MUTANTS ?= infomax.information*
mutants: .venv/trusted  ## change MUTANTS one at a time and see whether a test fails (hours)
	$(BIN)/mutmut run --max-children 1 '$(MUTANTS)'
	$(BIN)/mutmut results
	$(BIN)/mutmut export-cicd-stats && cat mutants/mutmut-cicd-stats.json

coverage: COVERAGE := --cov --cov-report=term
coverage: test  ## the test suite, and the lines and branches that it reaches: 95 % at least

audit: .venv/trusted  ## known vulnerabilities of the installed versions; needs the network
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

bandit: .venv/trusted  ## risky calls in the source; each exception has its reason beside it
	$(BIN)/bandit -q -c pyproject.toml -r src

BENCHMARKS := information estimation_speed estimation_accuracy estimation_coverage estimation_neural \
  estimation_ties conditional_tests principle linsker decoding digits objective training_step input_path start_up growth

bench: dev  ## the benchmarks that need no data but their own (long)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py || exit 1; done

clean:  ## remove what was built
	rm -rf docs/_build docs/gallery .pytest_cache .ruff_cache .hypothesis dist
