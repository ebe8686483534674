"""The README and the page on command and server are true: tables are complete, and examples run as printed."""

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
import httpx
import pytest
import trimesh

from serve.contract import Manifest
from serve.errors import KINDS
from serve.settings import Settings
from tests.conftest import lack

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SERVER = (ROOT / "docs" / "server.md").read_text()
MEASURED = (ROOT / "docs" / "measured.md").read_text()


def commands(document: str, word: str) -> list[str]:
    """The blocks of commands in which the word occurs."""
    return [block for block in re.findall(r"```sh\n(.*?)```", document, re.DOTALL) if word in block]


def settings_table() -> str:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default if field.default != () else ""
        rows.append(f"| `GEN3D_{name.upper()}` | {f'`{default}`' if default != '' else ''} | {field.description} |")
    return "\n".join(rows)


def errors_table() -> str:
    rows = ["| code | status | meaning |", "|---|---|---|"]
    return "\n".join(rows + [f"| `{code}` | {kind.status} | {kind.meaning} |" for code, kind in KINDS.items()])


@pytest.mark.parametrize("table", [settings_table, errors_table])
def test_its_tables_are_those_of_the_code(table: Callable[[], str]) -> None:
    assert table() in SERVER, f"put this into docs/server.md:\n{table()}"


def test_sagemaker_knows_the_machine_image_that_has_the_driver() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape: Any = model.shape_for("ProductionVariantInferenceAmiVersion")
    named = set(re.findall(r"`(al\w+-ami-sagemaker[\w-]+)`", SERVER))
    assert named
    assert named <= set(shape.enum)


def test_every_warning_is_named() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "serve").rglob("*.py"))
    codes = set(re.findall(r'Warned\(\s*code="(\w+)"', sources)) | set(re.findall(r'_warn\w*\(\s*"(\w+)"', sources))
    assert codes, "no warning found: has the way they are made changed?"
    assert all(f"`{code}`" in SERVER for code in codes), codes


def test_every_benchmark_is_in_the_page_of_what_was_measured_with_machine_and_date() -> None:
    programs = {path.name for path in (ROOT / "benchmarks").glob("*.py") if "def main(" in path.read_text()}
    assert programs
    for program in programs - {"mesh_renders.py"}:  # it draws
        assert f"`benchmarks/{program}`" in MEASURED, program
    assert re.search(r"20\d\d-\d\d-\d\d", MEASURED)
    assert "CPU" in MEASURED


def test_the_readme_repeats_no_figure_that_is_not_in_that_page() -> None:
    rows = re.findall(r"^\|(.*)\|$", README.partition("## Measured")[2].partition("\n## ")[0], re.MULTILINE)[2:]
    measured = set(re.findall(r"\d[\d.]*", MEASURED))
    assert rows
    spoken_of_otherwise = {"11.5", "5.1", "2"}  # 11.48; 5112; what SageMaker allows
    for row in rows:
        for figure in re.findall(r"\d[\d.]*", " ".join(row.split("|")[1:])):
            assert figure in spoken_of_otherwise | measured, (figure, row)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A stand-in for the checkout: the photographs of the demo, and the command where the examples have it."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "out").mkdir()
    (folder / "out" / "photos").symlink_to(photos)
    (folder / ".venv" / "bin").mkdir(parents=True)
    gen3d = shutil.which("gen3d", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert gen3d is not None, "the command is not installed: make setup"
    (folder / ".venv" / "bin" / "gen3d").symlink_to(gen3d)
    return folder


@contextmanager
def serving(folder: Path, command: str) -> Iterator[str]:
    """Runs the server as the page says, but on a port that is free."""
    environment = {**os.environ, "GEN3D_PORT": "0"}
    process = subprocess.Popen(
        command.split(), cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        address = re.search(r"http://([\d.]+:\d+)", process.stderr.readline())
        assert address is not None
        with httpx.Client(base_url=f"http://{address[1]}") as http:
            while http.get("/ping").json().get("error", {}).get("code") == "loading":
                time.sleep(0.05)
            assert http.get("/ping").status_code == 200
        yield address[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_the_command_runs_as_printed(folder: Path) -> None:
    (example,) = commands(SERVER, "gen3d reconstruct")
    assert commands(README, "gen3d reconstruct") == [example], "the README shows the same"
    subprocess.run(["bash", "-euc", example], cwd=folder, check=True, capture_output=True)
    assert {"scene.glb", "object-1.usdz", "preview.png"} <= {
        file.name for file in (folder / "out" / "coffee").iterdir()
    }


def test_the_curl_examples_run_as_printed(folder: Path) -> None:
    if shutil.which("curl") is None:
        lack("the examples need curl")
    (serve,) = commands(SERVER, ".venv/bin/gen3d serve\n")
    examples = commands(SERVER, "curl")
    assert len(examples) == 3, "one for each form of a request"
    with serving(folder, serve) as address:
        for example in examples:
            assert "127.0.0.1:8080" in example
            example = example.replace("127.0.0.1:8080", address)
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", example], cwd=folder, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
    assert len(trimesh.load_scene(folder / "scene.glb").geometry) == 2
    with zipfile.ZipFile(folder / "everything.zip") as archive:
        assert {"manifest.json", "scene.glb", "object-0.glb", "object-0.usdz"} <= set(archive.namelist())
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    assert manifest.objects[0].label == "cup"
    assert manifest.objects[0].artefacts[0].base64 is not None
