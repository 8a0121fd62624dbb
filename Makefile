# Two commands: `make demo` shows the product at work, `make test` checks everything. Both install what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# As many processes as there are cores, each with whole files of tests, in the order that tests/conftest.py gives them.
BESIDE := -n logical --no-loadscope-reorder
SYSTEM_CHROMIUM := command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null

# $(call install,EXTRA): the virtual environment with that extra; does nothing where it is there and up to date.
define install
	@$(BIN)/python -c "" 2>/dev/null || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }
	@test $(VENV)/.installed-$(1) -nt pyproject.toml || { \
	  echo "installing or_magic[$(1)] into $(VENV) ..." && \
	  { $(BIN)/python -m pip install -q --disable-pip-version-check uv && \
	    $(BIN)/uv pip install -q --python $(BIN)/python -e ".[$(1)]" || \
	    $(BIN)/python -m pip install -q --disable-pip-version-check -e ".[$(1)]"; } && \
	  touch $(VENV)/.installed-$(1); }
endef

.PHONY: help demo lab test lint types tests notebooks chromium postgres soak bench trace pictures clean

help:
	@echo "make demo      run notebooks/01_first_cell.ipynb and watch the answer stream in (no key needed)"
	@echo "make lab       JupyterLab on the notebooks (with the sandbox where there is no key)"
	@echo "make test      lint, types, tests, browser, notebooks"
	@echo "make soak      the long tests    make bench   the benchmarks    make pictures   docs/pictures"
	@echo "make trace     the way of a cell through the sources"

demo:
	$(call install,lab)
	@$(BIN)/or-magic demo --out build/demo notebooks/01_first_cell.ipynb

lab:
	$(call install,lab)
	@$(BIN)/or-magic lab notebooks

test:
	$(call install,test)
	@$(MAKE) --no-print-directory lint types chromium postgres tests notebooks

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

chromium:
	@$(SYSTEM_CHROMIUM) || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing chromium ..." && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	  else $(BIN)/playwright install chromium; fi || \
	  echo "no Chromium could be installed: the browser tests will be skipped"; }

postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing postgresql ..." && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends postgresql >/dev/null; \
	  else false; fi || \
	  echo "no PostgreSQL could be installed: the ledger's tests on it will be skipped"; }

tests:
	$(BIN)/python -m pytest -q $(BESIDE)

notebooks:
	$(BIN)/python -m pytest -q $(BESIDE) --dist loadfile -p tests.rehearsal --nbval --nbval-sanitize-with tests/nbval_sanitize.cfg notebooks

soak:
	$(call install,test)
	@$(MAKE) --no-print-directory chromium
	$(BIN)/python -m pytest -q -s -m soak --timeout 3600

bench:
	$(call install,test)
	@$(MAKE) --no-print-directory chromium
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m pytest -q -s -m bench tests/browser

trace:
	$(call install,test)
	@$(BIN)/python -m tests.trace_cell

pictures:
	$(call install,test)
	@$(MAKE) --no-print-directory chromium
	$(BIN)/python -m pytest -q -m pictures tests/browser

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
