"""What is in the image, and what is not: by Docker's word, and by a look inside."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from serve import __version__
from tests.image.containers import ROOT, Image, listed_packages, packages_under_the_gpl, pins

pytestmark = pytest.mark.timeout(1200)  # the first test builds the image

DOCKERFILE = (ROOT / "Dockerfile").read_text()


# The recipe.


def test_the_dockerfile_has_no_lint() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None, "make test-image installs it: container/tools.txt"
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_is_understood_by_every_builder() -> None:
    assert "syntax=" not in DOCKERFILE
    assert not re.search(r"^RUN.*(<<|--mount|--network|--security)", DOCKERFILE, re.MULTILINE)
    assert not re.search(r"^(COPY|ADD) .*(<<|--link|--chmod|--parents)", DOCKERFILE, re.MULTILINE)


def test_the_image_gets_the_versions_that_are_tested() -> None:
    locked, tested = pins(ROOT / "container" / "preview.txt"), pins(ROOT / "requirements" / "dev.txt")
    assert locked.items() <= tested.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {canonicalize_name(re.split(r"[<>=\[]", wish)[0]) for wish in project["dependencies"]} <= locked.keys()


# By Docker's word.


def test_it_starts_as_sagemaker_wants(image: Image) -> None:
    assert image.config["Entrypoint"] == ["gen3d"]  # the list form: no shell stands between it and SIGTERM
    assert image.config["User"] == ""
    assert list(image.config["ExposedPorts"]) == ["8080/tcp"]
    assert image.config["Labels"]["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"


def test_its_labels_say_what_it_is_and_is_made_of(image: Image) -> None:
    described = {
        name.removeprefix("org.opencontainers.image."): value for name, value in image.config["Labels"].items()
    }
    assert described["title"] == "Gen3D preview"
    assert described["version"] == __version__
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", described["revision"])
    assert described["base.name"].endswith("python:3.11-slim-bookworm")


def test_it_is_small(image: Image) -> None:
    assert image.report["megabytes"] <= 700, image.report


def test_dependencies_lie_below_the_code(image: Image) -> None:
    code, lock, dependencies = [layer for layer in image.layers if layer["CreatedBy"].startswith("COPY")]
    assert lock["CreatedBy"].startswith("COPY container/preview.txt ")
    assert code["CreatedBy"].startswith("COPY /code ")
    assert code["Size"] < 5e6 < dependencies["Size"]


def test_its_history_and_environment_hold_no_secret(image: Image) -> None:
    added = [layer["CreatedBy"] for layer in image.layers if layer["CreatedBy"]]
    own = added[: next(place for place, command in enumerate(added) if command.startswith("COPY /opt/gen3d")) + 1]
    assert not [command for command in own if re.search(r"token|secret|password|_key|://", command, re.IGNORECASE)]
    commands = [command for command in own if command.startswith("ENV")]
    assert [re.findall(r"(\w+)=", command) for command in commands] == [["PATH", "GEN3D_HOST"]]


# By a look inside.


def test_it_holds_our_packages_as_they_are_here_and_nothing_else_of_ours(image: Image) -> None:
    packages = ("gen3d", "model_loader", "selftest", "serve")
    look = (
        "import hashlib, json, pathlib, site; root = pathlib.Path(site.getsitepackages()[0]);"
        f" print(json.dumps({{str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()"
        f" for package in {packages} for path in (root / package).rglob('*')"
        " if path.is_file() and path.suffix != '.pyc'}))"
    )
    there = json.loads(image.run("python", "-c", look))
    files = [path for package in packages for path in (ROOT / package).rglob("*") if path.suffix in {".py", ".json"}]
    assert there == {str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_no_package_in_it_is_under_the_gpl(image: Image) -> None:
    assert not packages_under_the_gpl(image)


@pytest.mark.parametrize("tool", ["cc", "gcc", "g++", "c++", "clang", "ld", "as", "strip", "make", "uv", "git"])
def test_no_compiler_is_in_it(image: Image, tool: str) -> None:
    found = image.run("python", "-c", f"import shutil; print(shutil.which({tool!r}))")
    assert found.strip() == "None"


def test_no_leftover_of_the_build_is_in_it(image: Image) -> None:
    leftovers = ["/preview.txt", "/build.txt", "/sbom.txt", "/source", "/code", "/opt/sbom", "/root/.cache"]
    look = f"import os; print([path for path in {leftovers} if os.path.exists(path)])"
    assert image.run("python", "-c", look).strip() == "[]"
    found = image.run("find", "/opt/gen3d", "-name", "tests", "-o", "-name", "pip", "-o", "-name", "__editable__*")
    assert found == ""


def test_no_start_has_to_compile_bytecode(image: Image) -> None:
    # What a read-only root could not keep.
    look = (
        "import importlib.util, pathlib, site;"
        " modules = pathlib.Path(site.getsitepackages()[0]).rglob('*.py');"
        " print([str(module) for module in modules"
        " if not pathlib.Path(importlib.util.cache_from_source(str(module))).exists()][:5])"
    )
    assert image.run("python", "-c", look).strip() == "[]"


def test_the_bill_of_materials_lists_what_is_installed(image: Image) -> None:
    assert image.packages() == listed_packages("preview")
    assert image.packages() == {**pins(ROOT / "container" / "preview.txt"), "gen3d": __version__}
