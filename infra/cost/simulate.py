"""An endpoint that scales by its backlog, played minute by minute and job by job. Knows neither money nor the page.

What is played, beside the rules in `Scaling`: CloudWatch has a sample at every full minute and shows it a minute later.
An endpoint whose instances are starting or leaving refuses to be scaled again until they have. Who leaves is given no
further job and finishes those it has. A job goes to the instance with the fewest. The GPU works on one job at a time;
reading the photo before and storing the meshes after it go on beside other jobs' work on the GPU.
"""

import heapq
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from infra.cost.scaling import SAMPLE_SECONDS, SAMPLES_ABOVE, SAMPLES_BELOW, SHARE_BELOW, Scaling

# Of several at the same moment they come in this order, then arrivals, then CloudWatch's sample.
_DONE, _READY, _GONE = range(3)
_NEVER: Final = math.inf


@dataclass(frozen=True)
class Work:
    """What a job takes, and an instance to come and go, in seconds.

    Attributes:
        before: From the photo's last byte until SageMaker has the job.
        read: In the container, before the GPU can begin.
        gpu: On the GPU.
        store: In the container, after the GPU.
        after: From the answer until the job has ended for its owner.
        start: An instance, from being asked for until it takes a job.
        release: An instance, from its last job until nothing is paid for it.
    """

    before: float
    read: float
    gpu: float
    store: float
    after: float
    start: float
    release: float


@dataclass(frozen=True)
class Played:
    """What came of it.

    Attributes:
        queued: Of every job that was answered, the seconds it waited for an instance.
        waits: Of the same jobs, from submission to result.
        expired: How many waited for so long that SageMaker gave them up.
        timed_out: How many the container worked on for too long.
        instance_seconds: How long instances ran, from being asked for until nothing was paid for them.
        gpu_seconds: How long GPUs worked.
        starts: How many instances were started.
        most_at_once: The largest backlog that a sample showed.
    """

    queued: NDArray[np.float64]
    waits: NDArray[np.float64]
    expired: int
    timed_out: int
    instance_seconds: float
    gpu_seconds: float
    starts: int
    most_at_once: int


@dataclass(eq=False)
class _Instance:
    asked_at: float
    free_at: float = 0.0  # its GPU
    running: int = 0


@dataclass
class _Alarms:
    """How long each has been over its threshold, in samples that CloudWatch shows."""

    above: int = 0
    below: int = SAMPLES_BELOW  # as after a quiet night
    waking: int = 0
    idle: int = 0
    backlog: int = 0
    coming: tuple[int, int, bool] = (0, 0, False)  # backlog, instances, and whether a job waits for want of any

    def show(self, target: float, backlog: int, instances: int, is_stuck: bool) -> None:
        """A new sample is taken; the one before it is shown."""
        shown, self.coming = self.coming, (backlog, instances, is_stuck)
        self.backlog, per_instance = shown[0], shown[0] / max(1, shown[1])
        self.above = self.above + 1 if per_instance > target else 0
        self.below = self.below + 1 if per_instance < SHARE_BELOW * target else 0
        self.waking = self.waking + 1 if shown[2] else 0
        self.idle = self.idle + 1 if shown[0] == 0 else 0


@dataclass
class _Endpoint:
    scaling: Scaling
    work: Work
    arrivals: NDArray[np.float64]  # at SageMaker
    events: list[tuple[float, int, int, _Instance]] = field(default_factory=list)
    queue: deque[int] = field(default_factory=deque)
    serving: list[_Instance] = field(default_factory=list)
    changing: int = 0  # instances that start or leave
    alarms: _Alarms = field(default_factory=_Alarms)
    running: int = 0
    can_wake_at: float = 0.0
    can_add_at: float = 0.0
    can_remove_at: float = 0.0
    queued: list[tuple[int, float]] = field(default_factory=list)
    answered: list[tuple[int, float]] = field(default_factory=list)
    expired: int = 0
    timed_out: int = 0
    instance_seconds: float = 0.0
    starts: int = 0
    most_at_once: int = 0
    number: int = 0

    def push(self, at: float, kind: int, instance: _Instance) -> None:
        self.number += 1
        heapq.heappush(self.events, (at, kind, self.number, instance))

    def is_at_rest(self) -> bool:
        return not self.queue and not self.running and not self.changing and len(self.serving) == self.scaling.least

    def dispatch(self, now: float) -> None:
        """Gives waiting jobs to instances that have room; gives up those that have waited for too long."""
        while self.queue:
            job = self.queue[0]
            if now - self.arrivals[job] > self.scaling.ttl:
                self.queue.popleft()
                self.expired += 1
                continue
            if not self.serving:
                return
            instance = min(self.serving, key=lambda each: each.running)
            if instance.running >= self.scaling.concurrency:
                return
            self.queue.popleft()
            instance.free_at = max(instance.free_at, now + self.work.read) + self.work.gpu
            done = instance.free_at + self.work.store
            instance.running += 1
            self.running += 1
            if done - now > self.scaling.timeout:
                self.timed_out += 1
            else:
                self.queued.append((job, now - self.arrivals[job]))
                self.answered.append((job, done - self.arrivals[job]))
            self.push(done, _DONE, instance)

    def scale(self, now: float) -> None:
        """What the policies do at a full minute; of several that add, the one that adds most."""
        rules, alarms = self.scaling, self.alarms
        if self.changing:
            return
        there = len(self.serving)
        woken = there + rules.wake_step if alarms.waking >= rules.wake_samples and now >= self.can_wake_at else there
        wanted = math.ceil(alarms.backlog / rules.target)
        added = wanted if alarms.above >= SAMPLES_ABOVE and now >= self.can_add_at else there
        aim = min(rules.most, max(woken, added, there))
        if aim > there:
            for _ in range(aim - there):
                self.push(now + self.work.start, _READY, _Instance(now))
            self.starts += aim - there
            self.changing = aim - there
            ends = now + self.work.start
            self.can_wake_at = ends + rules.wake_cooldown if woken > there else self.can_wake_at
            self.can_add_at = ends + rules.out_cooldown if added > there else self.can_add_at
            return
        if rules.idle_minutes is not None:
            is_quiet, wanted = alarms.idle >= rules.idle_minutes, 0
        else:
            is_quiet = alarms.below >= SAMPLES_BELOW
        aim = max(rules.least, wanted)
        if is_quiet and aim < there and now >= self.can_remove_at:
            self.remove(now, there - aim)

    def remove(self, now: float, count: int) -> None:
        """Those with the least to do leave."""
        order = sorted(range(len(self.serving)), key=lambda place: (self.serving[place].running, -place))
        self.changing, last = count, now
        for place in sorted(order[:count], reverse=True):
            instance = self.serving.pop(place)
            left = now if instance.running == 0 else max(now, instance.free_at + self.work.store)
            last = max(last, left + self.work.release)
            self.push(left + self.work.release, _GONE, instance)
        self.can_remove_at = last + self.scaling.in_cooldown


def simulate(arrivals: NDArray[np.float64], seconds: float, scaling: Scaling, work: Work) -> Played:
    """Plays an endpoint from its least number of instances, with no job before, until all jobs have ended.

    Args:
        arrivals: (n,) seconds at which jobs are submitted, rising.
        seconds: How long instances that never leave are there, if jobs do not take longer.
        scaling: How instances come and go.
        work: What a job and an instance take.
    """
    endpoint = _Endpoint(scaling, work, arrivals + work.before)
    endpoint.serving = [_Instance(0.0) for _ in range(scaling.least)]
    endpoint.starts = scaling.least
    coming, now, next_sample = 0, 0.0, _NEVER
    times = endpoint.arrivals.tolist()
    while coming < len(times) or not endpoint.is_at_rest():
        arrival = times[coming] if coming < len(times) else _NEVER
        happening = endpoint.events[0][0] if endpoint.events else _NEVER
        if happening <= min(arrival, next_sample):
            now, kind, _, instance = heapq.heappop(endpoint.events)
            if kind == _DONE:
                instance.running -= 1
                endpoint.running -= 1
            elif kind == _READY:
                endpoint.changing -= 1
                endpoint.serving.append(instance)
            else:
                endpoint.changing -= 1
                endpoint.instance_seconds += now - instance.asked_at
            endpoint.dispatch(now)
        elif arrival <= next_sample:
            now = arrival
            if endpoint.is_at_rest():  # nobody has looked at the samples since; all of them were quiet
                endpoint.alarms = _Alarms()
                next_sample = (math.floor(now / SAMPLE_SECONDS) + 1) * SAMPLE_SECONDS
            endpoint.queue.append(coming)
            coming += 1
            endpoint.dispatch(now)
        else:
            now, next_sample = next_sample, next_sample + SAMPLE_SECONDS
            endpoint.dispatch(now)
            backlog, there = len(endpoint.queue) + endpoint.running, len(endpoint.serving)
            endpoint.most_at_once = max(endpoint.most_at_once, backlog)
            endpoint.alarms.show(scaling.target, backlog, there, bool(endpoint.queue) and there == 0)
            endpoint.scale(now)
        if endpoint.is_at_rest():
            next_sample = _NEVER
    endpoint.instance_seconds += sum(max(now, seconds) - instance.asked_at for instance in endpoint.serving)
    return _played(endpoint)


def _played(endpoint: _Endpoint) -> Played:
    order = np.argsort([job for job, _ in endpoint.answered], kind="stable")
    queued = np.array([seconds for _, seconds in endpoint.queued], dtype=np.float64)[order]
    answered = np.array([seconds for _, seconds in endpoint.answered], dtype=np.float64)[order]
    worked = len(answered) + endpoint.timed_out
    return Played(
        queued=queued,
        waits=answered + endpoint.work.before + endpoint.work.after,
        expired=endpoint.expired,
        timed_out=endpoint.timed_out,
        instance_seconds=endpoint.instance_seconds,
        gpu_seconds=worked * endpoint.work.gpu,
        starts=endpoint.starts,
        most_at_once=endpoint.most_at_once,
    )
