"""`gen3d reconstruct`: the main job in this process, from a photo on disk to a folder of meshes. Knows no server."""

import argparse
import re
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Self, get_args

from pydantic import ValidationError

from serve.contract import Box, Format, Manifest, Options, Progress, Quality
from serve.errors import Gen3DError

_EXAMPLES = """examples:
  gen3d reconstruct cup.jpg --box 75,12,484,394 -o out
  gen3d reconstruct table.jpg --box 10,20,200,300 --label cup --box 220,40,400,300 -o out
  gen3d reconstruct cup.jpg --box 75,12,484,394 --format glb --format usdz --quality high -o out

A box is X0,Y0,X1,Y1 in pixels of the upright photo, x to the right, y down.
What an earlier run left in OUT is replaced.
"""
_MADE = re.compile(
    r"manifest\.json|scene\.glb|(masks|preview)\.png|object-\d+\.(glb|obj\.zip|stl|ply|usdz|splats\.ply|mask\.png)"
)
_WORDS = {
    "decode": "reading the photo",
    "segment": "segmenting",
    "reconstruct": "shaping",
    "finish": "checking",
    "store": "writing",
    "done": "done",
    "failed": "failed",
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "reconstruct",
        help="turn a photo and boxes into meshes",
        description="Turn the things in the boxes of a photo into textured 3D meshes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photo", type=Path, metavar="PHOTO", help="JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP")
    parser.add_argument(
        "--box",
        type=_box,
        action="append",
        required=True,
        metavar="X0,Y0,X1,Y1",
        help="may be given again; where X0 is negative, write --box=X0,Y0,X1,Y1",
    )
    parser.add_argument("--label", action="append", default=[], help="names the boxes, in their order")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the folder for the results")
    parser.add_argument(
        "--format", action="append", choices=get_args(Format), help="may be given again; glb where absent"
    )
    parser.add_argument("--quality", choices=get_args(Quality), default="standard", help="standard where absent")
    parser.add_argument("--faces", type=int, metavar="N", help="about how many triangles an object has")
    parser.add_argument("--texture-size", type=int, metavar="N", help="the texture's longer side at most, in pixels")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="for engines that draw at random; 0 where absent"
    )
    parser.add_argument("--no-scene", action="store_true", help="do not make scene.glb")
    parser.set_defaults(run=run, parser=parser)


def _box(text: str) -> Box:
    """Four numbers between commas."""
    try:
        return Box.model_validate([float(part) for part in text.split(",")])
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not four finite numbers X0,Y0,X1,Y1") from None


def run(arguments: argparse.Namespace) -> int:
    """Does the job; see `main` for the exit status."""
    boxes, options = _checked(arguments)
    # Imported once the arguments are known to be good: they bring OpenCV and SciPy.
    from serve.engines import load_engine
    from serve.images import Photo, read_photo
    from serve.job import run_job
    from serve.progress import ProgressReport
    from serve.settings import read_settings
    from serve.storage import LocalFolder

    settings = read_settings()
    _make(arguments.output)

    def read() -> Photo:
        photo = read_photo(_read(arguments.photo), max_pixels=settings.max_pixels)
        _clear(arguments.output)  # now that there is something to take the place of what lies there
        return photo

    job_id = re.sub(r"[^A-Za-z0-9_.-]", "-", arguments.photo.stem).lstrip("_.-")[:64] or "photo"
    with _Bar() as bar:
        manifest = run_job(
            load_engine(settings),
            job_id,
            read,
            boxes,
            options,
            LocalFolder(arguments.output),
            ProgressReport(job_id, len(boxes), None, bar.show),
        )
    _tell(manifest, arguments.output)
    return 1 if manifest.status == "failed" else 0


def _checked(arguments: argparse.Namespace) -> tuple[list[Box], Options]:
    """The boxes and options; what does not fit together is wrong usage."""
    if len(arguments.label) > len(arguments.box):
        arguments.parser.error(f"{len(arguments.label)} labels for {len(arguments.box)} boxes")
    try:
        options = Options.model_validate(
            {
                "quality": arguments.quality,
                "seed": arguments.seed,
                "formats": arguments.format or ["glb"],
                "faces": arguments.faces,
                "texture_size": arguments.texture_size,
                "scene": not arguments.no_scene,
            }
        )
        boxes = [
            box.model_copy(update={"label": label})
            for box, label in zip_longest(arguments.box, arguments.label, fillvalue=None)
            if box is not None
        ]
        boxes = [Box.model_validate(box.model_dump()) for box in boxes]
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        arguments.parser.error(f"--{option}: {first['msg']}, not {first['input']!r}")
    return boxes, options


def _read(photo: Path) -> bytes:
    try:
        return photo.read_bytes()
    except FileNotFoundError:
        raise Gen3DError("image_not_found", f"There is no file '{photo}'.") from None
    except OSError as error:
        raise Gen3DError("image_access_denied", f"'{photo}' cannot be read: {error.strerror}.") from None


def _make(folder: Path) -> None:
    """The folder for the results, before any work is spent on them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"'{folder}' cannot be made a folder ({error.strerror}): choose another with -o."
        raise Gen3DError("output_not_writable", message) from None


def _clear(folder: Path) -> None:
    """Removes what an earlier run made here, so that its objects are not taken for this one's."""
    for file in folder.iterdir():
        if _MADE.fullmatch(file.name) and file.is_file():
            file.unlink()


class _Bar:
    """A progress bar by object and stage where a person looks on, a line for each step where none does."""

    def __enter__(self) -> Self:
        # Imported here for the sake of --help, which needs none of it.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description:40}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task("starting", total=100)
        self._is_watched = console.is_terminal
        if self._is_watched:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_watched:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Moves the bar."""
        at = _WORDS[progress.stage]
        if progress.object is not None:
            at = f"object {progress.object + 1} of {progress.objects}: {at}"
        if progress.step is not None:
            at = f"{at}, step {progress.step} of {progress.steps}"
        self._bar.update(self._task, description=at, completed=progress.percent)
        if not self._is_watched:
            print(f"{progress.percent:3.0f} %  {at}", file=sys.stderr)


def _tell(manifest: Manifest, folder: Path) -> None:
    """What was made, for people: the files to stdout, what went wrong to stderr."""
    for warning in manifest.warnings:
        print(f"warning: {warning.message}", file=sys.stderr)
    for result in manifest.objects:
        name = f"object {result.index}" + (f" ({result.label})" if result.label else "")
        for warning in result.warnings:
            print(f"warning: {name}: {warning.message}", file=sys.stderr)
        if result.error is not None:
            print(f"failed: {name}: {result.error.code}: {result.error.message}", file=sys.stderr)
        for artefact in result.artefacts:
            print(f"{name}: {folder / artefact.name}")
    for artefact in manifest.artefacts:
        print(folder / artefact.name)
    failed = sum(result.status == "failed" for result in manifest.objects)
    if manifest.status == "failed":
        print("gen3d: no object could be made; the reasons are above", file=sys.stderr)
    elif failed:
        print(f"warning: {failed} of {len(manifest.objects)} objects could not be made", file=sys.stderr)
