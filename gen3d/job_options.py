"""What a job is asked with on a command line: photo, boxes, options, a folder. Knows not who does the job."""

import argparse
import re
from itertools import zip_longest
from pathlib import Path
from typing import Final, get_args

from pydantic import ValidationError

from serve.contract import Box, Format, Options, Quality, TextureFormat
from serve.errors import Gen3DError

EXAMPLE_NOTE: Final = "A box is X0,Y0,X1,Y1 in pixels of the upright photo, x to the right, y down."
_MADE = re.compile(
    r"manifest\.json|scene\.glb|(masks|preview)\.png|thumbnail\.jpg|object-\d+\.((web\.)?glb|obj\.zip|stl|ply|usdz|splats\.ply|mask\.png)"
)


def add_job_options(parser: argparse.ArgumentParser, *, is_photo_needed: bool = True) -> None:
    """Declares the photo, the boxes and the options of the contract; the caller sets the default `parser`."""
    parser.add_argument(
        "photo",
        type=Path,
        nargs=None if is_photo_needed else "?",
        metavar="PHOTO",
        help="JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP",
    )
    parser.add_argument(
        "--box",
        type=_box,
        action="append",
        required=is_photo_needed,
        metavar="X0,Y0,X1,Y1",
        help="may be given again; where X0 is negative, write --box=X0,Y0,X1,Y1",
    )
    parser.add_argument("--label", action="append", default=[], help="names the boxes, in their order")
    parser.add_argument(
        "--format", action="append", choices=get_args(Format), help="may be given again; glb where absent"
    )
    parser.add_argument("--quality", choices=get_args(Quality), default="standard", help="standard where absent")
    parser.add_argument("--faces", type=int, metavar="N", help="about how many triangles an object has")
    parser.add_argument("--texture-size", type=int, metavar="N", help="the texture's longer side at most, in pixels")
    parser.add_argument(
        "--texture-format", choices=get_args(TextureFormat), help="of GLB; jpeg where absent, png for the quality high"
    )
    parser.add_argument(
        "--normal-map", action="store_true", help="with a picture of the turns that fewer triangles lose (sam3d)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="for engines that draw at random; 0 where absent"
    )
    parser.add_argument("--no-scene", action="store_true", help="do not make scene.glb")


def _box(text: str) -> Box:
    """Four numbers between commas."""
    try:
        return Box.model_validate([float(part) for part in text.split(",")])
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not four finite numbers X0,Y0,X1,Y1") from None


def check_job_options(arguments: argparse.Namespace) -> tuple[list[Box], Options]:
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
                "texture_format": arguments.texture_format,
                "normal_map": arguments.normal_map,
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


def read_file(photo: Path) -> bytes:
    """The photo's bytes.

    Raises:
        Gen3DError: `image_not_found` or `image_access_denied`.
    """
    try:
        return photo.read_bytes()
    except FileNotFoundError:
        raise Gen3DError("image_not_found", f"There is no file '{photo}'.") from None
    except OSError as error:
        raise Gen3DError("image_access_denied", f"'{photo}' cannot be read: {error.strerror}.") from None


def make_folder(folder: Path) -> None:
    """The folder for the results, before any work is spent on them.

    Raises:
        Gen3DError: `output_not_writable`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"'{folder}' cannot be made a folder ({error.strerror}): choose another with -o."
        raise Gen3DError("output_not_writable", message) from None


def clear_folder(folder: Path) -> None:
    """Removes what an earlier run made here, so that its objects are not taken for this one's.

    Raises:
        Gen3DError: `output_not_writable`.
    """
    try:
        for file in folder.iterdir():
            if _MADE.fullmatch(file.name) and file.is_file():
                file.unlink()
    except OSError as error:
        message = f"'{folder}' cannot be cleared ({error.strerror}): choose another with -o."
        raise Gen3DError("output_not_writable", message) from None
