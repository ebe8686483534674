"""`gen3d submit`: a job for a stage, as its users make one, from a photo to a folder of meshes. Knows no AWS."""

import argparse
import getpass
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen3d.bar import STAGES, Bar
from gen3d.job_options import EXAMPLE_NOTE, add_job_options, check_job_options, clear_folder, make_folder, read_file
from gen3d.stage_options import add_region, add_stage, job_id, stage_of, typed
from serve.errors import Gen3DError
from serve.file_kinds import identify

if TYPE_CHECKING:
    from infra.operator.service import Service
    from infra.operator.stage import DeployedStage

_EXAMPLES = f"""examples:
  gen3d submit demo/demo.jpg --box 20,20,400,400 --label cup --stage local
  gen3d submit cup.heic --box 75,12,484,394 --quality high --user ada@example.com -o out/cup
  gen3d submit --resume 8204561455749-fbeae30ea5daffa3 --stage local

{EXAMPLE_NOTE}
The password comes from GEN3D_PASSWORD, else it is asked for. The stage local has a demo user, whose password is known;
it is that one where no --user is given. Ctrl-C ends the command and not the job, once the photo is sent.

In AWS the identity needs cloudformation:DescribeStacks; all else is done as the user who signs in.
"""
_PASSWORD = "GEN3D_PASSWORD"  # noqa: S105 - the variable's name
# As the API wants them, by what the file's first bytes say it is.
_MEDIA_TYPES = {
    "AVIF": "image/avif",
    "BMP": "image/bmp",
    "GIF": "image/gif",
    "HEIF": "image/heic",
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
}
_STATUSES = {"waiting": "waiting for the photo", "uploaded": "uploaded", "queued": "queued", "running": "starting"}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "submit",
        help="have a stage turn a photo and boxes into meshes",
        description="Have a stage turn the things in the boxes of a photo into textured 3D meshes, and download them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_job_options(parser, is_photo_needed=False)
    add_stage(parser)
    add_region(parser)
    parser.add_argument(
        "--name", type=_text, metavar="TEXT", help="what the job is called; the photo's name where absent"
    )
    parser.add_argument("--user", metavar="EMAIL", help="who signs in; the demo user of the stage local where absent")
    parser.add_argument(
        "--resume", type=job_id, metavar="JOB", help="make no job, but wait for this one and download what it makes"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="the folder for the results; out/JOB where absent"
    )
    parser.set_defaults(run=run, parser=parser)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is no UTF-8") from None
    return text


def run(arguments: argparse.Namespace) -> int:
    """Does the job; see `main` for the exit status."""
    asked, photo = _asked(arguments)
    if arguments.output is not None:
        make_folder(arguments.output)
    stage = stage_of(arguments)
    if "service" not in stage.stacks:
        message = f"The stage {stage.name} takes no jobs: its stack Gen3D-{stage.name}-service is not deployed."
        raise Gen3DError("stage_not_deployed", message)
    from infra.operator.service import ApiError, Results, Service, Session

    session = Session(stage, *_who(arguments, stage))
    with Service(stage, session) as service, Bar() as bar:
        if arguments.resume is None:
            followed = _begin(service, asked, photo, bar)
        else:
            followed = str(service.job(arguments.resume)["id"])  # raises where it is nobody's
        folder = arguments.output or Path("out") / followed
        try:
            make_folder(folder)
            clear_folder(folder)
            results = Results(service, folder)
            for job in service.follow(followed):
                bar.show(_at(job), job["percent"])
                results.fetch(job)
        except ApiError:  # it was deleted meanwhile
            raise
        except BaseException:
            _say_how_to_go_on(arguments, followed)
            raise
    _tell(job, folder)
    return 0 if any(each["status"] == "succeeded" for each in job["objects"]) else 1


def _at(job: dict[str, Any]) -> str:
    """What a job is at, in words."""
    stage, status = job["stage"], str(job["status"])
    return STAGES[stage] if stage else _STATUSES.get(status, status)


def _asked(arguments: argparse.Namespace) -> tuple[dict[str, Any], bytes]:
    """What the API is asked for, and the photo; nothing of either where a job is resumed."""
    if arguments.resume is not None:
        if arguments.photo is not None or arguments.box is not None:
            arguments.parser.error("--resume makes no job: leave PHOTO and --box out")
        return {}, b""
    if arguments.photo is None or arguments.box is None:
        arguments.parser.error("PHOTO and --box are needed, or --resume")
    boxes, options = check_job_options(arguments)
    photo = read_file(arguments.photo)
    if not photo:
        raise Gen3DError("image_empty", f"'{arguments.photo}' has no bytes.")
    # A file's name may be no UTF-8, which JSON is.
    name = os.fsencode(arguments.photo.name).decode(errors="replace")
    file = {"name": name, "type": _MEDIA_TYPES[identify(photo)], "bytes": len(photo)}
    asked = {
        "boxes": [box.model_dump(exclude_none=True) for box in boxes],
        "options": options.model_dump(exclude_none=True),
        "file": file,
        **({} if arguments.name is None else {"label": arguments.name}),
    }
    return asked, photo


def _who(arguments: argparse.Namespace, stage: "DeployedStage") -> tuple[str, str]:
    """Address and password of who signs in."""
    if stage.local is not None and arguments.user in (None, stage.local.email):
        return stage.local.email, stage.local.password
    if arguments.user is None:
        arguments.parser.error("--user is needed: only the stage local has a user whose password is known")
    user = str(arguments.user)
    password = os.environ.get(_PASSWORD)
    if not password:
        if not sys.stdin.isatty():
            raise Gen3DError("sign_in_failed", f"Nobody is here to be asked for {user}'s password: set {_PASSWORD}.")
        try:
            password = getpass.getpass(f"password of {user}: ")
        except EOFError:
            raise Gen3DError("sign_in_failed", f"No password was given for {user}.") from None
    return user, password


def _begin(service: "Service", asked: dict[str, Any], photo: bytes, bar: Bar) -> str:
    """Makes the job and sends the photo; where that does not succeed, there is no job."""
    made = service.create(asked)
    new = str(made["id"])
    try:
        print(f"job {new}", file=sys.stderr)
        service.upload(
            made["upload"], photo, asked["file"]["type"], lambda sent: bar.show("sending the photo", sent // 10 * 10)
        )
    except BaseException:
        with suppress(Gen3DError):  # then it ends by itself within the hour
            service.delete(new)
        raise
    return new


def _say_how_to_go_on(arguments: argparse.Namespace, job: str) -> None:
    again = typed(arguments, "submit", "--resume", job, user=arguments.user, output=arguments.output)
    print(f"the job goes on; to wait for it again: {again}", file=sys.stderr)


def _tell(job: dict[str, Any], folder: Path) -> None:
    """What was made, for people: the files to stdout, what went wrong to stderr."""
    if job["preview"]:
        print("warning: the shapes are previews: inflated outlines, not reconstructions", file=sys.stderr)
    for each in job["objects"]:
        name = f"object {each['index']}" + (f" ({each['label']})" if each["label"] else "")
        if each["error"] is not None:
            print(f"failed: {name}: {each['error']['code']}: {each['error']['message']}", file=sys.stderr)
        for file in each["files"]:
            print(f"{name}: {folder / file['name']}")
    for file in job["files"]:
        print(folder / file["name"])
    failed = sum(each["status"] == "failed" for each in job["objects"])
    if job["error"] is not None:
        print(f"gen3d: {job['error']['code']}: {job['error']['message']}", file=sys.stderr)
    elif failed == len(job["objects"]):
        print("gen3d: no object could be made; the reasons are above", file=sys.stderr)
    elif failed:
        print(f"warning: {failed} of {len(job['objects'])} objects could not be made", file=sys.stderr)
