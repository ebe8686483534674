"""What CloudWatch has measured of a stage: its backlog, its instances' hours, its alarms. Changes nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from infra.operator.stage import DeployedStage

# Of the endpoint's one variant.
VARIANT: Final = "AllTraffic"
# SageMaker tells of the backlog every minute.
_BACKLOG_MINUTES: Final = 15


@dataclass(frozen=True)
class Figure:
    """A number, and where it is from; or None, and why it is not known."""

    value: float | None
    note: str


@dataclass(frozen=True)
class Alarm:
    """An alarm that tells the admin, and is in ALARM; what for, and CloudWatch's reason."""

    name: str
    description: str
    since: datetime
    reason: str


def read_backlog(stage: DeployedStage, now: datetime) -> Figure:
    """How many jobs the endpoint has, waiting or at work."""
    dimensions = {"EndpointName": stage.outputs["EndpointName"]}
    since = now - timedelta(minutes=_BACKLOG_MINUTES)
    found = _metric(stage, "AWS/SageMaker", "ApproximateBacklogSize", dimensions, 60, "Maximum", since, now)
    if not found:
        return Figure(None, f"SageMaker has told of none in the last {_BACKLOG_MINUTES} minutes")
    latest = max(found)
    return Figure(found[latest], f"ApproximateBacklogSize at {latest.astimezone(UTC):%H:%M}Z")


def read_hours(stage: DeployedStage, now: datetime) -> Figure:
    """How long instances have run this month, in UTC, about."""
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    dimensions = {"EndpointName": stage.outputs["EndpointName"], "VariantName": VARIANT}
    space = "/aws/sagemaker/Endpoints"
    found = _metric(stage, space, "CPUUtilization", dimensions, 3600, "SampleCount", begin, now)
    note = (
        f"estimated: since {begin:%Y-%m-%d} each instance that runs has told of its CPU once a minute; the minutes in"
        " which it starts are billed too and are not in it"
    )
    return Figure(round(sum(found.values()) / 60, 2), note)


def read_alarms(stage: DeployedStage) -> tuple[Alarm, ...]:
    """Those that tell the admin: what scaling goes by may well be in ALARM."""
    pages = (
        stage.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=f"Gen3D-{stage.name}-", StateValue="ALARM")
    )
    return tuple(
        Alarm(
            name=found["AlarmName"],
            description=found.get("AlarmDescription", ""),
            since=found["StateUpdatedTimestamp"].astimezone(UTC),
            reason=found.get("StateReason", ""),
        )
        for page in pages
        for found in page["MetricAlarms"]
        if stage.outputs["AdminTopicArn"] in found.get("AlarmActions", ())
    )


def _metric(
    stage: DeployedStage,
    space: str,
    name: str,
    dimensions: dict[str, str],
    period: int,
    statistic: str,
    since: datetime,
    until: datetime,
) -> dict[datetime, float]:
    """A metric's values, by when their periods began."""
    metric = {
        "Namespace": space,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    query = {"Id": "asked", "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}}
    pages = (
        stage.client("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(MetricDataQueries=[query], StartTime=since, EndTime=until)
    )
    found: dict[datetime, float] = {}
    for page in pages:
        for result in page["MetricDataResults"]:
            found |= dict(zip(result["Timestamps"], result["Values"], strict=True))
    return found
