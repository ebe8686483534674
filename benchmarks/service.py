"""Many jobs of many users through the whole service on this machine: what is lost, how long, how much memory.

`python -m benchmarks.service [--quick] [--json FILE]`. The stage is that of `gen3d up`, with the engine preview. Times
are those at which S3 and SES of the local cloud took what is written at each step. Knows no step's inside.
"""

import os
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from benchmarks.measure import photo_boxes, photo_jpeg, publish, read_arguments, table
from infra.local.installation import STAGE
from infra.local.running import Running
from infra.local.stage import Stage, User, running_stage
from infra.operator.mailbox import read_mails
from infra.operator.service import Service, Session
from infra.operator.stage import DeployedStage
from lambdas.shared.job_folder import IMAGE, OUTCOME, OUTPUT, PENDING, PROGRESS, SUBMITTED, Job

_MEGAPIXELS: Final = 0.1
_SAMPLE_SECONDS: Final = 0.5
_MAILS_WITHIN_SECONDS: Final = 120.0
_JOB_ID: Final = re.compile(r"[0-9]{13}-[0-9a-f]{16}")
_QUEUES: Final = ("ImageUploaded", "ImageUploaded-Dead", "JobFinished", "JobFinished-Dead")
# What is written, and the step that it is the first sign of.
_WRITTEN: Final = {
    IMAGE: "uploaded",
    SUBMITTED: "claimed",
    PROGRESS: "started",
    f"{OUTPUT}object-0.glb": "first object",
    OUTCOME: "outcome",
}
_STEPS: Final = ("submitted", "uploaded", "claimed", "started", "first object", "outcome", "mail")
# A word of a process's command line, and what people know the process by.
_PROGRAMS: Final = {"moto.server": "moto", "sagemaker_types.py": "ministack", "gen3d": "container"}
_OWN: Final = "endpoint, front, clients"
_LAMBDAS: Final = "Lambdas"
_HOW: Final = (
    "{jobs} jobs of {users} users through the stage local as gen3d up runs it, engine preview, quality draft, one box"
    " on a photo of {kilobytes:.0f} kB. Each user has one job at a time, and makes the next when it has ended: at most"
    " {users} are in flight. A step's time is when the local cloud took what is written then: the photo,"
    " submitted.json, the first progress.json, object-0.glb, outcome.json, the mail to the user; submitted is the"
    " client's clock before the first call. Right is that every job has succeeded and has one outcome, that its user"
    " and the admin have a mail, and that no queue holds a message. Memory is the resident set of each process, and of"
    " those that it started, at the beginning and when so many jobs had ended; growth is from a quarter to the end. The"
    " local cloud keeps all in memory: ministack holds every version of every object ({stored:.0f} MB at the end), logs"
    " and mails."
)


@dataclass(frozen=True)
class _Extent:
    jobs: int
    users: int


_FULL: Final = _Extent(jobs=500, users=20)
_QUICK: Final = _Extent(jobs=20, users=4)


@dataclass
class _Played:
    """A job of a user: when the client began it, and when each step was taken."""

    id: str
    to: str
    times: dict[str, float]
    outcomes: int = 0
    status: str = ""
    mails: Counter[str] = field(default_factory=Counter)


class _Memory:
    """Looks again and again at how much memory each program has."""

    def __init__(self) -> None:
        self.samples: list[tuple[int, dict[str, int]]] = []
        self.ended = 0
        self._stop = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Looks meanwhile."""
        self._sample()
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            yield
        finally:
            self._stop.set()
            watcher.join()
            self._sample()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        own = psutil.Process()
        found: Counter[str] = Counter({_OWN: own.memory_info().rss})
        for process in own.children(recursive=True):
            with suppress(psutil.Error):  # it has just ended
                found[_program(process)] += process.memory_info().rss
        self.samples.append((self.ended, dict(found)))

    def rows(self, jobs: int) -> list[dict[str, Any]]:
        """Megabytes of each program at the beginning, and after a quarter, a half and all of the jobs."""
        at = {"start": 0, "quarter": jobs / 4, "half": jobs / 2, "end": jobs}
        chosen = {
            name: next((sample for ended, sample in self.samples if ended >= least), self.samples[-1][1])
            for name, least in at.items()
        }
        chosen["end"] = self.samples[-1][1]
        programs = sorted({program for sample in chosen.values() for program in sample})
        return [
            {
                "program": program,
                **{name: sample.get(program, 0) / 1e6 for name, sample in chosen.items()},
                "growth_per_100_jobs": (chosen["end"].get(program, 0) - chosen["quarter"].get(program, 0))
                / 1e6
                / (0.75 * jobs / 100),
            }
            for program in programs
        ]


def _program(process: psutil.Process) -> str:
    words = process.cmdline()
    for word, program in _PROGRAMS.items():
        if any(each == word or each.endswith(f"/{word}") for each in words):
            return program
    return _LAMBDAS


def main() -> None:
    """Measures everything and prints the tables; exits with 1 where a job or a mail was lost."""
    arguments = read_arguments("Jobs of many users through the local stage: what is lost, how long, how much memory.")
    result = measure(_QUICK if arguments.quick else _FULL)
    publish({"benchmark": "service", "quick": arguments.quick, **result}, _tables(result), arguments.json)
    if result["wrong"]:
        sys.exit("\n".join(result["wrong"]))


def measure(extent: _Extent) -> dict[str, Any]:
    """All there is to say of so many jobs."""
    photo, memory = photo_jpeg(_MEGAPIXELS), _Memory()
    with tempfile.TemporaryDirectory() as folder, running_stage(Path(folder)) as stage:
        users = [stage.add_user(f"user-{number}@example.com") for number in range(extent.users)]
        shares = [len(range(number, extent.jobs, extent.users)) for number in range(extent.users)]
        began = time.time()
        with memory.watching(), ThreadPoolExecutor(extent.users) as pool:
            played = [
                job
                for jobs in pool.map(lambda user, share: _play(stage, user, share, photo, memory), users, shares)
                for job in jobs
            ]
            _wait_for_mails(stage)
        by_id = {job.id: job for job in played}
        stored = _read_times(stage, by_id)
        _read_mails(_running(stage, users[0]), by_id)
        waiting = _waiting(stage)
    last = max(job.times["outcome"] for job in played if "outcome" in job.times)
    middle = sorted(job.times.get("outcome", last) for job in played)[len(played) // 2 - 1]
    half = len(played) // 2
    return {
        "how": _HOW.format(jobs=extent.jobs, users=extent.users, kilobytes=len(photo) / 1e3, stored=stored / 1e6),
        "jobs": extent.jobs,
        "users": extent.users,
        "seconds": last - began,
        "jobs_a_minute": 60 * len(played) / (last - began),
        "jobs_a_minute_first_half": 60 * half / (middle - began),
        "jobs_a_minute_second_half": 60 * (len(played) - half) / (last - middle),
        "outcomes": dict(Counter(job.status for job in played)),
        "wrong": _wrong(played, extent, waiting),
        "mails_repeated": sum(count - 1 for job in played for count in job.mails.values() if count > 1),
        "steps": _step_rows(played),
        "memory": memory.rows(extent.jobs),
        "stored_megabytes": stored / 1e6,
    }


def _play(stage: Stage, user: User, share: int, photo: bytes, memory: _Memory) -> list[_Played]:
    """A user makes so many jobs, one after the other."""
    deployed = DeployedStage("local", stage.outputs, stage.cloud.client, _running(stage, user))
    (box,) = photo_boxes(1, _MEGAPIXELS)
    asked = {
        "boxes": [[box.x_min, box.y_min, box.x_max, box.y_max]],
        "file": {"name": "cup.jpg", "type": "image/jpeg", "bytes": len(photo)},
        "options": {"quality": "draft"},
    }
    played = []
    with Service(deployed, Session(deployed, user.email, user.password)) as service:
        for _ in range(share):
            began = time.time()
            made = service.create(asked)
            service.upload(made["upload"], photo, "image/jpeg", lambda _: None)
            *_, last = service.follow(made["id"])
            memory.ended += 1
            played.append(_Played(made["id"], user.email, {"submitted": began}, status=last["status"]))
    return played


def _running(stage: Stage, user: User) -> Running:
    """The stage as other commands find it, and one of its users."""
    return Running(
        page=stage.page,
        cloud=stage.cloud.address,
        moto=stage.cloud.moto,
        endpoint=stage.endpoint,
        folder=str(stage.folder),
        email=user.email,
        password=user.password,
        pid=os.getpid(),
    )


def _wait_for_mails(stage: Stage) -> None:
    """Until no job is marked as one that somebody has still to look at; the marks go when the mails are sent."""
    s3, until = stage.cloud.client("s3"), time.monotonic() + _MAILS_WITHIN_SECONDS
    while time.monotonic() < until:
        if not s3.list_objects_v2(Bucket=stage.outputs["BucketName"], Prefix=PENDING, MaxKeys=1)["KeyCount"]:
            return
        time.sleep(_SAMPLE_SECONDS)


def _read_times(stage: Stage, played: Mapping[str, _Played]) -> int:
    """When the first version of what each step writes was taken; how many bytes there are of all versions."""
    size = 0
    pages = stage.cloud.client("s3").get_paginator("list_object_versions").paginate(Bucket=stage.outputs["BucketName"])
    for page in pages:
        for version in page.get("Versions", []):
            size += version["Size"]
            found = Job.of_key(version["Key"])
            if found is None or found[0].id not in played or found[1] not in _WRITTEN:
                continue
            job, step, at = played[found[0].id], _WRITTEN[found[1]], version["LastModified"].timestamp()
            job.times[step] = min(at, job.times.get(step, at))
            job.outcomes += step == "outcome"
    return size


def _read_mails(running: Running, played: Mapping[str, _Played]) -> None:
    for mail in read_mails(running):
        for identifier in set(_JOB_ID.findall(mail.text)):
            job, at = played[identifier], mail.at.timestamp()
            if mail.to == job.to:
                job.times["mail"] = min(at, job.times.get("mail", at))
            job.mails["user" if mail.to == job.to else "admin"] += 1


def _waiting(stage: Stage) -> dict[str, int]:
    """How many messages are in each queue, taken by somebody or not."""
    sqs = stage.cloud.client("sqs")
    counts = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    found = {}
    for queue in _QUEUES:
        address = sqs.get_queue_url(QueueName=f"Gen3D-{STAGE}-{queue}")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=address, AttributeNames=list(counts))["Attributes"]
        found[queue] = sum(int(attributes[count]) for count in counts)
    return found


def _wrong(played: Sequence[_Played], extent: _Extent, waiting: Mapping[str, int]) -> list[str]:
    """What should not be, a line each: every job has succeeded, with one outcome, and both have a mail about it."""
    wrong = [] if len(played) == extent.jobs else [f"{len(played)} jobs were made, and not {extent.jobs}"]
    for job in played:
        if job.status != "succeeded":
            wrong.append(f"{job.id} is {job.status}")
        if job.outcomes != 1:
            wrong.append(f"{job.id} has {job.outcomes} outcomes")
        wrong += [f"{job.id}: no mail to the {who}" for who in ("user", "admin") if not job.mails[who]]
    return wrong + [f"{count} messages are in the queue {queue}" for queue, count in waiting.items() if count]


def _step_rows(played: Sequence[_Played]) -> list[dict[str, Any]]:
    """Seconds from each step to the next, over the jobs that have both."""
    spans = [*pairwise(_STEPS), (_STEPS[0], _STEPS[-1])]
    rows = []
    for first, then in spans:
        took = [job.times[then] - job.times[first] for job in played if first in job.times and then in job.times]
        median, late = np.percentile(took, (50, 95))
        rows.append(
            {
                "from": first,
                "to": then,
                "median": float(median),
                "p95": float(late),
                "max": max(took),
                "jobs": len(took),
            }
        )
    return rows


def _tables(result: dict[str, Any]) -> str:
    summary = (
        f"{result['jobs']} jobs in {result['seconds']:.0f} s: {result['jobs_a_minute']:.1f} a minute"
        f" ({result['jobs_a_minute_first_half']:.1f} in the first half, {result['jobs_a_minute_second_half']:.1f} in"
        f" the second). {', '.join(f'{count} {status}' for status, count in result['outcomes'].items())};"
        f" {len(result['wrong'])} things wrong, {result['mails_repeated']} mails repeated. Stored:"
        f" {100 * result['stored_megabytes'] / result['jobs']:.0f} MB in 100 jobs."
    )
    steps = table(
        ("seconds from … to …", "median", "P95", "max"),
        [
            (f"{row['from']} → {row['to']}", *(f"{row[name]:.2f}" for name in ("median", "p95", "max")))
            for row in result["steps"]
        ],
    )
    memory = table(
        ("MB", "start", "¼ done", "½ done", "end", "growth per 100 jobs"),
        [
            (
                row["program"],
                *(f"{row[name]:.0f}" for name in ("start", "quarter", "half", "end", "growth_per_100_jobs")),
            )
            for row in result["memory"]
        ],
    )
    return f"{summary}\n\n{steps}\n\n{memory}"


if __name__ == "__main__":
    main()
