"""A local cloud for the tests of this room, and a world in it for each test."""

from collections.abc import Iterator

import pytest

from tests.lambdas.cloud import Cloud, local_cloud
from tests.lambdas.rig import World


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for each worker of the test run."""
    with local_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def world(cloud: Cloud) -> World:
    """A bucket of the test's own."""
    return World(cloud)
