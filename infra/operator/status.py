"""How a stage is: endpoint, queues, jobs, errors, alarms, hours; and what of it needs a look. Changes nothing.

What cannot be known is unknown, and says why; the rest is told all the same.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import httpx
from botocore.exceptions import ClientError

from infra.operator.failures import Failure, read_failures
from infra.operator.measured import VARIANT, Alarm, Figure, read_alarms, read_backlog, read_hours
from infra.operator.queues import Depth, find_queues, read_depth
from infra.operator.stage import DeployedStage, aws_errors
from infra.templates import NAMES
from lambdas.shared.job_folder import DELETED, OUTCOME, PENDING, REQUEST, Job, JobFolder, created_at, status_of
from lambdas.shared.store import Store
from serve.errors import Gen3DError

# In these the endpoint takes jobs as it should: the others mean that it does not yet, no more, or not as it was told.
_WELL: Final = ("InService", "Updating", "SystemUpdating")
# In these a stack is as it was meant to be, or as it was before an update that did not succeed.
_WHOLE: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
# So many jobs, the oldest, are looked at, each by a listing of its folder; and so many marks of jobs at all.
_MOST_JOBS: Final = 100
_MOST_MARKERS: Final = 10_000
# As the alarms have it: so long a job may take to be begun and done, and so late the sweep may come.
_LONG: Final = timedelta(hours=1)
_LATE: Final = timedelta(minutes=15)
_ERRORS_SINCE: Final = timedelta(days=1)
_ERRORS_LATELY: Final = timedelta(hours=1)
_MOST_ERRORS: Final = 5

T = TypeVar("T")


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
class Status:
    """How a stage is. Each part is None where it could not be read.

    Attributes:
        stage: Its name.
        at: When that was so.
        stacks: CloudFormation's status of those that are deployed, by `foundation`, `endpoint` and `service`.
        missing: Those that are not.
        endpoint: The endpoint.
        backlog: How many jobs the endpoint has, waiting or at work.
        queues: The two queues.
        jobs: The jobs under way.
        errors: What went wrong in the last day, the newest first, a few.
        errors_lately: How many errors were logged in the last hour.
        errors_are_all: Whether all of the log was read for these two.
        alarms: Those in ALARM; None in the local cloud too, where none can be.
        instance_hours: How long instances have run this month, in UTC, about.
        unknown: The parts that could not be read, and why.
    """

    stage: str
    at: datetime
    stacks: Mapping[str, str]
    missing: tuple[str, ...]
    endpoint: Endpoint | None
    backlog: Figure
    queues: tuple[Depth, ...] | None
    jobs: Jobs | None
    errors: tuple[Failure, ...] | None
    errors_lately: int | None
    errors_are_all: bool
    alarms: tuple[Alarm, ...] | None
    instance_hours: Figure
    unknown: Mapping[str, str]

    @property
    def needs_a_look(self) -> list[str]:
        """What an operator should look at, a line each; nothing where all is well."""
        return list(_needs(self))


def read_status(stage: DeployedStage) -> Status:
    """How the stage is now."""
    now = datetime.now(UTC)
    unknown: dict[str, str] = {}

    def ask(what: str, read: Callable[[], T]) -> T | None:
        """A part; whoever looks on a bad day needs the others too."""
        try:
            with aws_errors():
                return read()
        except Gen3DError as error:
            unknown[what] = error.message
            return None

    def measured(what: str, read: Callable[[], Figure]) -> Figure:
        return ask(what, read) or Figure(None, unknown[what])

    is_local = stage.local is not None
    if is_local:
        hours = Figure(None, "nothing is measured in the local cloud")
    else:
        hours = measured("instance_hours", lambda: read_hours(stage, now))
    endpoint = ask("endpoint", lambda: _read_endpoint(stage))
    errors, is_all = ask("errors", lambda: read_failures(stage, now - _ERRORS_SINCE)) or (None, False)
    lately = None if errors is None else [each for each in errors if each.is_error and each.at > now - _ERRORS_LATELY]
    return Status(
        stage=stage.name,
        at=now,
        stacks=stage.stacks,
        missing=tuple(part for part in NAMES if part not in stage.stacks),
        endpoint=endpoint,
        backlog=measured("backlog", lambda: _read_backlog(stage, endpoint, now)),
        queues=ask("queues", lambda: tuple(read_depth(stage, queue) for queue in find_queues(stage))),
        jobs=ask("jobs", lambda: _read_jobs(Store(stage.outputs["BucketName"], stage.client("s3")), now)),
        errors=None if errors is None else tuple(errors[:_MOST_ERRORS]),
        errors_lately=None if lately is None else len(lately),
        errors_are_all=is_all,
        alarms=None if is_local else ask("alarms", lambda: read_alarms(stage)),
        instance_hours=hours,
        unknown=unknown,
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
        ServiceNamespace="sagemaker", ResourceIds=[f"endpoint/{name}/variant/{VARIANT}"]
    )["ScalableTargets"]
    scaling: dict[str, Any] = next(iter(targets), {})
    endpoint = Endpoint(
        name=name,
        status=found["EndpointStatus"],
        reason=found.get("FailureReason"),
        instance_types=tuple(types),
        instances=running.get("CurrentInstanceCount"),
        desired=running.get("DesiredInstanceCount"),
        least=scaling.get("MinCapacity"),
        most=scaling.get("MaxCapacity"),
    )
    if stage.local is None:
        return endpoint
    # By the processes that there are: nobody changes the number that the control plane was given.
    return replace(endpoint, instances=_ask_local(stage.local.endpoint, name)["instances"], desired=None)


def _ask_local(address: str, name: str) -> dict[str, int]:
    """What the local endpoint, which plays what SageMaker's control plane only notes there, says of itself."""
    try:
        answer = httpx.get(f"{address}/_gen3d/endpoints/{name}", timeout=10, trust_env=False)
        return dict(answer.raise_for_status().json())
    except (httpx.HTTPError, ValueError) as error:
        raise Gen3DError("local_cloud_failed", f"The local endpoint does not say how it is: {error}") from None


def _read_backlog(stage: DeployedStage, endpoint: Endpoint | None, now: datetime) -> Figure:
    if endpoint is not None and endpoint.status is None:
        return Figure(None, "there is no endpoint")
    if stage.local is None:
        return read_backlog(stage, now)
    told = _ask_local(stage.local.endpoint, stage.outputs["EndpointName"])
    note = f"{told['queued']} waiting, {told['running']} at work, {told['delivering']} being delivered"
    return Figure(told["ApproximateBacklogSize"], note)


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
    this = f"--stage {status.stage}"
    for name in status.missing:
        yield f"the stack Gen3D-{status.stage}-{name} is not deployed"
    for name, state in status.stacks.items():
        # While it is made or updated it is somebody's who looks on.
        if state not in (*_WHOLE, "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"):
            yield f"the stack Gen3D-{status.stage}-{name} is {state}"
    for what, why in status.unknown.items():
        yield f"unknown: {what}: {why}"
    endpoint = status.endpoint
    if endpoint is not None and endpoint.status is None:
        yield f"there is no endpoint {endpoint.name}: jobs wait until there is one, and then are given up"
    elif endpoint is not None and endpoint.status not in _WELL:
        yield f"the endpoint is {endpoint.status}" + (f": {endpoint.reason}" if endpoint.reason else "")
    for queue in status.queues or ():
        if queue.dead:
            yield f"dead letters in {queue.name}: {queue.dead}; `gen3d redrive {this}` shows them"
    if status.jobs is not None:
        yield from _needs_of(status.jobs, status.at, this)
    if status.errors_lately:
        yield f"errors logged in the last hour: {status.errors_lately}; `gen3d logs --since 1h {this}` shows them"
    for alarm in status.alarms or ():
        yield f"alarm {alarm.name}: {alarm.description}"


def _needs_of(jobs: Jobs, now: datetime, this: str) -> Iterator[str]:
    oldest = jobs.oldest
    if oldest is not None and now - oldest.since > _LONG:
        told = f"`gen3d logs {oldest.id} {this}` says what became of it"
        yield f"job {oldest.id} is {oldest.status} for more than an hour: {told}"
    if jobs.overdue:
        yield f"jobs that were due and the sweep has not come for: {jobs.overdue}; see its schedule and its log"
