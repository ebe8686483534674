"""`gen3d reconstruct`: the main job in this process, from a photo on disk to a folder of meshes. Knows no server."""

import argparse
import re
import sys
from pathlib import Path

from gen3d.bar import STAGES, Bar
from gen3d.job_options import EXAMPLE_NOTE, add_job_options, check_job_options, clear_folder, make_folder, read_file
from serve.contract import Manifest, Progress

_EXAMPLES = f"""examples:
  gen3d reconstruct cup.jpg --box 75,12,484,394 -o out
  gen3d reconstruct table.jpg --box 10,20,200,300 --label cup --box 220,40,400,300 -o out
  gen3d reconstruct cup.jpg --box 75,12,484,394 --format glb --format usdz --quality high -o out

{EXAMPLE_NOTE}
What an earlier run left in OUT is replaced.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "reconstruct",
        help="turn a photo and boxes into meshes",
        description="Turn the things in the boxes of a photo into textured 3D meshes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_job_options(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the folder for the results")
    parser.set_defaults(run=run, parser=parser)


def run(arguments: argparse.Namespace) -> int:
    """Does the job; see `main` for the exit status."""
    boxes, options = check_job_options(arguments)
    # Imported once the arguments are known to be good: they bring OpenCV and SciPy.
    from serve.engines import load_engine
    from serve.images import Photo, read_photo
    from serve.job import run_job
    from serve.progress import ProgressReport
    from serve.settings import read_settings
    from serve.storage import LocalFolder

    settings = read_settings()
    make_folder(arguments.output)

    def read() -> Photo:
        photo = read_photo(read_file(arguments.photo), max_pixels=settings.max_pixels)
        clear_folder(arguments.output)  # now that there is something to take the place of what lies there
        return photo

    job_id = re.sub(r"[^A-Za-z0-9_.-]", "-", arguments.photo.stem).lstrip("_.-")[:64] or "photo"
    with Bar() as bar:
        manifest = run_job(
            load_engine(settings),
            job_id,
            read,
            boxes,
            options,
            LocalFolder(arguments.output),
            ProgressReport(job_id, len(boxes), None, lambda progress: show_progress(bar, progress)),
        )
    _tell(manifest, arguments.output)
    return 1 if manifest.status == "failed" else 0


def show_progress(bar: Bar, progress: Progress) -> None:
    """Moves the bar to an object's stage, and to its step where it has steps."""
    at = STAGES[progress.stage]
    if progress.object is not None:
        at = f"object {progress.object + 1} of {progress.objects}: {at}"
    if progress.step is not None:
        at = f"{at}, step {progress.step} of {progress.steps}"
    bar.show(at, progress.percent)


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
