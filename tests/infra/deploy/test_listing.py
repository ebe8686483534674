"""The AWS CLI's commands: what each step has, and that they run, top to bottom, in a local cloud."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from infra.deploy.listing import Block, blocks, listing
from infra.deploy.run import STEPS
from infra.deploy.stack_steps import EndpointStep
from infra.deploy.step import Asked
from infra.local.cloud import REGION, ROOT_KEYS
from infra.templates import NAMES, read_template
from tests.conftest import ROOT
from tests.infra.deploy.played import STAGE, TYPES, PlayedAccount, git

ASKED: Final = Asked(
    STAGE, "sam3d", {"AdminEmail": "ada@example.com", "SenderEmail": "gen3d@example.com", "MaxInstances": "2", **TYPES}
)
# In place of what is not tried.
_PUSH: Final = """\
DIGEST=sha256:$(printf 0%.0s {1..64})
TYPE=application/vnd.docker.distribution.manifest.v2+json
LAYER="{\\"mediaType\\": \\"application/octet-stream\\", \\"size\\": 1, \\"digest\\": \\"$DIGEST\\"}"
MANIFEST="{\\"schemaVersion\\": 2, \\"mediaType\\": \\"$TYPE\\", \\"config\\": $LAYER, \\"layers\\": [$LAYER]}"
TAG=$ENGINE-$COMMIT
digest | grep -q sha256: ||
  aws ecr put-image --repository-name "gen3d-$STAGE" --image-tag "$TAG" --image-manifest-media-type "$TYPE" \\
    --image-manifest "$MANIFEST"
"""
_STAND_INS: Final = {"image": _PUSH, "weights": 'echo "{}" | aws s3 cp - "${WEIGHTS_URI}manifest.json"\n'}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone of the files that the commands use."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("infra", "lambdas", "serve", "model_loader"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    dist = folder / "web" / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html>")
    (dist / "licences.txt").write_text("none")
    (dist / "assets" / "app-1.js").write_text("1")
    (folder / ".gitignore").write_text(".venv\nout/\nweb/\n__pycache__/\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "One")
    return folder


def run(aws: Path, checkout: Path, played: PlayedAccount, *script: Block) -> "subprocess.CompletedProcess[str]":
    """Runs blocks as bash does what is pasted into it."""
    environment = {
        "PATH": f"{aws.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(checkout.parent),
        "HF_TOKEN": "hf_pasted",
        "NO_PROXY": "127.0.0.1",
        "AWS_ENDPOINT_URL": played.cloud.address,
        "AWS_ENDPOINT_URL_SAGEMAKER": played.cloud.moto,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": str(checkout),
        **ROOT_KEYS.environment(),
    }
    text = "\n".join(["set -euo pipefail", *(_played(block) for block in script)])
    return subprocess.run(
        ["bash", "-c", text], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def _played(block: Block) -> str:
    if block.not_tried:
        return _STAND_INS.get(block.step, "")
    # There the page is built, which its own tests do.
    return block.lines.replace("build_page()'", "'", 1) if block.step == "page" else block.lines


def test_it_has_the_steps_in_their_order() -> None:
    steps = list(dict.fromkeys(block.step for block in blocks(ASKED, REGION)))
    assert steps == ["variables", "preflight", *(step.name for step in STEPS), "summary"]


def test_what_is_not_tried_says_why() -> None:
    marked = [block for block in blocks(ASKED, REGION) if block.not_tried]
    assert {block.step for block in marked} == {"preflight", "image", "weights", "page", "smoke test"}
    text = listing(ASKED, REGION)
    assert text.count("# not tried: ") == len(marked)


def test_every_parameter_without_a_default_is_given() -> None:
    found = blocks(ASKED, REGION)
    for name in NAMES:
        command = "\n".join(block.lines for block in found if block.step == name)
        for parameter, declared in read_template(name)["Parameters"].items():
            assert "Default" in declared or f'"{parameter}=' in command, (name, parameter)


def test_other_parameters_go_where_they_belong() -> None:
    text = listing(Asked("prod", parameters={"PhotoDays": "30", "LogDays": "7"}), None)
    assert text.count("PhotoDays=30") == 1
    assert text.count("LogDays=7") == 2
    assert 'REGION="${AWS_DEFAULT_REGION:?}"' in text
    assert 'SENDER="${SENDER:?}"' in text


def test_the_engine_preview_needs_neither_weights_nor_a_gpu() -> None:
    found = blocks(Asked("prod", "preview"), REGION)
    assert "weights" not in {block.step for block in found}
    assert "INSTANCE_TYPE=ml.m5.large" in found[0].lines


def test_bash_reads_it_for_each_way_to_an_image() -> None:
    for image in ("codebuild", "local", "keep"):
        text = listing(Asked("prod", image=image), REGION)
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def pasted(aws: Path, checkout: Path, played: PlayedAccount) -> "subprocess.CompletedProcess[str]":
    """All of it, from the top to the bottom."""
    done = run(aws, checkout, played, *blocks(ASKED, REGION))
    assert done.returncode == 0, done.stderr
    return done


def test_it_runs_top_to_bottom(pasted: "subprocess.CompletedProcess[str]", played: PlayedAccount) -> None:
    assert pasted.stdout.splitlines()[-1] == "The page: http://127.0.0.1:8000/"
    cloud = played.cloud
    endpoint = cloud.client("sagemaker").describe_endpoint(EndpointName=f"Gen3D-{STAGE}")
    assert endpoint["EndpointStatus"] == "InService"
    secret = cloud.client("secretsmanager").get_secret_value(SecretId=f"Gen3D-{STAGE}-hub-token")
    assert secret["SecretString"] == "hf_pasted"
    bucket = f"gen3d-{STAGE}-123456789012-{REGION}"
    page = {
        name: cloud.client("s3").head_object(Bucket=bucket, Key=f"PUBLIC/{name}")
        for name in ("index.html", "licences.txt", "assets/app-1.js", "config.json")
    }
    assert {name: (each["ContentType"], each["CacheControl"]) for name, each in page.items()} == {
        "index.html": ("text/html; charset=utf-8", "no-cache"),
        "licences.txt": ("text/plain; charset=utf-8", "no-cache"),
        "assets/app-1.js": ("text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        "config.json": ("application/json", "no-cache"),
    }


def test_gen3d_deploy_finds_the_endpoint_as_it_would_make_it(
    pasted: "subprocess.CompletedProcess[str]", checkout: Path, played: PlayedAccount
) -> None:
    given = {**ASKED.parameters}
    found = played.deployment(checkout, [], engine="sam3d", parameters=given)
    assert EndpointStep(found).plan() == []


def test_it_leaves_nothing_of_earlier_commits(
    pasted: "subprocess.CompletedProcess[str]", aws: Path, checkout: Path, played: PlayedAccount
) -> None:
    s3, bucket = played.cloud.client("s3"), f"gen3d-{STAGE}-123456789012-{REGION}"
    old = ("source/gen3d-0.zip", "code/jobs-0.zip", "weights/0/a.ckpt")
    for key in (*old, "users/a/label.json"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"0")
    before = {each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    steps = ("variables", "foundation", "sources", "prune")
    done = run(aws, checkout, played, *(block for block in blocks(ASKED, REGION) if block.step in steps))
    assert done.returncode == 0, done.stderr
    assert {each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]} == before - set(old)


def test_pasted_again_it_changes_nothing_but_what_is_asked_for(
    pasted: "subprocess.CompletedProcess[str]", aws: Path, checkout: Path, played: PlayedAccount
) -> None:
    other = Asked(STAGE, "sam3d", {**ASKED.parameters, "InstanceType": "ml.p3.2xlarge", "ConcurrentJobs": "2"})
    steps = ("variables", "foundation", "sources", "image", "service", "endpoint")
    done = run(aws, checkout, played, *(block for block in blocks(other, REGION) if block.step in steps))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("No changes to deploy") == 2
    cloudformation = played.cloud.client("cloudformation")
    stack = cloudformation.describe_stacks(StackName=f"Gen3D-{STAGE}-endpoint")["Stacks"][0]
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert (parameters["InstanceType"], parameters["Scaling"]) == ("ml.p3.2xlarge", "on")
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack["StackId"])
    events = [(each["LogicalResourceId"], each["ResourceStatus"]) for page in pages for each in page["StackEvents"]]
    # Newest first. This cloud tells of no deletions, but of all that is in the stack.
    last, before = [place for place, event in enumerate(events) if event == (stack["StackName"], "UPDATE_COMPLETE")]
    assert "ScalableTarget" in dict(events[last:before])
    assert "ScalableTarget" not in dict(events[before : events.index((stack["StackName"], "CREATE_COMPLETE"))])
