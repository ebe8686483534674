"""How long each stage takes and how much a job leaves behind: each measured, stated by somebody, or assumed."""

from dataclasses import dataclass
from typing import Final

from infra.cost.simulate import Work


@dataclass(frozen=True)
class Stage:
    """A figure that the model is fed.

    Attributes:
        value: In `unit`.
        unit: What it counts.
        what: Of what.
        source: Which benchmark measured it, who stated it, or why it is assumed.
    """

    value: float
    unit: str
    what: str
    source: str


OBJECT: Final = Stage(
    20.0, "s", "an object on the GPU (L40S)",
    "assumed: nobody has published an L40S. Others measured 8 to 12 on an H100, 10 to 13 on an A100, 31 on an A800;"
    " benchmarks/gpu.py measures it",
)  # fmt: skip
IMAGE: Final = Stage(2.0, "s", "a photo on the GPU: depth, masks", "assumed; benchmarks/gpu.py measures it")
START: Final = Stage(
    643.0, "s", "an instance's start, from being asked for until it takes a job",
    "stated for a rival, TRELLIS.2 on SageMaker's asynchronous inference; ours was never measured",
)  # fmt: skip
RELEASE: Final = Stage(
    120.0, "s", "an instance's end, from its last job until nothing is paid for it", "assumed; AWS does not say"
)
BEFORE: Final = Stage(2.0, "s", "from the photo's last byte until SageMaker has the job", "assumed")
READ: Final = Stage(
    0.5, "s", "reading the photo, in the container",
    "0.1 for 12 megapixels, 0.4 for 48, measured by benchmarks/preview.py; and S3",
)  # fmt: skip
STORE: Final = Stage(4.0, "s", "finishing and storing the last object, in the container", "assumed")
AFTER: Final = Stage(2.0, "s", "from the answer until the job has ended for its owner", "assumed")
RIVAL_COLD_JOB: Final = Stage(0.39, "USD", "a cold job of the rival", "stated, TRELLIS.2 on the same kind of endpoint")

TIMES: Final = (OBJECT, IMAGE, START, RELEASE, BEFORE, READ, STORE, AFTER)

# What a job leaves behind and asks for, beside the GPU. Counted in the code where there is something to count, else
# assumed; they decide cents.
PHOTO_GB: Final = Stage(0.004, "GB", "a photo", "assumed; kept for 90 days, as the template has it")
OBJECT_GB: Final = Stage(0.015, "GB", "an object's files and its share of the scene", "assumed")
KEPT_MONTHS: Final = Stage(12.0, "months", "how long meshes are kept", "assumed: until their owners delete them")
SENT_GB: Final = Stage(0.010, "GB", "of an object downloaded", "assumed")
PHOTO_MONTHS: Final = Stage(3.0, "months", "how long photos are kept", "infra/foundation.yaml, 90 days")
WRITES_A_JOB: Final = Stage(30.0, "PUT", "of a job: its folder, its progress, its answer", "assumed")
WRITES_AN_OBJECT: Final = Stage(15.0, "PUT", "of an object: its files, its progress", "assumed")
READS_A_JOB: Final = Stage(40.0, "GET", "of a job, but for those who look on", "assumed")
LISTS_A_LOOK: Final = Stage(1.0, "LIST", "of a look at a job", "assumed")
READS_A_LOOK: Final = Stage(4.0, "GET", "of a look at a job", "assumed")
CALLS_A_JOB: Final = Stage(5.0, "calls", "of the API for a job, but for those who look on", "assumed")
CALL_SECONDS: Final = Stage(0.1, "s", "a call of the API in its Lambda", "assumed")
LAMBDA_SECONDS: Final = Stage(1.0, "s", "each of the three other runs of a Lambda for a job", "assumed")
OPEN_SECONDS: Final = Stage(
    1200.0, "s", "for which a page asks for a job, at most", "assumed: then its owner waits for the mail"
)
SQS_A_JOB: Final = Stage(9.0, "requests", "to SQS for a job: three messages, each sent, taken and deleted", "counted")
MAILS_A_JOB: Final = Stage(2.0, "mails", "of a job: to its owner and to the admin", "counted")
LOG_A_CALL: Final = Stage(1.5e-6, "GB", "log lines of a call of the API", "assumed")
LOG_A_JOB: Final = Stage(30e-6, "GB", "log lines of a job elsewhere", "assumed")

# What is there in a month without any job.
WEIGHTS_GB: Final = Stage(14.0, "GB", "weights in S3", "their files as published, model_loader/catalog.py")
IMAGES_GB: Final = Stage(5.6, "GB", "images in ECR", "a commit's two, uncompressed, measured by tests/image")
POLLERS: Final = Stage(
    10.0, "", "who ask SQS for messages, each every 20 s", "two queues, five each as AWS's documentation has it"
)
IDLE_METRICS: Final = Stage(3.0, "metrics", "that have figures without jobs", "infra/service.yaml's filters")
BUSY_METRICS: Final = Stage(25.0, "metrics", "that have figures with jobs", "counted in the code, by dimension")
SWEEP_SECONDS: Final = Stage(0.5, "s", "a run of the sweep", "assumed")


def looks(queued: float, running: float) -> float:
    """How often a page asks for a job until it has ended or its owner has left: web/src/job/follow.ts.

    Args:
        queued: Seconds that it waits for an instance.
        running: Seconds until its end from then on.
    """
    queued = min(queued, OPEN_SECONDS.value)
    running = min(running, OPEN_SECONDS.value - queued)
    often, rarely = min(queued, 20.0), max(0.0, queued - 120.0)
    return often + (queued - often - rarely) / 3 + rarely / 5 + running


def work(objects: int, object_seconds: float = OBJECT.value, start_seconds: float = START.value) -> Work:
    """What a job of so many objects takes, with the seconds on the GPU and of a start that were measured, if any."""
    return Work(
        before=BEFORE.value,
        read=READ.value,
        gpu=IMAGE.value + objects * object_seconds,
        store=STORE.value,
        after=AFTER.value,
        start=start_seconds,
        release=RELEASE.value,
    )
