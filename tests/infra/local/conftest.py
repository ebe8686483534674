"""Who visits the whole service, and a stage in which calls are written down."""

from collections.abc import Iterator

import httpx
import pytest

from infra.local.stage import Stage
from lambdas.shared.job_folder import Job
from tests.infra.local.recorder import RecordedStage, recorded_stage
from tests.infra.local.visitors import SignUp, Visitor, sign_up


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """What visitors send their requests with."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def newcomer(stage: Stage, http: httpx.Client) -> SignUp:
    """Signs somebody up at each call."""
    return lambda: sign_up(stage, http)


@pytest.fixture(scope="session")
def done(stage: Stage, http: httpx.Client) -> tuple[Visitor, Job]:
    """Somebody with a job that has made a mesh."""
    owner = sign_up(stage, http)
    job = owner.submit()
    assert owner.wait(job)["status"] == "succeeded"
    return owner, job


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordedStage]:
    """Another stage, in which all calls to the cloud are written down."""
    with recorded_stage(tmp_path_factory.mktemp("recorded")) as running:
        yield running
