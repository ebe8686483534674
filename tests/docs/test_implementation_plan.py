"""The Implementation Plan: it has the whole listing, its checks pass after a deployment, its undoing leaves nothing."""

import hashlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from PIL import Image
from skimage import data

from docs.source.plan import LISTED, NOT_RUN, RUN, region_of
from infra.deploy.account import Account
from infra.deploy.listing import blocks, listing
from infra.deploy.run import carry_out
from infra.deploy.step import Asked
from infra.destroy.destruction import plan
from infra.local.cloud import ACCOUNT, REGION, ROOT_KEYS, running_cloud
from tests.conftest import ROOT
from tests.docs.documents import Block, Document, run_blocks
from tests.infra.deploy.played import STAGE, TYPES, PlayedAccount, make_repository

PLAN: Final = Document(ROOT / "docs" / "Gen3D - Implementation Plan - 1.0.md")
HERE: Final = "> Run by tests/docs/test_implementation_plan.py against a local cloud."
VERIFY: Final = [block for block in PLAN.blocks if block.mark == HERE and block.text.startswith("# verify: ")]
UNDO: Final = [block for block in PLAN.blocks if block.mark == HERE and block.text.startswith("# undo")]
ADDRESSES: Final = {"AdminEmail": "ada@example.com", "SenderEmail": "gen3d@example.com"}


# The listing.


def test_its_blocks_together_are_the_listing() -> None:
    regions = {region.name: region.text for region in PLAN.regions}
    shown = "\n".join(regions[name] for name in ("plan-head", *map(region_of, LISTED)))
    commands = re.findall(r"```sh\n(.*?)```", shown, re.DOTALL)
    assert "\n".join(commands) == listing(Asked("prod"), None)


def test_they_come_in_the_listings_order() -> None:
    found = [block.text for block in PLAN.blocks if block.mark in (RUN, NOT_RUN)]
    listed = [str(block) for block in blocks(Asked("prod"), None)]
    assert [text for text in found if text in listed] == listed


def test_each_says_whether_a_test_runs_it() -> None:
    marks = {block.text: block.mark for block in PLAN.blocks}
    for block in blocks(Asked("prod"), None):
        assert marks[str(block)] == (NOT_RUN if block.not_tried else RUN), block.title


def test_every_step_that_makes_something_is_verified_and_undone() -> None:
    parts = re.split(r"^## Step \d+: (.*)$", PLAN.text, flags=re.MULTILINE)[1:]
    steps = dict(zip(parts[::2], parts[1::2], strict=True))
    for step in ("foundation", "sources", "image", "weights", "service", "endpoint", "page"):
        assert "\n# verify: " in steps[step], step
        assert "\n# undo: " in steps[step], step


# Verified after a deployment, and undone.


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedAccount]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield PlayedAccount(cloud)


@pytest.fixture(scope="module")
def repository(played: PlayedAccount, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose commit is deployed."""
    folder = make_repository(tmp_path_factory.mktemp("checkout") / "gen3d")
    dist = tmp_path_factory.mktemp("dist")
    (dist / "index.html").write_text("<!doctype html>")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.deploy.page.build_page", lambda: dist)
        carry_out(played.deployment(folder, [], engine="sam3d", parameters=TYPES))
    return folder


Paste = Callable[[list[Block]], str]


@pytest.fixture(scope="module")
def paste(played: PlayedAccount, repository: Path, aws: Path) -> Paste:
    """Pastes blocks into the shell of the steps, into which the listing was pasted before."""
    environment = {
        "PATH": f"{aws.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(repository.parent),
        "NO_PROXY": "127.0.0.1",
        "AWS_ENDPOINT_URL": played.cloud.address,
        "AWS_ENDPOINT_URL_SAGEMAKER": played.cloud.moto,
        "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING": played.cloud.moto,
        "AWS_EC2_METADATA_DISABLED": "true",
        **ROOT_KEYS.environment(),
    }
    listed = blocks(Asked(STAGE, "sam3d", {**ADDRESSES, **TYPES}), REGION)
    (variables,) = (block.lines for block in listed if block.step == "variables")
    (foundation,) = (block.lines for block in listed if block.step == "foundation")
    (image,) = (block.lines for block in listed if block.step == "image" and not block.not_tried)
    # Of the listing, what sets variables; what it makes was made without the AWS CLI, which is slow.
    before = [variables, foundation[foundation.index("OUTPUTS=") :], image]

    def paste_them(pasted: list[Block]) -> str:
        texts = [*before, *(f"echo '--- line {block.line}' >&2\n{block.text}" for block in pasted)]
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", "\n".join(texts)],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    return paste_them


def test_what_verifies_a_step_passes_after_a_deployment(paste: Paste) -> None:
    assert "CREATE_COMPLETE" in paste(VERIFY)


def test_what_undoes_the_steps_leaves_nothing_from_the_last_to_the_first(paste: Paste, played: PlayedAccount) -> None:
    paste(_undone())
    left = plan(Account(ACCOUNT, REGION, "root", played.cloud.client, played.missing), STAGE)
    assert (left.stacks, left.data.bucket, left.data.pools) == ((), None, ())
    assert left.inventory.things == ()


def _undone() -> list[Block]:
    """From the last step to the first; the blocks of one step as they come."""
    steps = [line for line, text in enumerate(PLAN.lines, 1) if text.startswith("## Step ")]
    return sorted(UNDO, key=lambda block: (-max(line for line in steps if line < block.line), block.line))


# From end to end.


def test_its_tests_from_end_to_end_pass(checkout: Path, reader: dict[str, str], aws: Path) -> None:
    environment = {**reader, "PATH": f"{reader['PATH']}{os.pathsep}{aws.parent}"}
    printed = run_blocks(PLAN, checkout, environment, timeout=300)
    assert "succeeded\n" in printed.values()
    assert "404\n401\n" in printed.values()


def test_the_photograph_to_download_is_that_of_scikit_image_and_the_box_lies_in_it() -> None:
    photo = Path(data.__file__).parent / "coffee.png"
    (download,) = (block.text for block in PLAN.blocks if "coffee.png" in block.text)
    assert hashlib.sha256(photo.read_bytes()).hexdigest() in download
    found = re.search(r"BOX='\[(\d+), (\d+), (\d+), (\d+)\]'", download)
    assert found is not None
    with Image.open(photo) as image:
        assert int(found[3]) < image.width
        assert int(found[4]) < image.height
