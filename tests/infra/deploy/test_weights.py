"""The weights are brought once, by a build that gets the token from the secret."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from infra.deploy.sources import SourcesStep
from infra.deploy.stack_steps import FoundationStep
from infra.deploy.step import Deployment
from infra.deploy.weights import WeightsStep, weights_prefix, weights_uri
from serve.errors import Gen3DError
from tests.infra.deploy.played import PlayedAccount


@pytest.fixture(scope="module")
def ready(deployment: Callable[..., Deployment]) -> Deployment:
    """For sam3d, with all that comes before the weights."""
    found = deployment(engine="sam3d")
    for step in (FoundationStep(found), SourcesStep(found)):
        step.do()
    return found


def test_without_a_token_it_says_how_to_get_one(ready: Deployment) -> None:
    with pytest.raises(Gen3DError, match=r"is empty.*HF_TOKEN"):
        WeightsStep(replace(ready, hub_token=None)).do()


def test_they_are_brought_once(played: PlayedAccount, ready: Deployment) -> None:
    step = WeightsStep(ready)
    assert [line.split(" weights")[0] for line in step.plan()] == [
        "put the hub's token into the stage's secret",
        "bring 14 GB of",
    ]
    step.do()
    assert played.builds == [{"GEN3D_WEIGHTS_URI": weights_uri(ready)}]
    secrets = played.cloud.client("secretsmanager")
    assert secrets.get_secret_value(SecretId="Gen3D-local-hub-token")["SecretString"] == "hf_played"
    assert step.plan() == []


def test_the_prefix_is_by_a_hash_and_as_the_template_takes_it(ready: Deployment) -> None:
    assert weights_uri(ready) == f"s3://{ready.outputs['BucketName']}/{weights_prefix()}"
    assert len(weights_prefix().split("/")[1]) == 12


def test_preview_needs_none(deployment: Callable[..., Deployment]) -> None:
    found = deployment(engine="preview")
    assert WeightsStep(found).plan() == []
    assert WeightsStep(found).needs == frozenset()
    assert weights_uri(found) == ""
