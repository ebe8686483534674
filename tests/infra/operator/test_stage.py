"""A stage by its name."""

import pytest

from infra.local.processes import free_ports
from infra.local.stage import Stage
from infra.operator.stage import find_stage
from serve.errors import Gen3DError


def test_the_stage_local_is_the_one_that_runs_here(stage: Stage) -> None:
    found = find_stage("local")
    assert found.outputs == stage.outputs
    assert found.page == stage.page
    assert found.client("s3").list_buckets()["Buckets"][0]["Name"] == stage.outputs["BucketName"]


def test_one_in_aws_is_found_by_its_stacks(stage: Stage, trial: str, aws: pytest.MonkeyPatch) -> None:
    found = find_stage(trial)
    assert found.local is None
    assert found.page == stage.page
    assert found.client("s3").list_buckets()["Buckets"][0]["Name"] == stage.outputs["BucketName"]


def test_one_that_is_not_there_says_where_was_looked(aws: pytest.MonkeyPatch) -> None:
    with pytest.raises(Gen3DError, match=r"stage_not_deployed: There is no stage prod in the region eu-central-1"):
        find_stage("prod")


def test_the_region_may_be_named(trial: str, aws: pytest.MonkeyPatch) -> None:
    with pytest.raises(Gen3DError, match="in the region us-east-1"):
        find_stage(trial, "us-east-1")


def test_without_a_region_it_says_how_to_name_one(aws: pytest.MonkeyPatch) -> None:
    aws.delenv("AWS_DEFAULT_REGION")
    aws.setenv("AWS_CONFIG_FILE", "none")
    with pytest.raises(Gen3DError, match="aws_unusable: No AWS region is set: name it with --region"):
        find_stage("prod")


def test_a_region_whose_name_is_none_is_told_in_a_line(aws: pytest.MonkeyPatch) -> None:
    with pytest.raises(Gen3DError, match=r"aws_unusable: .*'Frankfurt am Main'.* Regions are called eu-central-1"):
        find_stage("prod", "Frankfurt am Main")


def test_without_credentials_it_says_so(aws: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        aws.setenv(name, "none")
    aws.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Gen3DError, match="aws_unusable: There are no usable AWS credentials here"):
        find_stage("prod")


def test_with_keys_that_nobody_has_it_says_what_was_refused(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(Gen3DError, match="aws_unusable: AWS refuses your identity DescribeStacks"):
        find_stage("prod")


def test_where_nothing_answers_it_says_so(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(Gen3DError, match="aws_unreachable: AWS did not answer"):
        find_stage("prod")
