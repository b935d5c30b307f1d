# make demo    the whole loop on a built-in world, with a report (ARGS="--quick" for a minute's version)
# make test    every test (ARGS="-k store" for some of them)
# make check   ruff, mypy and the floors of the house
#
# Each first sets up .venv with the versions of constraints.txt. PYTHON=/path/to/python3.12 picks another Python.

PYTHON ?=
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check

demo: $(READY)
	$(BIN)/surefoot demo $(ARGS)

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

check: $(READY)
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

# torch comes first and by its exact version: left to choose, pip may pick a build of several gigabytes.
$(READY): pyproject.toml constraints.txt
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  found=; chosen=; \
	  for candidate in $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python); do \
	    version=$$("$$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	    found="$$found $$candidate=$$version"; \
	    "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue; \
	    chosen=$$candidate; break; \
	  done; \
	  if [ -z "$$chosen" ]; then \
	    echo "error: Surefoot needs Python 3.11 or newer, found$${found:- none}; install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
	    exit 1; \
	  fi; \
	  if ! "$$chosen" -c 'import venv, ensurepip' 2>/dev/null || ! "$$chosen" -m venv --clear .venv; then \
	    rm -rf .venv; \
	    echo "error: $$chosen cannot make a virtual environment; install its venv module (Debian and Ubuntu: apt install python3-venv), or name another Python: make PYTHON=/path/to/python3.11" >&2; \
	    exit 1; \
	  fi; \
	fi
	$(BIN)/python -m pip install --quiet -c constraints.txt "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@
