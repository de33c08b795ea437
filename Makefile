# Every daily command. `make demo` and `make test` need nothing but Python >= 3.11 and a network.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup demo test lint check accept format bench sim chaos lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## make the virtual environment in .venv from the pinned versions

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(READY)  ## an hour of a believable AI company's traffic in a minute, with live invoices
	$(BIN)/winkel demo --once

test: $(READY)  ## all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(READY)  ## format, ruff, strict types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test  ## everything that must hold before a commit

format: $(READY)  ## write the code as ruff would
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

accept: $(READY)  ## accept what the golden stories print now; the diff is the change in what customers pay
	$(BIN)/python -m pytest tests/scenarios --accept

bench: $(READY)  ## every figure that the README quotes
	$(BIN)/python -m bench

sim: $(READY)  ## price a million random contracts twice, by Winkel and by a slow oracle; WINKEL_CONTRACTS=… for fewer
	PYTHONPATH=tests $(BIN)/python -m sim

ROWS ?= tests/chaos tests/api/test_poison.py tests/letters/test_poison.py
chaos: $(READY)  ## kill, freeze and fill everything in full size, hours; ROWS=tests/chaos/test_kill.py for a part; writes docs/reports/chaos.md
	WINKEL_CHAOS=full $(BIN)/python -m pytest $(ROWS); failed=$$?; \
		PYTHONPATH=tests $(BIN)/python -m chaos.report && exit $$failed

lock: $(READY)  ## pin the newest versions that pyproject.toml allows
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --upgrade \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate pyproject.toml -o requirements.lock

clean:  ## forget the environment and caches; data stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
