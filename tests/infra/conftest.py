"""A local Amazon ECR for the tests of this room."""

from collections.abc import Iterator

import pytest

from tests.infra.cloud import LocalECR, local_ecr


@pytest.fixture(scope="session")
def ecr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalECR]:
    """One for each worker of the test run."""
    with local_ecr(tmp_path_factory.mktemp("ecr")) as running:
        yield running
