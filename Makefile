# make demo                          the subnet on this machine: chain, Hub, task server, two miners
# make demo CRAWL=CC-MAIN-2025-26    refine the first pages of a real Common Crawl file, verify, report
# make test                          the whole suite            make test-fast   everyday tests
# make docs                          the generated pages, and the site in site/
# make locks                         hashes of what a release needs, before it is tagged
# make test-dataset                  everyday tests of recipe, dataset and pipeline
# make test-fallback                 judging without the compiled core
# make test-nightly                  the suite with all that it takes samples of, for a release
# make check                         lint and types             make bench       beside DataTrove, see bench/

# Compiled modules are kept, whatever a container's image says: else each process of the tests compiles them again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WARC ?= $(wildcard ../shared/corpus/mix-00.warc.gz ../shared/corpus/en-00.warc.gz)
PYTEST := $(BIN)/python -m pytest -n 6 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-fast test-dataset test-fallback test-nightly check bench docs locks clean

demo: $(VENV)/installed
	$(BIN)/finest demo $(if $(CRAWL),--crawl $(CRAWL))

test: $(VENV)/tools
	$(PYTEST) tests

test-fast: $(VENV)/tools
	$(PYTEST) tests -m "not corpus and not slow"

test-dataset: $(VENV)/tools
	$(PYTEST) tests/recipe tests/dataset tests/pipeline -m "not corpus and not slow and not slurm"

test-fallback: $(VENV)/tools
	FINEST_NATIVE=0 $(PYTEST) tests/recipe -m "not corpus and not slow"

test-nightly: $(VENV)/tools
	NIGHTLY=1 $(PYTEST) tests

check: $(VENV)/tools
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy
	$(BIN)/mypy --strict --config-file= --cache-dir .mypy_cache/user tests/typing/api.py

bench: $(VENV)/tools
	$(BIN)/python -m bench --warc $(WARC)

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[devnet]"
	touch $@

$(VENV)/tools: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test,dev]"
	touch $@

docs: $(VENV)/tools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# One lock for each extra of validator/update/build.py, in the versions of the first; what builds the tree is in base.txt.
UV_LOCK = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.10 --no-header
locks: $(VENV)/tools
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	mkdir -p deploy/locks
	printf 'hatchling>=1.25\nsetuptools>=65\n' > deploy/locks/build.in
	$(UV_LOCK) pyproject.toml deploy/locks/build.in --output-file deploy/locks/base.txt
	for extra in subnet server wandb; do \
		$(UV_LOCK) pyproject.toml --extra $$extra --constraint deploy/locks/base.txt \
			--output-file deploy/locks/$$extra.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) demo-run bench-run
