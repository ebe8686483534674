"""The weights are brought once, by a build that gets the token from the secret."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from infra.deploy.prune import PruneStep
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


def test_another_token_replaces_the_one_that_the_hub_has_refused(played: PlayedAccount, ready: Deployment) -> None:
    s3, key = played.cloud.client("s3"), f"{weights_prefix()}manifest.json"
    s3.delete_object(Bucket=ready.outputs["BucketName"], Key=key)
    played.broken_builds = 1
    with pytest.raises(Gen3DError, match=r"exit status 1.* Where the hub refused the token: .*HF_TOKEN"):
        WeightsStep(replace(ready, hub_token="hf_refused")).do()
    step = WeightsStep(replace(ready, hub_token="hf_good"))
    assert step.plan()[0] == "put the hub's token into the stage's secret"
    step.do()
    secrets = played.cloud.client("secretsmanager")
    assert secrets.get_secret_value(SecretId="Gen3D-local-hub-token")["SecretString"] == "hf_good"


def test_those_of_an_earlier_commit_go_and_those_that_come_stay(played: PlayedAccount, ready: Deployment) -> None:
    s3, bucket = played.cloud.client("s3"), ready.outputs["BucketName"]

    def put(key: str) -> None:
        time.sleep(1)  # S3 counts in seconds
        s3.put_object(Bucket=bucket, Key=key, Body=b"0" * 1500)

    for key in ("weights/000000000000/a.ckpt", f"{weights_prefix()}manifest.json", "weights/111111111111/a.ckpt"):
        put(key)
    step = PruneStep(ready)
    assert step.plan() == ["delete 1 of weights/000000000000/, which this commit does not use (1.5 kB)"]
    step.do()
    left = s3.list_objects_v2(Bucket=bucket, Prefix="weights/")["Contents"]
    assert {each["Key"].split("/")[1] for each in left} == {weights_prefix().split("/")[1], "111111111111"}
    assert step.plan() == []


def test_the_prefix_is_by_a_hash_and_as_the_template_takes_it(ready: Deployment) -> None:
    assert weights_uri(ready) == f"s3://{ready.outputs['BucketName']}/{weights_prefix()}"
    assert len(weights_prefix().split("/")[1]) == 12


def test_preview_needs_none(deployment: Callable[..., Deployment]) -> None:
    found = deployment(engine="preview")
    assert WeightsStep(found).plan() == []
    assert WeightsStep(found).needs == frozenset()
    assert weights_uri(found) == ""
