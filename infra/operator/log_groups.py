"""The log groups that a stage's templates make, and the lines that pass a filter. Knows not what the lines say."""

from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.operator.stage import DeployedStage

API: Final = "api"
CONTAINER: Final = "container"
# Outputs that name a Lambda, and what each is called here.
_LAMBDAS: Final = {"JobsName": "jobs", "ExtractName": "extract", "NotifyName": "notify", "SweepName": "sweep"}


def log_groups(stage: DeployedStage) -> Iterator[tuple[str, str]]:
    """Who writes, `api`, `jobs`, `extract`, `notify`, `sweep` or `container`, and into which group.

    The Lambdas are left out where the stack is missing that has them.
    """
    yield API, f"/gen3d/{stage.name}/api"
    for output, who in _LAMBDAS.items():
        if output in stage.outputs:
            yield who, f"/aws/lambda/{stage.outputs[output]}"
    yield CONTAINER, stage.outputs["EndpointLogName"]


def pages(client: Any, **asked: Any) -> Iterator[list[dict[str, Any]]]:
    """The events of a group, page by page and the oldest first; none where there is no such group.

    Args:
        client: CloudWatch Logs'.
        asked: What FilterLogEvents is asked for.
    """
    try:
        for page in client.get_paginator("filter_log_events").paginate(**asked):
            yield page["events"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
