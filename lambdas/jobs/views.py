"""A job as the API tells of it, from what lies in its folder. Reads nothing itself."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from lambdas.shared.documents import SCHEMA_VERSION, File, Outcome, Problem, Progress, moment
from lambdas.shared.job_folder import IMAGE, MANIFEST, OUTPUT, THUMBNAIL, created_at, label_in, status_of


def version(body: dict[str, Any]) -> dict[str, Any]:
    """An answer, with the version of the API's shapes."""
    return {"schema_version": SCHEMA_VERSION, **body}


def summary(
    job_id: str,
    names: Collection[str],
    outcome: Outcome | None,
    progress: Progress | None,
    link: Callable[[str], str],
) -> dict[str, Any]:
    """A job in a list; what it takes to make a link is no call."""
    status = status_of(names, outcome)
    is_pictured = outcome is not None and any(file.name == THUMBNAIL for file in outcome.files)
    return {
        "id": job_id,
        "label": label_in(names),
        "status": status,
        "created_at": moment(created_at(job_id)),
        "ended_at": moment(outcome.ended_at) if outcome else None,
        "stage": progress.stage if progress and status == "running" else None,
        "object": progress.object if progress and status == "running" else None,
        "percent": _percent(progress, outcome) if status == "running" or outcome else 0,
        "error": _problem(outcome.error) if outcome else None,
        "thumbnail_url": link(OUTPUT + THUMBNAIL) if is_pictured else None,
    }


def detail(
    job_id: str,
    found: Mapping[str, int],
    request: dict[str, Any],
    outcome: Outcome | None,
    progress: Progress | None,
    link: Callable[[str], str],
) -> dict[str, Any]:
    """A job by itself.

    Args:
        job_id: Its id.
        found: The sizes of what lies in its folder, by names.
        request: What was asked for.
        outcome: How it ended.
        progress: Where the container is.
        link: Makes the address of something in the folder.
    """

    def files(told: Collection[File]) -> list[dict[str, Any]]:
        return [
            {"name": file.name, "bytes": file.bytes, "media_type": file.media_type, "url": link(OUTPUT + file.name)}
            for file in told
            if OUTPUT + file.name in found
        ]

    def so_far(prefix: str) -> list[dict[str, Any]]:
        """What the container has stored, before it has told of it."""
        names = sorted(name for name in found if name.startswith(OUTPUT + prefix))
        return [
            {"name": name.removeprefix(OUTPUT), "bytes": found[name], "media_type": None, "url": link(name)}
            for name in names
        ]

    boxes = request["boxes"]
    if outcome is not None and outcome.objects:
        objects = [
            {
                "index": each.index,
                "label": each.label,
                "status": each.status,
                "files": files(each.files),
                "error": _problem(each.error),
            }
            for each in outcome.objects
        ]
        # It tells of all files but itself.
        manifest = File(MANIFEST, "application/json", found.get(OUTPUT + MANIFEST, 0))
        job_files = files([*outcome.files, manifest])
    else:
        objects = [
            {
                "index": index,
                "label": box.get("label"),
                "status": "unfinished",
                "files": so_far(f"object-{index}."),
                "error": None,
            }
            for index, box in enumerate(boxes)
        ]
        job_files = []
    return {
        **summary(job_id, found, outcome, progress, link),
        "boxes": boxes,
        "options": request["options"],
        "image_url": link(IMAGE) if IMAGE in found else None,
        "engine": outcome.engine if outcome else None,
        "preview": outcome.preview if outcome else False,
        "objects": objects,
        "files": job_files,
    }


def _percent(progress: Progress | None, outcome: Outcome | None) -> float:
    if outcome is not None:
        return 100
    return progress.percent if progress else 0


def _problem(problem: Problem | None) -> dict[str, Any] | None:
    return None if problem is None else {"code": problem.code, "message": problem.message, "details": {}}
