"""The command as people run it: a process of its own, its output and its exit status."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from gen3d.bar import Bar
from gen3d.reconstruct import show_progress
from serve.contract import Manifest, Progress

CUP = "170,12,410,240"


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "coffee.png"
    Image.fromarray(data.coffee()).save(path)
    return path


def gen3d(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "gen3d", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_the_main_job(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = gen3d(
        "reconstruct", photo, "--box", CUP, "--box", "325,232,408,330", "--label", "cup", "--quality", "draft",
        "--format", "glb", "--format", "obj", "-o", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {file.name for file in out.iterdir()} == {
        "manifest.json", "scene.glb", "masks.png", "preview.png", "thumbnail.jpg",
        "object-0.glb", "object-0.web.glb", "object-0.obj.zip", "object-0.mask.png",
        "object-1.glb", "object-1.web.glb", "object-1.obj.zip", "object-1.mask.png",
    }  # fmt: skip
    for name in ("object-0.glb", "object-1.obj.zip", "scene.glb", "preview.png"):
        assert str(out / name) in done.stdout
    assert "object 2 of 2: shaping" in done.stderr
    manifest = Manifest.model_validate_json((out / "manifest.json").read_bytes())
    assert [result.label for result in manifest.objects] == ["cup", None]
    assert manifest.engine.preview


def test_a_stage_with_steps_says_which_step_it_is_at(capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    at = {"stage": "reconstruct", "object": 1, "objects": 3, "step": 12, "steps": 37, "percent": 48}
    with Bar() as bar:
        show_progress(bar, Progress.model_validate({"job_id": "job-1", **at, "since": now, "started_at": now}))
    assert "object 2 of 3: shaping, step 12 of 37" in capsys.readouterr().err


def test_partial_success_is_success_with_a_warning(photo: Path, tmp_path: Path) -> None:
    done = gen3d("reconstruct", photo, "--box", CUP, "--box", "700,0,900,90", "--quality", "draft", "-o", tmp_path)
    assert done.returncode == 0
    assert "failed: object 1: box_outside_image" in done.stderr
    assert "warning: 1 of 2 objects could not be made" in done.stderr


def test_when_every_object_failed_so_did_the_command(photo: Path, tmp_path: Path) -> None:
    done = gen3d("reconstruct", photo, "--box", "700,0,900,90", "-o", tmp_path)
    assert done.returncode == 1
    assert "no object could be made" in done.stderr
    assert (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("nothing.jpg", None, "image_not_found"),
        ("empty.jpg", b"", "image_empty"),
        ("page.jpg", b"<!doctype html><html></html>", "image_unsupported"),
    ],
)
def test_a_bad_photo_is_one_line(tmp_path: Path, name: str, content: bytes | None, code: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = gen3d("reconstruct", tmp_path / name, "--box", CUP, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert done.stdout == ""
    errors = [line for line in done.stderr.splitlines() if "%" not in line]
    assert len(errors) == 1
    assert errors[0].startswith(f"gen3d: {code}: ")


def test_a_folder_that_cannot_be_written_is_one_line(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = gen3d("reconstruct", photo, "--box", CUP, "--quality", "draft", "-o", tmp_path / "file")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("gen3d: output_not_writable: ")


def test_a_second_run_leaves_nothing_of_the_first(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    first = gen3d(
        "reconstruct", photo, "--box", CUP, "--box", CUP, "--format", "stl", "--quality", "draft", "-o", tmp_path
    )
    assert first.returncode == 0
    assert gen3d("reconstruct", tmp_path / "nothing.jpg", "--box", CUP, "-o", tmp_path).returncode == 1
    assert (tmp_path / "object-1.stl").exists(), "a run that cannot begin costs nothing"
    assert gen3d("reconstruct", photo, "--box", "700,0,900,90", "-o", tmp_path).returncode == 1
    left = {"notes.txt", "manifest.json", "masks.png", "preview.png", "thumbnail.jpg"}
    assert {file.name for file in tmp_path.iterdir()} == left


def test_a_reader_that_has_seen_enough_costs_no_traceback(photo: Path, tmp_path: Path) -> None:
    script = f"'{sys.executable}' -m gen3d reconstruct '{photo}' --box {CUP} --quality draft -o '{tmp_path}' | true"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_letters_that_the_terminal_cannot_show_are_escaped(photo: Path, tmp_path: Path) -> None:
    done = gen3d(
        "reconstruct", photo, "--box", CUP, "--label", "čaša", "--quality", "draft", "-o", tmp_path,
        PYTHONIOENCODING="ascii",
    )  # fmt: skip
    assert done.returncode == 0
    assert r"\u010da\u0161a" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["reconstruct"], "PHOTO"),
        (["reconstruct", "a.jpg", "-o", "out"], "--box"),
        (["reconstruct", "a.jpg", "-o", "out", "--box", "1,2,3"], "not four finite numbers"),
        (["reconstruct", "a.jpg", "-o", "out", "--box", "1,2,3,inf"], "not four finite numbers"),
        (["reconstruct", "a.jpg", "-o", "out", "--box", CUP, "--format", "dae"], "invalid choice"),
        (["reconstruct", "a.jpg", "-o", "out", "--box", CUP, "--faces", "3"], "--faces"),
        (["reconstruct", "a.jpg", "-o", "out", "--box", CUP, "--seed", "-1"], "--seed"),
        (["reconstruct", "a.jpg", "-o", "out", "--box", CUP, "--label", "a", "--label", "b"], "2 labels for 1 boxes"),
        (["serve", "--port", "many"], "--port"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what(arguments: list[str], said: str) -> None:
    done = gen3d(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_splats_are_refused_before_any_work(photo: Path, tmp_path: Path) -> None:
    done = gen3d("reconstruct", photo, "--box", CUP, "--format", "splats", "-o", tmp_path)
    assert done.returncode == 1
    assert "format_unsupported" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_bad_setting_is_one_line(photo: Path, tmp_path: Path) -> None:
    done = gen3d("reconstruct", photo, "--box", CUP, "-o", tmp_path, GEN3D_ENGINE="magic")
    assert done.returncode == 1
    assert done.stderr.startswith("gen3d: invalid_setting: GEN3D_ENGINE: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [[], ["reconstruct"], ["serve"]])
def test_help_shows_examples(command: list[str]) -> None:
    done = gen3d(*command, "--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout


def test_version() -> None:
    from serve import __version__

    assert gen3d("--version").stdout == f"gen3d {__version__}\n"
