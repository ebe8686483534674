"""`gen3d deploy` as people run it: what it refuses, what it prints, what it asks, and how one goes on."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import gen3d.deploy
from gen3d.__main__ import main
from infra.deploy.run import STEPS
from infra.deploy.step import Asked
from infra.deploy.summary import TRIED
from infra.local.cloud import running_cloud
from tests.conftest import ROOT
from tests.infra.deploy.played import STAGE, PlayedAccount, make_repository

GIVEN = ("--admin-email", "ada@example.com", "--sender", "gen3d@example.com", "--engine", "preview")
Told = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """The command: its exit status, and what it writes to standard output and error."""

    def run_it(*arguments: str) -> Told:
        try:
            status = main(["deploy", *arguments])
        except SystemExit as ended:
            status = int(ended.code or 0)
        return (status, *capsys.readouterr())

    return run_it


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedAccount]:
    """A local cloud, which the command takes for AWS, and a repository, which it takes for the checkout."""
    repository = make_repository(tmp_path_factory.mktemp("checkout") / "gen3d")
    dist = tmp_path_factory.mktemp("dist")
    (dist / "index.html").write_text("<!doctype html>")
    asked = gen3d.deploy._asked

    def as_local(arguments: object) -> Asked:
        return replace(asked(arguments), stage=STAGE)  # type: ignore[arg-type]  # argparse's

    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud, pytest.MonkeyPatch.context() as patch:
        played = PlayedAccount(cloud)
        patch.setattr("infra.deploy.account.find_account", lambda _: played.account())
        patch.setattr("infra.checkout.find_checkout", lambda: repository)
        patch.setattr("infra.deploy.page.build_page", lambda: dist)
        patch.setattr(gen3d.deploy, "_asked", as_local)
        patch.delenv("HF_TOKEN", raising=False)
        yield played


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--stage", "local"], "the stage local is deployed by gen3d up"),
        (["--stage", "Prod"], "is not 1 to 12 lower-case letters"),
        (["--engine", "other"], "invalid choice"),
        (["--parameter", "MaxInstances"], "is not NAME=VALUE"),
        (["--instance-types", "g6e.xlarge"], "is not one to three of SageMaker's types"),
        (["--instance-types", "ml.a.b,ml.a.b,ml.a.b,ml.a.b"], "is not one to three of SageMaker's types"),
    ],
)
def test_bad_usage_is_told_in_one_line(run: Callable[..., Told], arguments: list[str], reason: str) -> None:
    status, _, told = run(*arguments)
    assert status == 2
    assert reason in told.splitlines()[-1]


def test_help_says_that_nobody_has_run_it_in_aws(run: Callable[..., Told]) -> None:
    status, said, _ = run("--help")
    assert status == 0
    assert "Nobody has run this in AWS yet" in said


def test_the_aws_cli_is_printed_without_an_account(run: Callable[..., Told], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # where nobody answers
    status, said, told = run(*GIVEN, "--parameter", "PhotoDays=30", "--print-aws-cli", "--region", "eu-west-1")
    assert (status, told) == (0, "")
    assert said.startswith("#!/usr/bin/env bash\n")
    for words in ("REGION=eu-west-1", "ADMIN_EMAIL=ada@example.com", "ENGINE=preview", "PhotoDays=30", "# not tried: "):
        assert words in said


def test_what_is_missing_is_said_before_anything_is_changed(run: Callable[..., Told], account: PlayedAccount) -> None:
    status, said, told = run("--yes")
    assert status == 1
    assert "blocks        --admin-email" in said
    assert told.splitlines()[-1].startswith("gen3d: deployment_blocked: Nothing was changed. --admin-email")
    status, _, told = run(*GIVEN, "--parameter", "Nonsense=1", "--yes")
    assert (status, told.splitlines()[-1]) == (
        1,
        "gen3d: deployment_blocked: The parameter Nonsense=1: the templates have no such parameter.",
    )
    assert not account.cloud.client("s3").list_buckets()["Buckets"]


def test_where_nobody_can_be_asked_nothing_is_changed(
    run: Callable[..., Told], account: PlayedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        status, said, told = run(*GIVEN)
    assert status == 1
    assert "make the stack Gen3D-local-foundation" in said
    assert "gen3d: not_confirmed" in told
    assert not account.cloud.client("s3").list_buckets()["Buckets"]


def test_a_failure_names_the_command_that_goes_on_and_that_ends_with_where_it_is(
    run: Callable[..., Told], account: PlayedAccount
) -> None:
    account.broken_builds = 1
    status, _, told = run(*GIVEN, "--yes")
    assert status == 1
    goes_on, failure = told.splitlines()[-2:]
    assert failure.startswith("gen3d: deployment_failed: The step image failed: The build ")
    assert goes_on == (
        "What is done stays done. To go on: gen3d deploy --stage prod --region eu-central-1 --admin-email"
        " ada@example.com --sender gen3d@example.com --engine preview"
    )
    status, said, told = run(*GIVEN, "--yes")
    assert status == 0
    assert "  0:0" in told
    assert "page and API   http://127.0.0.1:8000/" in said
    assert "USD a month, as long as no instance runs" in said
    assert "None of this was ever run in AWS" in said


def test_once_more_it_asks_nothing_and_changes_nothing(run: Callable[..., Told], account: PlayedAccount) -> None:
    run(*GIVEN, "--yes")  # where this test runs alone
    status, said, told = run()
    assert (status, told) == (0, "  0:00  looking at the account 123456789012, region eu-central-1\n")
    for step in STEPS:
        assert f"{step.name}: unchanged" in said or f"{step.name}: skipped" in said


def test_the_list_of_what_was_tried_has_every_step() -> None:
    assert list(TRIED) == ["preflight", *(step.name for step in STEPS)]


def test_within_the_image_it_says_where_to_go(tmp_path: Path) -> None:
    # The image has no room infra; -S leaves out where this environment finds the checkout's.
    for room in ("gen3d", "model_loader", "serve"):
        shutil.copytree(ROOT / room, tmp_path / room)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    code = "import sys; sys.path.append(sys.argv.pop(1)); from gen3d.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-S", "-c", code, packages, "deploy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("gen3d: checkout_missing: The templates and Lambdas are in a checkout")
