# Two doors: `make demo` and `make test`. Both make their own environment in .venv, or use VENV=path.
PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?= -n auto
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install
SHIPPED := $(shell find gendata recipes hub -type f -not -name '*.pyc')
DEMO := demo/digits

.PHONY: help demo test check ship clean

help:
	@echo "make demo   install, condense the digits, compare with the baselines (some minutes)"
	@echo "make test   install what tests need and run them"
	@echo "make check  ruff, mypy, import-linter, recipes"
	@echo "make ship   NAME=digits RECIPE=digits/generative-demo: make an artifact that comes with gendata anew"
	@echo "make clean  remove what these made"

# The number of threads decides the last bits of what is made: with two it is the shipped `digits`.
demo: export OMP_NUM_THREADS ?= 2
demo: $(VENV)/.installed-demo
	$(BIN)/gendata recipe run digits/generative-demo --out $(DEMO)
	$(BIN)/gendata sample $(DEMO) --grid demo/grid.png --fresh --per-class 10
	$(BIN)/gendata evaluate $(DEMO) --protocol quick/v1 --write
	@echo
	@echo "The artifact is $(DEMO), its samples are demo/grid.png. Next:"
	@echo "    $(BIN)/gendata info $(DEMO)                          what it holds"
	@echo "    $(BIN)/gendata condense FOLDER --out runs/mine           your own folder of images, one folder per class"
	@echo "    README.md                                               load it in four lines"

test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q $(PYTEST_ARGS)

check: $(VENV)/.installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict gendata
	$(BIN)/lint-imports
	$(BIN)/gendata recipe validate

# An artifact that comes with gendata: recipe, evaluation, card, catalogue. Of data that are not embedded:
#   make ship NAME=fashion-mnist-78kb RECIPE=fashion-mnist/generative-78kb SHIP_ARGS="--data DIR"
ship: $(VENV)/.installed-test
	$(BIN)/python hub/ship.py $(NAME) $(RECIPE) $(SHIP_ARGS)

# The demo installs as a user would; tests and checks install the checkout in place. One environment may serve both:
# the later install replaces the earlier, so each forgets the other's stamp.
$(VENV)/.installed-demo: pyproject.toml $(SHIPPED) | $(BIN)/python
	$(PIP) .
	@rm -f $(VENV)/.installed-test $(VENV)/.installed-check
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[test]'
	@rm -f $(VENV)/.installed-demo
	@touch $@

$(VENV)/.installed-check: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@rm -f $(VENV)/.installed-demo
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf .venv demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
