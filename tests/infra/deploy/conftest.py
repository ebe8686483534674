"""A local cloud as an account to deploy to, one for each module, and a repository to deploy from."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.deploy.run import carry_out, plan
from infra.deploy.step import Deployment
from infra.local.cloud import running_cloud
from tests.infra.deploy.played import PlayedAccount, make_repository

# What was planned, and what was told.
Done = tuple[dict[str, list[str]], list[str]]
Deploy = Callable[..., Done]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedAccount]:
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield PlayedAccount(cloud)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("checkout") / "gen3d")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Stands for the built page: what it looks like is no matter here."""
    dist = tmp_path_factory.mktemp("dist")
    (dist / "index.html").write_text("<!doctype html>")
    (dist / "assets").mkdir()
    (dist / "assets" / "app-1.js").write_text("1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infra.deploy.page.build_page", lambda: dist)
        yield dist


@pytest.fixture(scope="module")
def deployment(played: PlayedAccount, repository: Path) -> Callable[..., Deployment]:
    """A deployment of the repository's commit; what it tells is lost unless a list is given."""
    return lambda told=None, **asked: played.deployment(repository, [] if told is None else told, **asked)


@pytest.fixture(scope="module")
def deploy(deployment: Callable[..., Deployment], page: Path) -> Deploy:
    """Deploys, as `gen3d deploy` does."""

    def deploy_it(**asked: object) -> Done:
        told: list[str] = []
        found = deployment(told, **asked)
        planned = plan(found)
        carry_out(found)
        return planned, told

    return deploy_it
