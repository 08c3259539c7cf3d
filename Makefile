# make demo | make test | make test-all: each sets up what it needs by itself, in .venv
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all check speed clean

demo: $(VENV)/.installed
	$(BIN)/zoo demo

test: $(VENV)/.ready
	@echo "Testing on all cores: five minutes on two of them; pytest counts the percent."
	$(BIN)/pytest -n auto --dist loadfile -m "not slow"

test-all: $(VENV)/.ready
	$(BIN)/pytest -n auto --dist loadfile

check: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

speed: $(VENV)/.ready
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/loading.py
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/parallel.py
	$(BIN)/python benchmarks/streaming.py
	$(BIN)/python benchmarks/encoding.py
	$(BIN)/python benchmarks/hub.py
	$(BIN)/python benchmarks/exports.py
	$(BIN)/python benchmarks/full_size.py

# What zoo needs to run.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@echo "Installing torch and the rest into $(VENV). On Linux that is some 5 GB with CUDA: several minutes."
	@echo "For a processor alone, install torch and torchvision there first: see README.md."
	$(BIN)/python -m pip install --editable .
	touch $@

# And what its tests need: Ray, a browser's driver, trackers, linters.
$(VENV)/.ready: $(VENV)/.installed
	@echo "Installing what the tests need into $(VENV), Ray and all extras among it: some minutes."
	$(BIN)/python -m pip install --group dev
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache
