# `make demo` runs the main job, `make test` the tests; both need Python 3.11 or newer, git and make, nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/ready

.PHONY: help setup demo test lint schema lock clean

help: ## Say what can be made.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## Make .venv with the command gen3d in it.

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gen3D needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

schema: $(READY) ## Write serve/contract.schema.json anew from serve/contract.py.
	$(BIN)/python -c 'from serve.contract import json_schema; print(json_schema(), end="")' > serve/contract.schema.json

lock: $(READY) ## Choose the newest versions anew and write requirements/dev.txt.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command 'make lock' --extra demo --extra dev pyproject.toml --output-file requirements/dev.txt

clean: ## Remove what was installed and made here.
	rm -rf .venv out node_modules tests/js/node_modules build *.egg-info
