# Needs python3 (3.11 or newer), make, gcc and git; makes .venv by itself.
.PHONY: demo test chaos check bench format clean

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

demo: $(INSTALLED)
	$(BIN)/rewebb demo $(if $(MODES),--modes $(MODES))

test: $(INSTALLED)
	$(BIN)/pytest -n 2 --no-loadscope-reorder $(if $(SLOW),,-m "not slow")

chaos: $(INSTALLED)
	$(BIN)/pytest -q tests/contract/test_random_kills.py tests/system/test_killed_programs.py --seeds $(or $(SEEDS),20)

bench: $(INSTALLED)
	$(BIN)/python tests/benchmarks/chain.py
	$(BIN)/python tests/benchmarks/pins.py
	$(BIN)/python tests/benchmarks/repeated_steps.py
	$(BIN)/python tests/benchmarks/associations.py --official
	$(BIN)/python tests/benchmarks/download.py
	$(BIN)/python tests/benchmarks/overhead.py
	$(BIN)/python tests/benchmarks/worker_memory.py
	$(BIN)/python tests/benchmarks/scale.py
	$(BIN)/python tests/benchmarks/provenance.py
	$(BIN)/python tests/benchmarks/web.py
	$(BIN)/python tests/benchmarks/nothing_to_do.py
	$(BIN)/python tests/benchmarks/year.py

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv rewebb-sample rewebb-data

# The lock is complete, so pip needs to resolve nothing.
$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
