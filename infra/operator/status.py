"""How a stage is: endpoint, queues, jobs, errors, alarms, hours; and what of it needs a look. Changes nothing.

What cannot be known is unknown, and says why.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from botocore.exceptions import ClientError

from infra.operator.failures import Failure, read_failures
from infra.operator.queues import Depth, find_queues, read_depth
from infra.operator.stage import DeployedStage, aws_errors
from lambdas.shared.job_folder import DELETED, OUTCOME, PENDING, REQUEST, Job, JobFolder, created_at, status_of
from lambdas.shared.store import Store
from serve.errors import Gen3DError

_VARIANT: Final = "AllTraffic"
# In these the endpoint takes jobs as it should: the others mean that it does not yet, no more, or not as it was told.
_WELL: Final = ("InService", "Updating", "SystemUpdating")
_NOT_MEASURED: Final = "nothing is measured in the local cloud"
# SageMaker tells of the backlog every minute.
_BACKLOG_MINUTES: Final = 15
# So many jobs, the oldest, are looked at, each by a listing of its folder; and so many marks of jobs at all.
_MOST_JOBS: Final = 100
_MOST_MARKERS: Final = 10_000
# As the alarms have it: so long a job may take to be begun and done, and so late the sweep may come.
_LONG: Final = timedelta(hours=1)
_LATE: Final = timedelta(minutes=15)
_ERRORS_SINCE: Final = timedelta(days=1)
_ERRORS_LATELY: Final = timedelta(hours=1)
_MOST_ERRORS: Final = 5


@dataclass(frozen=True)
class Figure:
    """A number, and where it is from; or None, and why it is not known."""

    value: float | None
    note: str


@dataclass(frozen=True)
class Endpoint:
    """The endpoint.

    Attributes:
        name: What it is called, whether or not there is one.
        status: SageMaker's word; None where there is none.
        reason: SageMaker's, for a status that it should not have.
        instance_types: Those it may run on, the preferred one first.
        instances: How many there are.
        desired: How many there are to be.
        least: How few there may be; None where nothing scales it.
        most: How many there may be.
    """

    name: str
    status: str | None
    reason: str | None = None
    instance_types: tuple[str, ...] = ()
    instances: int | None = None
    desired: int | None = None
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class OldestJob:
    """The job that has been under way for longest; `status` is what its user sees."""

    id: str
    sub: str
    status: str
    since: datetime


@dataclass(frozen=True)
class Jobs:
    """The jobs under way.

    Attributes:
        counts: How many, by the status that their users see.
        is_all: Whether these are all there are: else they are the oldest.
        oldest: The oldest; None where there are none.
        overdue: How many the sweep should have looked at and has not.
    """

    counts: dict[str, int]
    is_all: bool
    oldest: OldestJob | None
    overdue: int


@dataclass(frozen=True)
class Alarm:
    """An alarm that tells the admin, and is in ALARM; what for, and CloudWatch's reason."""

    name: str
    description: str
    since: datetime
    reason: str


@dataclass(frozen=True)
class Status:
    """How a stage is.

    Attributes:
        stage: Its name.
        at: When that was so.
        endpoint: The endpoint.
        backlog: How many jobs the endpoint has, waiting or at work.
        queues: The two queues.
        jobs: The jobs under way.
        errors: What went wrong in the last day, the newest first, a few.
        errors_lately: How many errors were logged in the last hour.
        errors_are_all: Whether all of the log was read for these two.
        alarms: Those in ALARM; None in the local cloud, where none can be.
        instance_hours: How long instances have run this month, in UTC, about.
        missing: The stacks that are not deployed.
    """

    stage: str
    at: datetime
    endpoint: Endpoint
    backlog: Figure
    queues: tuple[Depth, ...]
    jobs: Jobs
    errors: tuple[Failure, ...]
    errors_lately: int
    errors_are_all: bool
    alarms: tuple[Alarm, ...] | None
    instance_hours: Figure
    missing: tuple[str, ...]

    @property
    def needs_a_look(self) -> list[str]:
        """What an operator should look at, a line each; nothing where all is well."""
        return list(_needs(self))


def read_status(stage: DeployedStage) -> Status:
    """How the stage is now.

    Raises:
        Gen3DError: `aws_unusable` or `aws_unreachable`; `local_cloud_failed` where the local endpoint does not answer.
    """
    now = datetime.now(UTC)
    with aws_errors():
        endpoint = _read_endpoint(stage)
        told = None if stage.local is None or endpoint.status is None else _ask_local(stage.local.endpoint, endpoint)
        errors, is_all = read_failures(stage, now - _ERRORS_SINCE)
        return Status(
            stage=stage.name,
            at=now,
            endpoint=endpoint if told is None else _as_local(endpoint, told),
            backlog=_read_backlog(stage, endpoint, told, now),
            queues=tuple(read_depth(stage, queue) for queue in find_queues(stage)),
            jobs=_read_jobs(Store(stage.outputs["BucketName"], stage.client("s3")), now),
            errors=tuple(errors[:_MOST_ERRORS]),
            errors_lately=sum(error.is_error and error.at > now - _ERRORS_LATELY for error in errors),
            errors_are_all=is_all,
            alarms=None if stage.local is not None else _read_alarms(stage),
            instance_hours=_read_hours(stage, now),
            missing=() if "NotifyName" in stage.outputs else ("service",),
        )


def _read_endpoint(stage: DeployedStage) -> Endpoint:
    sagemaker, name = stage.client("sagemaker"), stage.outputs["EndpointName"]
    try:
        found = sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ValidationException", "ResourceNotFound"):
            raise
        return Endpoint(name, None)
    configuration = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    wanted: dict[str, Any] = configuration["ProductionVariants"][0]
    pools = sorted(wanted.get("InstancePools", ()), key=lambda pool: int(pool["Priority"]))
    types = [pool["InstanceType"] for pool in pools] or [wanted["InstanceType"]]
    # Of an endpoint that is only being created there are none.
    running: dict[str, Any] = next(iter(found.get("ProductionVariants", ())), {})
    targets = stage.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[f"endpoint/{name}/variant/{_VARIANT}"]
    )["ScalableTargets"]
    scaling: dict[str, Any] = next(iter(targets), {})
    return Endpoint(
        name=name,
        status=found["EndpointStatus"],
        reason=found.get("FailureReason"),
        instance_types=tuple(types),
        instances=running.get("CurrentInstanceCount"),
        desired=running.get("DesiredInstanceCount"),
        least=scaling.get("MinCapacity"),
        most=scaling.get("MaxCapacity"),
    )


def _ask_local(address: str, endpoint: Endpoint) -> dict[str, int]:
    """What the local endpoint, which plays what SageMaker's control plane only notes there, says of itself."""
    try:
        answer = httpx.get(f"{address}/_gen3d/endpoints/{endpoint.name}", timeout=10, trust_env=False)
        return dict(answer.raise_for_status().json())
    except (httpx.HTTPError, ValueError) as error:
        raise Gen3DError("local_cloud_failed", f"The local endpoint does not say how it is: {error}") from None


def _as_local(endpoint: Endpoint, told: dict[str, int]) -> Endpoint:
    """By the processes that there are: nobody changes the number that the control plane was given."""
    return Endpoint(
        endpoint.name,
        endpoint.status,
        endpoint.reason,
        endpoint.instance_types,
        told["instances"],
        None,
        endpoint.least,
        endpoint.most,
    )


def _read_backlog(stage: DeployedStage, endpoint: Endpoint, told: dict[str, int] | None, now: datetime) -> Figure:
    if endpoint.status is None:
        return Figure(None, "there is no endpoint")
    if told is not None:
        note = f"{told['queued']} waiting, {told['running']} at work, {told['delivering']} being delivered"
        return Figure(told["ApproximateBacklogSize"], note)
    dimensions = {"EndpointName": endpoint.name}
    since = now - timedelta(minutes=_BACKLOG_MINUTES)
    found = _metric(stage, "AWS/SageMaker", "ApproximateBacklogSize", dimensions, 60, "Maximum", since, now)
    if not found:
        return Figure(None, f"SageMaker has told of none in the last {_BACKLOG_MINUTES} minutes")
    latest = max(found)
    return Figure(found[latest], f"ApproximateBacklogSize at {latest.astimezone(UTC):%H:%M}Z")


def _read_hours(stage: DeployedStage, now: datetime) -> Figure:
    if stage.local is not None:
        return Figure(None, _NOT_MEASURED)
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    dimensions = {"EndpointName": stage.outputs["EndpointName"], "VariantName": _VARIANT}
    space = "/aws/sagemaker/Endpoints"
    found = _metric(stage, space, "CPUUtilization", dimensions, 3600, "SampleCount", begin, now)
    note = (
        f"estimated: since {begin:%Y-%m-%d} each instance that runs has told of its CPU once a minute; the minutes in"
        " which it starts are billed too and are not in it"
    )
    return Figure(round(sum(found.values()) / 60, 2), note)


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


def _read_alarms(stage: DeployedStage) -> tuple[Alarm, ...]:
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


def _read_jobs(store: Store, now: datetime) -> Jobs:
    """By the marks that the sweep goes by, which every job has that is under way."""
    due: dict[Job, datetime] = {}
    is_all = True
    for number, item in enumerate(store.list_all(PENDING)):
        if number == _MOST_MARKERS:
            is_all = False
            break
        if (marked := Job.of_marker(item.key)) is not None:
            due.setdefault(marked[0], marked[1])  # the earliest comes first
    # Ids fall as time rises.
    oldest_first = sorted(due, key=lambda job: job.id, reverse=True)
    counts: Counter[str] = Counter()
    oldest = None
    for job in oldest_first[:_MOST_JOBS]:
        names = JobFolder(store, job).names()
        if REQUEST not in names or names & {OUTCOME, DELETED}:
            continue  # the mails about it are under way, or late writers are waited for
        status = status_of(names, None)
        counts[status] += 1
        oldest = oldest or OldestJob(job.id, job.sub, status, created_at(job.id))
    return Jobs(
        counts=dict(counts),
        is_all=is_all and len(oldest_first) <= _MOST_JOBS,
        oldest=oldest,
        overdue=sum(when < now - _LATE for when in due.values()),
    )


def _needs(status: Status) -> Iterator[str]:
    for name in status.missing:
        yield f"the stack Gen3D-{status.stage}-{name} is not deployed"
    endpoint = status.endpoint
    if endpoint.status is None:
        yield f"there is no endpoint {endpoint.name}: jobs wait until there is one, and then are given up"
    elif endpoint.status not in _WELL:
        yield f"the endpoint is {endpoint.status}" + (f": {endpoint.reason}" if endpoint.reason else "")
    for queue in status.queues:
        if queue.dead:
            yield f"dead letters in {queue.name}: {queue.dead}; `gen3d redrive` shows them"
    oldest = status.jobs.oldest
    if oldest is not None and status.at - oldest.since > _LONG:
        yield f"job {oldest.id} is {oldest.status} for more than an hour: `gen3d logs` says what became of it"
    if status.jobs.overdue:
        yield f"jobs that were due and the sweep has not come for: {status.jobs.overdue}; see its schedule and its log"
    if status.errors_lately:
        yield f"errors logged in the last hour: {status.errors_lately}; `gen3d logs --since 1h` shows them"
    for alarm in status.alarms or ():
        yield f"alarm {alarm.name}: {alarm.description}"
