"""The User Guide: its commands run as printed, and it leaves out no call, no picture and no error that a user meets."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trimesh
import yaml

from infra.local.stage import Stage
from infra.templates import read_template
from lambdas.jobs.errors import KINDS as API_ERRORS
from serve.errors import KINDS as SERVER_ERRORS
from serve.reconstruct import inflate
from tests.conftest import ROOT
from tests.docs.documents import Document, run_blocks
from tests.infra.local.visitors import versions, wait_until
from tests.web.screens import PICTURES

GUIDE: Final = Document(ROOT / "docs" / "Gen3D - User Guide - 1.0.md")
OPENAPI: Final = yaml.safe_load((ROOT / "lambdas" / "jobs" / "openapi.yaml").read_text())
# What may refuse a photo, a box or an object once the engine is loaded.
REFUSING: Final = (
    "boxes.py",
    "engine.py",
    "file_kinds.py",
    "finishing.py",
    "images.py",
    "mesh",
    "reconstruct",
    "segment",
)


@pytest.fixture(scope="module")
def page(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What lies beside the page once that is deployed; of the page itself, nothing that would have to be built."""
    dist = tmp_path_factory.mktemp("dist")
    (dist / "index.html").write_text("<title>Gen3D</title>")
    before = versions(stage, "PUBLIC/")
    stage.publish_page(dist)
    yield
    for key, version in versions(stage, "PUBLIC/") - before:
        stage.cloud.client("s3").delete_object(Bucket=stage.outputs["BucketName"], Key=key, VersionId=version)


def test_its_commands_run_as_printed(stage: Stage, checkout: Path, reader: dict[str, str], page: None) -> None:
    run_blocks(GUIDE, checkout, {**reader, "DELETE_ALL_MY_JOBS": "yes"})
    out = checkout / "out" / "guide"
    (downloaded,) = out.glob("*-*/")
    assert len(trimesh.load_scene(downloaded / "scene.glb").geometry) == 2
    assert (downloaded / "object-1.usdz").read_bytes().startswith(b"PK")
    assert json.loads((downloaded / "manifest.json").read_text())["job_id"] == downloaded.name
    # At its end all jobs are deleted, old versions too; the Lambda that sends the mails may be at it still.
    folder = json.loads((out / "created.json").read_text())["upload"]["fields"]["key"].removesuffix("image")
    wait_until(lambda: {key for key, _ in versions(stage, folder)} == {f"{folder}deleted.json"})


def test_every_call_of_the_api_is_made() -> None:
    commands = "".join(block.text for block in GUIDE.blocks if block.is_run)
    made = {
        (method.lower(), re.sub(r"\$\w+", "{job}", path))
        for method, path in re.findall(r"\bapi ([A-Z]+) [\"']?(/api/[^\"'?\s]*)", commands)
    }
    assert made == {
        (method, path) for path, calls in OPENAPI["paths"].items() for method in calls if method != "parameters"
    }


def test_every_error_that_a_user_meets_is_told() -> None:
    told = {code.text for code in GUIDE.codes}
    ended = set(
        re.findall(r"- `(\w+)`:", OPENAPI["components"]["schemas"]["Problem"]["properties"]["code"]["description"])
    )
    assert len(ended) > 5, "the file has another form now"
    assert told >= ended | API_ERRORS.keys() | refusals()


def test_its_qualities_are_those_of_the_engines() -> None:
    engines = (ROOT / "serve" / "reconstruct" / name for name in ("inflate.py", "sam3d/reconstructor.py"))
    found = [re.findall(r'"(\w+)": Fineness\((\w+), (\w+)\)', file.read_text()) for file in engines]
    assert [len(each) for each in found] == [3, 3], "the code has another form now"
    for (quality, faces, texels), (_, more_faces, more_texels) in zip(*found, strict=True):
        few = int(getattr(inflate, faces, faces)), int(texels)
        many = int(more_faces), int(more_texels)
        row = " | ".join(f"{triangles:,}, {side} pixels" for triangles, side in (few, many))
        assert f"| {quality.capitalize()} | {row} |" in GUIDE.text


def test_things_are_kept_for_as_long_as_it_says() -> None:
    foundation = read_template("foundation")
    said = re.findall(r"\| (\d+) days[^|]*\(`(\w+)`\)", GUIDE.text)
    assert {(name, int(days)) for days, name in said} == {
        (name, foundation["Parameters"][name]["Default"]) for name in ("PhotoDays", "OldVersionDays", "LogDays")
    }
    rules = foundation["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    days = {rule["Id"]: rule.get("ExpirationInDays") for rule in rules}
    assert f"| `async/output/`, `async/failure/` | {days['Answers']} days" in GUIDE.text
    assert days["Failures"] == days["Answers"]
    assert f"| `deleted.json`, `cancelled.json` | {days['Tombstones']} days |" in GUIDE.text


def test_it_shows_the_pictures_that_are_made_for_it() -> None:
    shown = {link.text for link in GUIDE.links if link.text.endswith(".jpg")}
    assert shown == {f"images/{name}.jpg" for name in PICTURES}
    there = {f"images/{file.name}" for file in (ROOT / "docs" / "images").glob("page-*")}
    assert shown == there
    assert all((ROOT / "docs" / name).stat().st_size < 300_000 for name in shown)


def refusals() -> set[str]:
    """The codes with which an engine that has loaded refuses."""
    files = [file for name in REFUSING for file in [ROOT / "serve" / name, *(ROOT / "serve" / name).rglob("*.py")]]
    text = "".join(file.read_text() for file in files if file.is_file())
    codes = set(re.findall(r'Gen3DError\(\s*"(\w+)"', text))
    assert {"image_truncated", "no_object_in_box"} <= codes, "the code has another form now"
    return {code for code in codes if SERVER_ERRORS[code].status != 503}
