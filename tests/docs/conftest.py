"""Where the documents' commands run: a folder that stands for the checkout, and the worker's stage."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import infra.local.running
from infra.local.cloud import REGION, ROOT_KEYS
from infra.local.running import note_running
from infra.local.stage import Stage, User
from tests.conftest import ROOT

# The command, but for where it looks for the stage local: workers have one each, and are not to find another's.
_COMMAND = """\
#!{python}
import sys
from pathlib import Path

import infra.local.running

infra.local.running.NOTES = Path({notes!r})

from gen3d.__main__ import main

sys.exit(main())
"""
_LINKED = ("Makefile", "benchmarks", "demo", "docs", "infra", "lambdas", "requirements", "serve", "web")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for the checkout: what the repository has, and an empty `out/`; each module has its own."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in _LINKED:
        (folder / name).symlink_to(ROOT / name)
    (folder / "out").mkdir()
    command = folder / ".venv" / "bin" / "gen3d"
    command.parent.mkdir(parents=True)
    command.write_text(_COMMAND.format(python=sys.executable, notes=str(folder / "out" / "local")))
    command.chmod(0o755)
    python = command.parent / "python"  # not a link: Python would take the folder that it is in for its own
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def demo_user(stage: Stage, checkout: Path) -> Iterator[User]:
    """The demo user of the stage that `gen3d … --stage local` finds in the checkout."""
    user = stage.add_user(f"{checkout.name.lower().replace('_', '-')}@example.com")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(infra.local.running, "NOTES", checkout / "out" / "local")
        with note_running(stage, user):
            yield user


@pytest.fixture(scope="module")
def reader(stage: Stage, checkout: Path, demo_user: User) -> dict[str, str]:
    """The environment of somebody who tries a document out: the stage's addresses, a user, and the operator's keys."""
    path = [checkout / ".venv" / "bin", ROOT / "out" / "awscli" / "bin", Path(sys.executable).parent]
    return {
        "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]]),
        "HOME": str(checkout),
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1",
        "PAGE": stage.page,
        "COGNITO": stage.cloud.address,
        "POOL": stage.outputs["UserPoolId"],
        "CLIENT": stage.outputs["UserPoolClientId"],
        "BUCKET": stage.outputs["BucketName"],
        "ENDPOINT": stage.outputs["EndpointName"],
        "REGION": REGION,
        "STAGE": "local",
        "MAILS": f"{stage.cloud.address}/_ministack/ses/messages",
        "EMAIL": demo_user.email,
        "PASSWORD": demo_user.password,
        "AWS_ENDPOINT_URL": stage.cloud.address,
        "AWS_ENDPOINT_URL_SAGEMAKER": stage.cloud.moto,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": stage.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        **ROOT_KEYS.environment(),
    }
