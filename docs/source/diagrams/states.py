"""The states of a job, and what in its folder makes it each: lambdas/shared/job_folder.py derives it so."""

from typing import Final

from docs.source.diagrams.picture import Area, Arrow, Diagram, Frame, Key, Node, Point

# What has to lie in the folder, of which the last makes the state; an outcome says its own.
FILES: Final = {
    "waiting": ("request.json",),
    "uploaded": ("request.json", "image"),
    "queued": ("request.json", "image", "submitted.json"),
    "running": ("request.json", "image", "submitted.json", "progress.json"),
    "succeeded": ("request.json", "outcome.json"),
    "partial": ("request.json", "outcome.json"),
    "failed": ("request.json", "outcome.json"),
    "lost": ("request.json", "outcome.json"),
    "cancelled": ("request.json", "cancelled.json"),
    "deleted": ("deleted.json",),
}
_WAY, _GOOD, _BAD, _GONE = "#e8f1ff", "#e6f6ea", "#fdeaea", "#eef0f2"


def diagram() -> Diagram:
    """From left to right, as time goes."""
    return Diagram(
        title="The states of a job",
        about=(
            "waiting, uploaded, queued and running follow each other. Each can end as failed or cancelled, all but"
            " waiting as lost, running also as succeeded or partial. A job can be deleted at any time."
        ),
        size=(1280, 620),
        nodes=_NODES,
        frames=(
            Frame("Under way", Area(24, 62, 880, 475), "#f7fafe", "#7c9cf0"),
            Frame("Ended: outcome.json, for good", Area(920, 62, 1256, 475), "#fbfcfb", "#6aa84f"),
        ),
        arrows=_ARROWS,
        keys=(
            Key("blue", "the usual way"),
            Key("red", "trouble, with its codes"),
            Key("grey", "what the user does"),
        ),
    )


_NODES: Final = (
    Node("waiting", 120, 160, "waiting", ("request.json",), width=140, fill=_WAY),
    Node("uploaded", 335, 160, "uploaded", ("image",), width=140, fill=_WAY),
    Node("queued", 560, 160, "queued", ("submitted.json",), width=140, fill=_WAY),
    Node("running", 785, 160, "running", ("progress.json",), width=140, fill=_WAY),
    Node("succeeded", 1090, 122, "succeeded", ("every object was made",), width=262, fill=_GOOD),
    Node("partial", 1090, 182, "partial", ("some were",), width=262, fill=_GOOD),
    Node("failed", 1090, 262, "failed", ("none was, or the photo is at fault",), width=262, fill=_BAD),
    Node("lost", 1090, 352, "lost", ("nobody answered in time",), width=262, fill=_BAD),
    Node("cancelled", 1090, 432, "cancelled", ("cancelled.json, for the container",), width=262, fill=_GONE),
    Node("any", 560, 432, "any of the four", ("the user cancels",), width=160),
    Node("all", 560, 520, "any job", ("the user deletes",), width=160),
    Node("deleted", 1090, 520, "deleted", ("deleted.json alone, for seven days",), width=262, fill=_GONE),
)

_ARROWS: Final = (
    Arrow("waiting.right", "uploaded.left", ("photo",), colour="blue"),
    Arrow("uploaded.right", "queued.left", ("extract",), colour="blue"),
    Arrow("queued.right", "running.left", ("instance",), colour="blue"),
    Arrow("running.right-6", "succeeded.left", colour="blue", bend=900),
    Arrow("running.right+6", "partial.left", colour="blue", bend=900),
    Arrow("running.bottom+30", "failed.left-14", ("no_object_made",), colour="red", at=Point(905, 241)),
    Arrow("running.bottom", "failed.left", colour="red"),
    Arrow("queued.bottom", "failed.left", ("inference_failed", "result_unreadable"), colour="red", at=Point(662, 247)),
    Arrow(
        "uploaded.bottom",
        "failed.left+14",
        ("image_empty, image_too_large, image_unsupported",),
        colour="red",
        at=Point(690, 291),
    ),
    Arrow("waiting.bottom", "failed.bottom", ("upload_missing",), colour="red", bend=310, at=Point(220, 305)),
    Arrow("running.bottom-30", "lost.left-8", colour="red"),
    Arrow("queued.bottom-30", "lost.left-8", ("no_answer, never_submitted",), colour="red", at=Point(645, 338)),
    Arrow("uploaded.bottom-30", "lost.left+8", ("never_submitted",), colour="red", at=Point(420, 375)),
    Arrow("any.right", "cancelled.left"),
    Arrow("all.right", "deleted.left"),
)
