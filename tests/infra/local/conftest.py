"""The whole service on this machine, one for each worker of the test run."""

from collections.abc import Iterator

import pytest

from infra.local.stage import Stage, running_stage


@pytest.fixture(scope="session")
def progress() -> list[str]:
    """What the stage said while it started."""
    return []


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, progress: list[str]) -> Iterator[Stage]:
    with running_stage(tmp_path_factory.mktemp("stage"), tell=progress.append) as running:
        yield running
