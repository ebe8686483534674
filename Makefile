# `make demo` runs the main job, `make test` the tests; both need Python 3.11 or newer, git and make, nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command 'make lock'
SCAN := out/scan
RIVALS := out/rivals
AWSCLI := out/awscli
DIAGRAMS := out/diagrams
# npm writes it last; infra/page.py, which builds the page, looks at it in the same way.
WEB := web/node_modules/.package-lock.json
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web
# As web/package.json has it: ^20.19.0 || >=22.12.0
IS_NODE_NEW := const [a, b] = process.versions.node.split("."); process.exit((a == 20 && b >= 19) || (a == 22 && b >= 12) || a > 22 ? 0 : 1)
SAM3D_BIN := .venv-sam3d/bin
SAM3D_PIP := $(SAM3D_BIN)/python -m pip install --quiet --disable-pip-version-check
# The folder that Meta's package sam3d_objects lies in; empty for the copy that the package sam3d carries.
SAM3D_SOURCE ?=
PHOTOS := out/photos
DEMO := out/demo

.PHONY: help setup setup-sam3d demo test test-deploy test-documents test-benchmarks test-sam3d test-image test-image-sam3d lint scan awscli diagrams docs format schema benchmarks screens renders benchmarks-sam3d benchmarks-mesh lock clean
.DEFAULT_GOAL := help

help: ## Say what can be made.
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: .venv/ready ## Make .venv with the command gen3d in it (and Node, where the system has none).

.venv/ready: requirements/dev.txt requirements/node.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gen3D needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements/dev.txt
	command -v npm >/dev/null && node -e '$(IS_NODE_NEW)' || $(PIP) --require-hashes -r requirements/node.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

setup-sam3d: .venv-sam3d/ready ## Make .venv-sam3d, with what the engine sam3d needs: 2 GB, 6 with PyTorch for CUDA.
	@# The source is found anew every time, because SAM3D_SOURCE may have changed.
	$(SAM3D_BIN)/python -c 'import sys, sysconfig; from importlib.util import find_spec; from pathlib import Path; \
		source = Path(sys.argv[1] or Path(find_spec("sam3d").origin).parent / "third_party" / "meta").resolve(); \
		(source / "sam3d_objects").is_dir() or sys.exit(f"SAM3D_SOURCE: there is no folder sam3d_objects in {source}"); \
		Path(sysconfig.get_path("purelib"), "sam3d_objects.pth").write_text(f"{source}\n")' '$(SAM3D_SOURCE)'

.venv-sam3d/ready: requirements/sam3d.txt requirements/sam3d-upstream.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "spconv has wheels for Python 3.11 to 3.13 alone: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv-sam3d
	$(SAM3D_PIP) --require-hashes -r requirements/sam3d.txt
	@# Whichever build of this version the package index has, for CUDA or the CPU; each has hashes of its own.
	$(SAM3D_PIP) torch==2.13.0
	$(SAM3D_PIP) --require-hashes --no-deps -r requirements/sam3d-upstream.txt
	$(SAM3D_PIP) --no-deps --no-build-isolation --editable .
	touch $@

demo: setup $(PHOTOS)/coffee.jpg ## Make 3D meshes of the things in four photographs, and say what to open.
	$(BIN)/gen3d reconstruct $(PHOTOS)/coffee.jpg -o $(DEMO)/coffee --format glb --format usdz \
		--box 75,12,484,394 --label "cup and saucer" --box 170,12,410,240 --label cup --box 325,232,408,330 --label "bowl of the spoon"
	$(BIN)/gen3d reconstruct $(PHOTOS)/astronaut.jpg -o $(DEMO)/astronaut \
		--box 150,12,304,172 --label portrait --box 355,0,460,285 --label shuttle --box 285,345,495,512 --label helmet
	$(BIN)/gen3d reconstruct $(PHOTOS)/chelsea.jpg -o $(DEMO)/chelsea \
		--box 0,0,400,300 --label cat --box 130,80,212,152 --label eye
	$(BIN)/gen3d reconstruct $(PHOTOS)/rocket.jpg -o $(DEMO)/rocket --box 303,122,342,410 --label rocket
	@echo
	@echo 'Look at the pictures first:'
	@ls $(DEMO)/*/masks.png $(DEMO)/*/preview.png
	@echo 'Then turn the meshes around, in any glTF viewer (Blender: File > Import > glTF 2.0; Windows: 3D Viewer):'
	@ls $(DEMO)/*/scene.glb
	@echo 'On macOS and iOS the Finder and Files show USDZ by themselves:'
	@ls $(DEMO)/*/*.usdz

$(PHOTOS)/coffee.jpg: demo/photos.py | setup
	$(BIN)/python -W error demo/photos.py $(PHOTOS)

$(WEB): web/package-lock.json | setup
	$(NPM) ci --no-audit --no-fund

# Tests that have a target of their own, for together they take too long to wait for.
APART := tests/image tests/benchmarks tests/docs tests/notebooks tests/infra/deploy tests/infra/destroy

test: setup $(WEB) ## Run the tests; those of the page need Chromium.
	$(NPM) run --silent test
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto $(addprefix --ignore ,$(APART))

test-deploy: setup $(WEB) $(AWSCLI)/ready ## Deploy and destroy whole stages in a local cloud, by gen3d and by the AWS CLI.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto tests/infra/deploy tests/infra/destroy

test-documents: setup $(WEB) $(AWSCLI)/ready ## Run what the documents and the notebook tell their readers to run.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto tests/docs tests/notebooks

test-benchmarks: setup $(WEB) ## Try the programs that measure, on little.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n auto tests/benchmarks

test-sam3d: setup-sam3d ## Run the tests of the engine sam3d: the genuine network with small random weights, on the CPU.
	OMP_NUM_THREADS=1 PATH="$(CURDIR)/$(SAM3D_BIN):$$PATH" $(SAM3D_BIN)/python -m pytest -n 2 tests/sam3d

test-image: setup ## Build the image gen3d:preview and run it, with a Docker engine of its own where none answers (Debian, as root).
	$(PIP) --require-hashes -r container/tools.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" container/engine.sh $(BIN)/python -m pytest tests/image --ignore tests/image/test_sam3d.py

test-image-sam3d: setup setup-sam3d ## Build the image gen3d:sam3d, 5 GB, and run it on the CPU, with an engine on this machine, as above.
	SAM3D_SOURCE="$$(cat .venv-sam3d/lib/python3*/site-packages/sam3d_objects.pth)" PATH="$(CURDIR)/$(BIN):$$PATH" \
		container/engine.sh $(BIN)/python -m pytest tests/image/test_sam3d.py

lint: setup $(WEB) ## Check style and types.
	$(NPM) run --silent check
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

scan: $(SCAN)/ready ## Look for what is unsafe in the CloudFormation templates.
	$(SCAN)/bin/checkov --directory infra --framework cloudformation --compact --quiet --skip-download

# Apart, for it pins older versions of what the others have.
$(SCAN)/ready: requirements/scan.txt
	$(PYTHON) -m venv $(SCAN)
	$(SCAN)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/scan.txt
	touch $@

awscli: $(AWSCLI)/ready ## Install the AWS CLI, with which a test runs what `gen3d deploy --print-aws-cli` prints.

# Apart, for it pins another botocore.
$(AWSCLI)/ready: requirements/awscli.txt
	$(PYTHON) -m venv $(AWSCLI)
	$(AWSCLI)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/awscli.txt
	touch $@

format: setup $(WEB) ## Lay the code out as the style checks want it.
	$(NPM) run --silent format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: setup ## Write anew what is generated in the documents, from code and templates.
	$(BIN)/python -m docs.source.generate

schema: setup ## Write serve/contract.schema.json anew from serve/contract.py.
	$(BIN)/python -c 'from serve.contract import json_schema; print(json_schema(), end="")' > serve/contract.schema.json

benchmarks: setup ## Measure, for docs/measured.md.
	$(BIN)/python -m benchmarks.preview
	$(BIN)/python -m benchmarks.serving
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks.page

screens: setup $(WEB) $(PHOTOS)/coffee.jpg ## Photograph the page's main states with Chromium, for the User Guide and into out/screens.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.web.screens out/screens docs/images

benchmarks-sam3d: setup-sam3d ## Measure the engine sam3d on the CPU; benchmarks/gpu.py is for a machine with a GPU.
	OMP_NUM_THREADS=1 $(SAM3D_BIN)/python -m benchmarks.multi_box

renders: setup $(WEB) ## Draw the meshes of docs/meshes.md before and after, with Chromium: some minutes.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks.mesh_renders docs/images

diagrams: setup $(DIAGRAMS)/ready ## Draw the diagrams of the documents anew, with AWS's icons, into docs/images.
	$(BIN)/python -m docs.source.diagrams.draw $(DIAGRAMS)/lib/python3*/site-packages/resources docs/images

# Apart, for only the icons of the package are wanted.
$(DIAGRAMS)/ready: requirements/diagrams.txt
	$(PYTHON) -m venv $(DIAGRAMS)
	$(DIAGRAMS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/diagrams.txt
	touch $@

benchmarks-mesh: $(RIVALS)/ready ## Measure the finishing of meshes against other ways to do it: 15 minutes, 1.7 GB of packages.
	$(RIVALS)/bin/python -m benchmarks.mesh_finish

# Apart, for nothing else needs what the rivals are made of.
$(RIVALS)/ready: requirements/rivals.txt pyproject.toml
	$(PYTHON) -m venv $(RIVALS)
	$(RIVALS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/rivals.txt
	touch $@

lock: setup ## Choose the newest versions anew and write the requirements.
	$(PIP) uv
	$(COMPILE) --extra demo --extra dense --extra dev --extra infra pyproject.toml --output-file requirements/dev.txt
	for name in awscli diagrams node scan; do $(COMPILE) requirements/$$name.in --output-file requirements/$$name.txt || exit 1; done
	$(COMPILE) --constraint requirements/dev.txt --extra demo --extra dense --extra dev --extra infra pyproject.toml requirements/sam3d.in \
		--output-file requirements/sam3d.txt
	$(COMPILE) --constraint requirements/dev.txt --extra demo --extra dense pyproject.toml requirements/rivals.in \
		--output-file requirements/rivals.txt
	$(COMPILE) --constraint requirements/dev.txt pyproject.toml --output-file container/preview.txt
	@# Without what torch asks for and this road never uses: compiling kernels in Python, driving CUDA from Python.
	$(COMPILE) --constraint container/preview.txt --extra dense pyproject.toml container/sam3d.in --output-file container/sam3d.txt \
		$(foreach name,cuda-bindings cuda-pathfinder setuptools triton,--no-emit-package $(name))
	for name in build sbom tools; do $(COMPILE) container/$$name.in --output-file container/$$name.txt || exit 1; done
	for name in requirements container; do \
		$(COMPILE) --no-deps $$name/sam3d-upstream.in --output-file $$name/sam3d-upstream.txt || exit 1; done

clean: ## Remove what was installed and made here.
	rm -rf .venv .venv-sam3d out tests/js/node_modules web/node_modules web/dist build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
