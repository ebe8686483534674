"""The way of one photo, from the page to the mail, in numbered steps."""

from itertools import pairwise
from typing import Final

from docs.source.diagrams.picture import Area, Arrow, Diagram, Frame, Key, Node, Point

_STAGES: Final = ("decode", "segment", "reconstruct", "finish", "store")


def diagram() -> Diagram:
    """What is called, in which order, and what it leaves in the job's folder."""
    return Diagram(
        title="The way of one photo",
        about=(
            "The page makes a job and uploads the photo. Its event starts extract, which invokes the endpoint; the"
            " container stores each object as it is done. SageMaker's answer starts notify, which writes the outcome"
            " and sends the mails. The page asks the API for the status meanwhile, and fetches meshes from S3."
        ),
        size=(1300, 950),
        nodes=(*_NODES, *_stages()),
        frames=_FRAMES,
        arrows=(*_ARROWS, *_between_stages()),
        keys=(
            Key("blue", "a call or an event"),
            Key("blue", "by a signed address", dashed=True),
            Key("red", "a mail"),
            Key("grey", "where SageMaker gives a job up"),
        ),
    )


_FRAMES: Final = (
    Frame("Bucket", Area(440, 256, 730, 728), "#eef8ec", "#6aa84f"),
    Frame("job folder", Area(455, 291, 715, 713), "#ffffff", "#6aa84f", dashed=True),
    Frame("Container", Area(1015, 290, 1280, 650), "#eaf8f4", "#45a98f"),
)

_FILE: Final = 232

_NODES: Final = (
    Node("person", 100, 405, "Person", ("page, curl,", "gen3d submit"), "person"),
    Node("api", 330, 130, "API Gateway", ("checks the token",), "api", ("foundation.HttpApi", "service.JobsRoute")),
    Node("jobs", 585, 130, "jobs", ("Lambda",), "lambda", ("service.Jobs",)),
    Node("request", 585, 350, "request.json", ("by jobs",), width=_FILE),
    Node("image", 585, 405, "image", ("by the person",), width=_FILE),
    Node("submitted", 585, 460, "submitted.json", ("by extract: claimed, then done",), width=_FILE),
    Node("progress", 585, 515, "progress.json", ("by the container",), width=_FILE),
    Node("output", 585, 570, "output/", ("by the container",), width=_FILE),
    Node("outcome", 585, 625, "outcome.json", ("by whoever ends it first",), width=_FILE),
    Node("mails", 585, 680, "mail-user.json", ("and mail-admin.json: by notify",), width=_FILE),
    Node(
        "answer",
        900,
        614,
        "async/output/",
        ("the manifest,", "by SageMaker"),
        width=130,
        fill="#eef8ec",
        line="#6aa84f",
    ),
    Node("uploaded", 870, 340, "ImageUploaded", ("queue",), "sqs", ("foundation.ImageUploaded",)),
    Node("extract", 870, 130, "extract", ("Lambda",), "lambda", ("service.Extract",)),
    Node("endpoint", 1148, 130, "SageMaker", ("endpoint, its own queue",), "sagemaker", ("endpoint.Endpoint",)),
    Node("failed", 1148, 800, "InvocationFailed", ("topic",), "sns", ("foundation.InvocationFailed",)),
    Node("finished", 870, 800, "JobFinished", ("queue",), "sqs", ("foundation.JobFinished",)),
    Node("notify", 585, 800, "notify", ("Lambda",), "lambda", ("service.Notify",)),
    Node("ses", 330, 800, "SES", ("to the person, to the admin",), "ses", ("service.MailSettings",)),
)

_ARROWS: Final = (
    Arrow("person.top-14", "api.left", ("POST /api/jobs",), number="1", colour="blue", at=Point(125, 130)),
    Arrow("api.right", "jobs.left", colour="blue"),
    Arrow(
        "jobs.bottom",
        "request.top",
        ("the job, and a marker in pending/",),
        number="2",
        colour="blue",
        at=Point(585, 235),
    ),
    Arrow(
        "person.right",
        "image.left",
        ("the photo, by a form",),
        number="3",
        colour="blue",
        dashed=True,
        at=Point(215, 405),
    ),
    Arrow("image.right", "uploaded.left", ("event",), number="4", colour="blue", bend=805, at=Point(742, 405)),
    Arrow("uploaded.top", "extract.bottom", colour="blue"),
    Arrow("extract.right", "endpoint.left", ("InvokeEndpointAsync",), number="5", colour="blue", at=Point(935, 130)),
    Arrow("endpoint.bottom", "decode.top", ("POST", "/invocations"), number="6", colour="blue", at=Point(1148, 243)),
    Arrow(
        "store.left-12",
        "output.right",
        ("each object, once done",),
        number="7",
        colour="blue",
        via=(Point(990, 602), Point(990, 548), Point(770, 548), Point(770, 570)),
        at=Point(800, 548),
    ),
    Arrow("store.left", "answer.right", number="8", colour="blue", at=Point(1002, 614)),
    Arrow("answer.bottom", "finished.top+30", ("event",), number="9", colour="blue", at=Point(900, 690)),
    Arrow("finished.left", "notify.right", colour="blue"),
    Arrow("notify.top", "mails.bottom", ("the outcome",), number="10", colour="blue", at=Point(585, 744)),
    Arrow("outcome.right", "finished.top-45", ("event",), number="11", colour="blue", at=Point(760, 625)),
    Arrow("notify.left", "ses.right", ("mails",), number="12", colour="blue", at=Point(440, 800)),
    Arrow("ses.left", "person.bottom", colour="red"),
    Arrow(
        "person.top+14",
        "api.bottom",
        ("GET /api/jobs/JOB",),
        number="13",
        colour="blue",
        bend=285,
        at=Point(140, 285),
    ),
    Arrow(
        "output.left",
        "person.right+16",
        ("meshes, by links",),
        number="14",
        colour="blue",
        dashed=True,
        bend=250,
        at=Point(262, 500),
    ),
    Arrow("endpoint.right", "failed.right", ("failed, or waited", "for too long"), bend=1290, at=Point(1230, 720)),
    Arrow("failed.left", "finished.right"),
)


def _stages() -> tuple[Node, ...]:
    """What the container does with a job, from top to bottom."""
    said = {
        "decode": "photo → upright pixels",
        "segment": "box → mask",
        "reconstruct": "mask → dense mesh",
        "finish": "dense mesh → mesh, texture",
        "store": "files, then the manifest",
    }
    return tuple(
        Node(stage, 1148, 350 + 66 * place, stage, (said[stage],), width=206) for place, stage in enumerate(_STAGES)
    )


def _between_stages() -> tuple[Arrow, ...]:
    return tuple(Arrow(f"{stage}.bottom", f"{after}.top", colour="blue") for stage, after in pairwise(_STAGES))
