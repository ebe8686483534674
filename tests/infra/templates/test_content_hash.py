"""Names by content: another model or configuration gets another name, and nothing else does."""

from pathlib import Path

import pytest

from infra import templates
from infra.templates import content_hash

GIVEN = {
    "Stage": "prod",
    "EndpointName": "Gen3D-prod",
    "BucketName": "gen3d-prod-123456789012-eu-central-1",
    "InvocationFailedArn": "arn:aws:sns:eu-central-1:123456789012:Gen3D-prod-InvocationFailed",
    "EndpointLogName": "/aws/sagemaker/Endpoints/Gen3D-prod",
    "ImageUri": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gen3d-prod@sha256:" + "0" * 64,
    "WeightsUri": "s3://gen3d-prod-123456789012-eu-central-1/weights/0123456789ab/",
}


def test_it_is_twelve_hexadecimal_digits_and_always_the_same() -> None:
    assert len(content_hash(GIVEN)) == 12
    assert int(content_hash(GIVEN), 16) >= 0
    assert content_hash(GIVEN) == content_hash(dict(reversed(GIVEN.items())))


@pytest.mark.parametrize(
    "change",
    [
        {"ImageUri": GIVEN["ImageUri"][:-1] + "1"},
        {"WeightsUri": "s3://gen3d-prod-123456789012-eu-central-1/weights/ba9876543210/"},
        {"InstanceType": "ml.g6e.4xlarge"},
        {"SecondInstanceType": ""},
        {"Engine": "preview"},
        {"ConcurrentJobs": "2"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_model_or_configuration_has_another(change: dict[str, str]) -> None:
    assert content_hash(GIVEN | change) != content_hash(GIVEN)


@pytest.mark.parametrize("change", [{"MaxInstances": "3"}, {"JobsPerInstance": "2"}, {"Scaling": "off"}])
def test_scaling_has_no_part_in_it(change: dict[str, str]) -> None:
    assert content_hash(GIVEN | change) == content_hash(GIVEN)


def test_a_default_that_is_spelt_out_changes_nothing() -> None:
    assert content_hash(GIVEN | {"InstanceType": "ml.g6e.xlarge"}) == content_hash(GIVEN)


def test_the_hash_in_use_has_no_part_in_the_next() -> None:
    assert content_hash(GIVEN | {"ContentHash": "0" * 12}) == content_hash(GIVEN)


def test_a_changed_template_has_another_and_a_changed_comment_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, text = content_hash(GIVEN), templates.template_file("endpoint").read_text()
    monkeypatch.setattr(templates, "_FOLDER", tmp_path)
    (tmp_path / "endpoint.yaml").write_text("# Another comment.\n" + text)
    assert content_hash(GIVEN) == before
    timeout = "ContainerStartupHealthCheckTimeoutInSeconds: 1800"
    assert timeout in text
    (tmp_path / "endpoint.yaml").write_text(text.replace(timeout, timeout[:-4] + "1200"))
    assert content_hash(GIVEN) != before


def test_a_missing_parameter_without_default_is_not_made_up() -> None:
    with pytest.raises(KeyError):
        content_hash({key: value for key, value in GIVEN.items() if key != "ImageUri"})
