# The commands of this project. `make` alone lists them.

SHELL       := /bin/bash
VENV        := .venv
PYTHON      ?=
WORKERS     ?= auto
PYTEST_ARGS ?=

py  := $(VENV)/bin/python
pip := $(py) -m pip --disable-pip-version-check -qq install

# Users on Debian do not have the sbin directories on their PATH, and nft, iptables and ip live there.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup demo test lab lint types bench growth conformance matrix check clean FORCE

help:  ## List these commands.
	@sed -nE 's/^([a-z]+):.*## (.*)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done

setup: $(VENV)/.setup  ## Make .venv with the command line in it.
	@echo "Ready: $(VENV)/bin/cnisdk"

demo: $(VENV)/.setup  ## Attach two containers to a bridge and clean up again, in a sandbox.
	@$(py) testing/demo/run.py

test: $(VENV)/.group-typing  ## Run all tests (WORKERS=0: one after the other; PYTEST_ARGS="-k name").
	@testing/system-packages.sh
	$(py) -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

lab: export COMMAND = $(or $(CMD),$(py) -m pytest -m lab -p no:cacheprovider --timeout 900 \
	--junit-xml=build/lab/report.xml testing/tests/lab $(PYTEST_ARGS))
lab: $(VENV)/.group-typing  ## Run the lab tests on a second kernel, in qemu (as root; CMD="..." runs a command there).
	@testing/lab/run sh -c "$$COMMAND"

lint: $(VENV)/.group-lint  ## Check style, spelling and the layers.
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/codespell
	$(VENV)/bin/lint-imports

types: $(VENV)/.group-typing  ## Check types with mypy and pyright.
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright --warnings
	@# This one finds its interpreter by the PATH alone.
	PATH=$(CURDIR)/$(VENV)/bin:$$PATH pyright --ignoreexternal --verifytypes cnisdk

bench: $(VENV)/.setup  ## Measure latencies, next to the Go plugins where they are installed.
	@$(py) testing/bench/run.py

growth: $(VENV)/.setup  ## Measure host-local in pools of up to 60,000 reservations; takes minutes.
	@$(py) testing/bench/host_local_growth.py

conformance: $(VENV)/.setup  ## Run the conformance suite on our plugins, with all versions and reports in build/.
	@mkdir -p build/bin && $(VENV)/bin/cnisdk install reference --bin-dir build/bin >/dev/null
	@for plugin in build/bin/*; do \
		$(VENV)/bin/cni-conformance run $$plugin --level field --report html=build/$$(basename $$plugin).html \
			|| failed=1; \
	done; exit $${failed:-0}

matrix: $(VENV)/.group-typing  ## Run the whole conformance suite on each broken double; takes an hour.
	MATRIX=full $(py) -m pytest -n $(WORKERS) testing/tests/conformance/test_doubles.py $(PYTEST_ARGS)

check: test lint types  ## All of test, lint and types.

clean:  ## Remove .venv, caches and build results.
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp holds the directory it was made in: an environment does not survive a move or a copy.
ifneq ($(and $(wildcard $(py)),$(file <$(VENV)/.setup)),$(CURDIR))
$(VENV)/.setup: FORCE
endif

$(VENV)/.setup: pyproject.toml
	@$(make-venv)
	@echo "Installing cnisdk into $(VENV) ..."
	@$(pip) --upgrade 'pip>=25.1'  # older ones do not know dependency groups
	@$(pip) --editable '.[conformance,testing]'
	@# The suite's sandboxes keep no files: what is not compiled now, each plugin call in them would compile anew.
	@$(py) -m compileall -q cnisdk reference_plugins testing/cni_conformance
	@printf '%s' '$(CURDIR)' >$@

$(VENV)/.group-%: $(VENV)/.setup
	@echo "Installing the tools for '$*' ..."
	@$(pip) --group $*
	@touch $@

# Takes the first Python that is new enough; asking it is the only test that also sees through shims.
define make-venv
set -eu; \
if [ "$$(cat $(VENV)/.setup 2>/dev/null)" = '$(CURDIR)' ] && $(py) -c '' 2>/dev/null; then exit 0; fi; \
for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		testing/system-packages.sh python3-venv; \
		"$$python" -c 'import ensurepip, venv' 2>/dev/null || { without_venv=$$python; continue; }; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version) ..."; \
	exec "$$python" -m venv --clear $(VENV); \
done; \
if [ -n "$${without_venv:-}" ]; then \
	echo "$$without_venv cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
else \
	echo "No Python 3.11 or newer was found on the PATH. Install one, or name it: make setup PYTHON=/path/to/python3" >&2; \
fi; \
exit 1
endef
