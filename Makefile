# make read [PHOTOS="my meter.jpg"]   readings of photos, in a slim environment; annotated pictures in out/annotated/
# make test                           every check and test, in the full environment (as root it installs Chromium from
#                                     the distribution for the web page's tests; without one they are skipped)
# make clean                          removes both environments
#
# Python 3.11 or newer, Debian or Ubuntu on x86-64. Another Python: make read PYTHON=/usr/bin/python3.12

SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.11 python3; do $$p -c '' 2>/dev/null && echo $$p && break; done)

# Dollar signs in file names stay what they are.
override PHOTOS := $(value PHOTOS)
export PHOTOS

# Some machines forbid Python to keep what it compiles: each of the tests' many processes compiles all of TensorFlow then.
unexport PYTHONDONTWRITEBYTECODE

# An environment's stamp has the hash of its requirements in its name: other requirements, another environment.
stamp = $(1)/.made-$(shell cat $(2) | sha256sum | cut -c1-16)
READ := $(call stamp,.venv-read,requirements-read.txt)
FULL := $(call stamp,.venv,requirements.txt requirements-dev.txt requirements-archive.txt requirements-jax.txt requirements-read.txt)

.PHONY: read test browser clean
.DEFAULT_GOAL := read

# PHOTOS is one file, folder or pattern when there is such a one, spaces and all; otherwise several, divided by spaces.
read: $(READ)
	@if [ -z "$$PHOTOS" ]; then set -- resources/samples; \
	elif [ -e "$$PHOTOS" ] || compgen -G "$$PHOTOS" >/dev/null; then set -- "$$PHOTOS"; \
	else set -f; set -- $$PHOTOS; fi; \
	.venv-read/bin/python recognize.py --annotate out/annotated -- "$$@" && echo "annotated pictures: out/annotated/"

test: $(FULL) browser
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	@# One process more than there are CPUs, at most 4: some tests wait for others' processes to end, up to a minute.
	.venv/bin/python -m pytest -n $$(($$(nproc) + 1)) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# A browser for the tests of the web page. A person's machine is left as it is: only root installs it here.
browser:
	@if [ -z "$$CHROMIUM" ] && ! command -v chromium chromium-browser >/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing chromium" && (apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
				apt-get install -y -qq --no-install-recommends chromium) >/dev/null 2>&1 \
				|| echo "chromium could not be installed: the web page's tests are skipped" >&2; \
		else echo "no chromium: the web page's tests are skipped; sudo apt-get install chromium" >&2; fi; fi

clean:
	rm -rf .venv .venv-read

$(READ):
	$(call environment,.venv-read,-r requirements-read.txt)

$(FULL):
	$(call environment,.venv,-r requirements.txt -r requirements-dev.txt -r requirements-archive.txt -r requirements-jax.txt)

define environment
@$(if $(PYTHON),,echo "no python3 found: sudo apt-get install python3 python3-venv" >&2; exit 1)
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "$(PYTHON) is older than 3.11: install a newer one, then make PYTHON=python3.11" >&2; exit 1; }
@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	|| { echo "$(PYTHON) has no venv module: sudo apt-get install python3-venv" >&2; exit 1; }
@echo "making $(1)" && $(PYTHON) -m venv --clear $(1)
@# Python compiles what is imported, when it is: pip would compile all of it, most of which nobody imports.
@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile $(2)
@touch $@
endef
