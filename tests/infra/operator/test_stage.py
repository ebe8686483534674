"""A stage by its name."""

import json
from argparse import Namespace
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from gen3d.stage_options import typed
from infra.local.processes import free_ports
from infra.local.stage import Stage
from infra.operator.stage import aws_errors, find_stage
from serve.errors import Gen3DError
from tests.infra.operator.conftest import Told

JOB = "8204561455749-fbeae30ea5daffa3"


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


def test_with_keys_that_nobody_has_it_says_so(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(Gen3DError, match=r"aws_unusable: AWS does not know the credentials .* DescribeStacks"):
        find_stage("prod")


def test_an_identity_that_may_do_nothing_is_told_where_it_says_what_it_needs(
    aws: pytest.MonkeyPatch, allowed: Callable[[str], None]
) -> None:
    allowed("s3:GetObject")
    with pytest.raises(Gen3DError, match=r"AWS refuses your identity DescribeStacks .*the end of the command's --help"):
        find_stage("prod")


def test_where_nothing_answers_it_says_so(aws: pytest.MonkeyPatch) -> None:
    aws.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(Gen3DError, match=r"aws_unreachable: AWS did not answer: .* Is the region's name right"):
        find_stage("prod")


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        (
            "ExpiredToken",
            400,
            "aws_unusable: The AWS credentials here have expired (AWS answers DoIt with ExpiredToken,",
        ),
        ("SignatureDoesNotMatch", 403, "or this machine's clock is wrong"),
        (
            "AccessDeniedException",
            400,
            "aws_unusable: AWS refuses your identity DoIt (AccessDeniedException, status 400)",
        ),
        (
            "ThrottlingException",
            400,
            "aws_unreachable: AWS answers DoIt with ThrottlingException, status 400: too much",
        ),
        ("TooManyRequestsException", 400, "try again in a minute"),
        ("SlowDown", 503, "try again in a minute"),
        ("InternalError", 500, "aws_unreachable: AWS answers DoIt with InternalError, status 500."),
        # The identity has nothing to do with it.
        ("NoSuchBucket", 404, "aws_unreachable: AWS answers DoIt with NoSuchBucket, status 404."),
    ],
)
def test_what_aws_answers_says_what_to_do(code: str, status: int, said: str) -> None:
    answer = {"Error": {"Code": code, "Message": "of the account 123"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(Gen3DError) as told, aws_errors():
        raise ClientError(answer, "DoIt")  # type: ignore[arg-type]
    assert said in str(told.value)
    assert "123" not in str(told.value)


def test_a_stage_without_its_foundation_says_which_stacks_there_are(stage: Stage, aws: pytest.MonkeyPatch) -> None:
    body = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    stage.cloud.client("cloudformation").create_stack(StackName="Gen3D-half-foundation", TemplateBody=body)
    with pytest.raises(Gen3DError, match=r"stage_not_deployed: .* \(Gen3D-half-foundation is CREATE_COMPLETE\)"):
        find_stage("half")


@pytest.mark.parametrize("words", [["status"], ["logs"], ["users", "list"], ["redrive"], ["submit", "--resume", JOB]])
def test_without_a_name_it_is_prod_and_the_one_that_runs_here_is_named(
    gen3d: Callable[..., Told], aws: pytest.MonkeyPatch, words: list[str]
) -> None:
    status, out, err = gen3d(*words)
    assert (status, out) == (1, "")
    assert err.startswith("gen3d: stage_not_deployed: There is no stage prod in the region eu-central-1")
    assert err.endswith(" The stage that gen3d up runs here is --stage local.\n")
    assert err.count("\n") == 1


def test_where_none_runs_here_none_is_named(
    gen3d: Callable[..., Told], aws: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    aws.setattr("infra.local.running.NOTES", tmp_path_factory.mktemp("none"))
    assert "--stage local" not in gen3d("status")[2]


def test_a_command_that_goes_on_is_about_the_same_stage_and_region() -> None:
    arguments = Namespace(stage="prod", region="eu-central-1")
    typed_so = typed(arguments, "submit", "--resume", JOB, user=None, output="a folder")
    assert typed_so == f"gen3d submit --resume {JOB} --stage prod --region eu-central-1 --output 'a folder'"
