"""A local cloud for the tests of this room, and a place in it for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.async_endpoint.play import Cloud, Place, local_cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for each worker of the test run."""
    with local_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def place(cloud: Cloud, tmp_path: Path) -> Place:
    return Place(cloud, tmp_path / "queue")
