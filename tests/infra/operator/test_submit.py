"""`gen3d submit`, as somebody types it."""

import io
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import trimesh

from gen3d.submit import _MEDIA_TYPES
from infra.local.example import PHOTO
from infra.local.stage import Stage, User
from infra.operator.service import Service
from infra.operator.stage import find_stage
from lambdas.shared.pictures import MEDIA_TYPES
from tests.infra.operator.conftest import CUP, Told

Command = Callable[..., Told]


def jobs_of(stage: Stage, user: User) -> list[dict[str, object]]:
    answer = httpx.get(f"{stage.page}/api/jobs", headers={"Authorization": f"Bearer {stage.token(user)}"}, timeout=30)
    return list(answer.json()["jobs"])


def job_in(told: str) -> str:
    found = re.search(r"^job (\d{13}-[0-9a-f]{16})$", told, re.MULTILINE)
    assert found is not None, told
    return found[1]


def test_a_job_from_the_photo_to_the_files(submit: Command, stage: Stage, demo: User) -> None:
    status, out, err = submit("--box", CUP, "--label", "cup", "--format", "glb", "--format", "obj", "--name", "My cup")
    assert status == 0, err
    folder = Path("out") / job_in(err)
    assert f"object 0 (cup): {folder / 'object-0.glb'}\n" in out
    assert {str(file) for file in folder.iterdir()} == {line.split()[-1] for line in out.splitlines()}
    assert {"object-0.obj.zip", "scene.glb", "preview.png"} <= {file.name for file in folder.iterdir()}
    assert len(trimesh.load_mesh(folder / "object-0.glb").faces) > 100
    assert re.search(r"^100 % +\d+ s  sending the photo$", err, re.MULTILINE)
    assert re.search(r"^100 % +\d+ s  succeeded$", err, re.MULTILINE)
    assert "the shapes are previews" in err
    assert [job["label"] for job in jobs_of(stage, demo)] == ["My cup"]


def test_a_photo_whose_name_is_no_utf_8_is_taken(gen3d: Command) -> None:
    file = Path(os.fsdecode(b"caf\xe9.jpg"))
    file.write_bytes(PHOTO.read_bytes())
    status, out, err = gen3d("submit", file, "--box", CUP, "--stage", "local", "--quality", "draft", "-o", "made")
    assert status == 0, err
    assert "object 0: made/object-0.glb" in out


def test_partial_success_is_success_with_a_warning(submit: Command, tmp_path: Path) -> None:
    status, out, err = submit("--box", CUP, "--box", "5000,0,5100,90", "--label", "cup", "--label", "none", "-o", ".")
    assert status == 0
    assert "failed: object 1 (none): box_outside_image: The box" in err
    assert "warning: 1 of 2 objects could not be made" in err
    assert "object 0 (cup): object-0.glb" in out
    assert Path("object-0.glb").exists()


def test_when_every_object_failed_so_did_the_command(submit: Command) -> None:
    status, _, err = submit("--box", "5000,0,5100,90")
    assert status == 1
    assert "failed: object 0: box_outside_image" in err
    assert err.splitlines()[-1].startswith("gen3d: ")


def test_a_stage_in_aws_is_served_the_same_way(
    gen3d: Command, stage: Stage, trial: str, demo: User, aws: pytest.MonkeyPatch
) -> None:
    aws.setenv("GEN3D_PASSWORD", demo.password)
    status, out, err = gen3d("submit", PHOTO, "--box", CUP, "--stage", trial, "--user", demo.email, "-o", "made")
    assert status == 0, err
    assert "object 0: made/object-0.glb" in out


def test_interrupted_it_says_how_to_go_on_and_then_goes_on(
    submit: Command, gen3d: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("infra.operator.service.time", SimpleNamespace(sleep=interrupt, monotonic=time.monotonic))
        status, _, err = submit("--box", CUP, "-o", "a folder")
    job = job_in(err)
    assert status == 130
    assert f"to wait for it again: gen3d submit --resume {job} --stage local --output 'a folder'" in err
    status, out, err = gen3d("submit", "--resume", job, "--stage", "local", "-o", "a folder")
    assert status == 0, err
    assert "object 0: a folder/object-0.glb" in out


def test_interrupted_while_it_sends_it_leaves_no_job(
    submit: Command, stage: Stage, demo: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Service, "upload", interrupt)
    status, _, err = submit("--box", CUP)
    assert status == 130
    assert "to wait for it again" not in err
    assert jobs_of(stage, demo) == []


def test_a_second_job_in_a_folder_leaves_nothing_of_the_first(submit: Command) -> None:
    Path("made").mkdir()
    for name in ("object-7.glb", "manifest.json", "notes.txt"):
        Path("made", name).write_text("before")
    assert submit("--box", CUP, "-o", "made")[0] == 0
    names = {file.name for file in Path("made").iterdir()}
    assert {"notes.txt", "object-0.glb"} <= names
    assert "object-7.glb" not in names
    assert Path("made", "manifest.json").read_text() != "before"


def test_what_the_api_refuses_is_shown_as_it_comes(submit: Command) -> None:
    status, _, err = submit(*["--box", CUP] * 33)
    assert status == 1
    assert err.splitlines()[-1].startswith("gen3d: too_many_boxes: ")


def test_a_job_of_nobody_is_one_line(gen3d: Command) -> None:
    status, _, err = gen3d("submit", "--resume", "8204561455749-fbeae30ea5daffa3", "--stage", "local")
    assert status == 1
    assert err == "gen3d: job_not_found: You have no such job.\n"


def test_a_wrong_password_is_one_line(submit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEN3D_PASSWORD", "wrong")
    status, _, err = submit("--box", CUP, "--user", "ada@example.com")
    assert status == 1
    assert err.startswith("gen3d: sign_in_failed: ")
    assert err.count("\n") == 1


def test_where_nobody_can_be_asked_for_the_password_it_says_what_to_set(submit: Command) -> None:
    assert "set GEN3D_PASSWORD" in submit("--box", CUP, "--user", "ada@example.com")[2]


def test_a_password_that_is_not_typed_is_one_line(submit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    def end(_: str) -> str:
        raise EOFError  # Ctrl-D

    monkeypatch.setattr("sys.stdin", Keyboard())
    monkeypatch.setattr("getpass.getpass", end)
    status, _, err = submit("--box", CUP, "--user", "ada@example.com")
    assert (status, err) == (1, "gen3d: sign_in_failed: No password was given for ada@example.com.\n")


def test_the_help_names_what_the_identity_needs(
    gen3d: Command, trial: str, demo: User, aws: pytest.MonkeyPatch, allowed: Callable[[str], None]
) -> None:
    aws.setenv("GEN3D_PASSWORD", demo.password)
    allowed(gen3d("submit", "--help")[1])
    status, _, err = gen3d("submit", PHOTO, "--box", CUP, "--stage", trial, "--user", demo.email, "--quality", "draft")
    assert status == 0, err


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "image_not_found"), (b"", "image_empty"), (b"<!doctype html><html></html>", "image_unsupported")],
)
def test_a_bad_photo_is_told_before_a_job_is_made(
    gen3d: Command, stage: Stage, demo: User, content: bytes | None, code: str
) -> None:
    if content is not None:
        Path("photo.jpg").write_bytes(content)
    status, _, err = gen3d("submit", "photo.jpg", "--box", CUP, "--stage", "local")
    assert status == 1
    assert err.startswith(f"gen3d: {code}: ")
    assert err.count("\n") == 1
    assert jobs_of(stage, demo) == []


def test_a_folder_that_cannot_be_written_is_told_before_a_job_is_made(
    submit: Command, stage: Stage, demo: User
) -> None:
    Path("file").touch()
    assert "gen3d: output_not_writable: " in submit("--box", CUP, "-o", "file")[2]
    assert jobs_of(stage, demo) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "PHOTO and --box are needed, or --resume"),
        (["a.jpg", "--stage", "local"], "PHOTO and --box are needed, or --resume"),
        (["a.jpg", "--stage", "local", "--resume", "8204561455749-fbeae30ea5daffa3"], "leave PHOTO and --box out"),
        (["--stage", "local", "--resume", "mine"], "is no job's id"),
        (["--stage", "Prod"], "a letter first"),
        (["a.jpg", "--stage", "local", "--box", "1,2,3"], "not four finite numbers"),
        (["a.jpg", "--stage", "local", "--name", os.fsdecode(b"caf\xe9")], "is no UTF-8"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what(gen3d: Command, arguments: list[str], said: str) -> None:
    status, _, err = gen3d("submit", *arguments)
    assert status == 2
    assert said in err


def test_a_stage_whose_lambdas_are_not_there_yet_takes_no_jobs(
    submit: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = replace(find_stage("local"), stacks={"foundation": "CREATE_COMPLETE"})
    monkeypatch.setattr("infra.operator.stage.find_stage", lambda *_: found)
    status, _, err = submit("--box", CUP)
    assert status == 1
    assert err == (
        "gen3d: stage_not_deployed: The stage local takes no jobs: its stack Gen3D-local-service is not deployed.\n"
    )


def test_only_the_stage_local_has_a_user_whose_password_is_known(
    gen3d: Command, trial: str, aws: pytest.MonkeyPatch
) -> None:
    status, _, err = gen3d("submit", PHOTO, "--box", CUP, "--stage", trial)
    assert status == 2
    assert "--user is needed" in err


def test_every_kind_of_photo_has_a_type_that_the_api_takes() -> None:
    assert set(_MEDIA_TYPES) == set(MEDIA_TYPES.values())
    assert all(MEDIA_TYPES[media_type] == kind for kind, media_type in _MEDIA_TYPES.items())
