"""Takes a drawing the whole way to a mesh, as the command does. Knows neither the network nor what it runs on."""

import io
import tempfile
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import trimesh
from numpy.typing import NDArray

from selftest.report import CheckFailedError
from serve.contract import Box, Format, Manifest, Options
from serve.engines import load_engine
from serve.images import Photo, read_photo
from serve.job import run_job
from serve.progress import ProgressReport
from serve.segment.draw import png
from serve.settings import Settings, read_settings
from serve.storage import MemoryFolder
from serve.warm_up import drawing

_MARGIN: Final = 12  # pixels between the ball and its box, at the least
_LEAST_OVERLAP: Final = 0.9  # of what the preview makes of a picture this plain


def try_preview() -> str:
    """The ball in the drawing becomes a closed mesh of its outline.

    Raises:
        CheckFailedError: The object failed, or is not what was drawn.
        Gen3DError: The job as a whole failed.
    """
    pixels, ball = drawing()
    manifest, files = _make(read_settings(engine="preview"), ("glb", "usdz"))
    (result,) = manifest.objects
    mesh = _mesh(files["object-0.glb"])
    if not mesh.is_watertight:
        raise CheckFailedError("the mesh has holes: this installation works wrongly")
    shape = np.zeros(pixels.shape[:2], dtype=bool)
    shape[ball.box.y_min : ball.box.y_max, ball.box.x_min : ball.box.x_max] = ball.mask
    mask = read_photo(files["object-0.mask.png"], max_pixels=shape.size).pixels[..., 0] > 0
    overlap = min((mask & shape).sum() / (mask | shape).sum(), result.silhouette_iou or 0.0)
    if overlap < _LEAST_OVERLAP:
        raise CheckFailedError(
            f"mask and silhouette overlap what was drawn by {overlap:.0%} alone: this installation works wrongly"
        )
    return f"a drawing became a closed mesh of {len(mesh.faces)} triangles; the outlines overlap by {overlap:.0%}"


def try_sam3d(device: Literal["cuda", "cpu"]) -> str:
    """A tiny genuine network with random weights makes a mesh and splats of the ball in the drawing.

    Raises:
        CheckFailedError: The object failed, or is empty or not finite.
        Gen3DError: The engine did not load, or the job as a whole failed.
    """
    from selftest.bundle import write_tiny_bundle

    with tempfile.TemporaryDirectory() as folder:
        write_tiny_bundle(Path(folder))
        settings = read_settings(engine="sam3d", weights=Path(folder), device=device)
        _, files = _make(settings, ("glb", "splats"))
    triangles = len(_mesh(files["object-0.glb"]).faces)
    splats = len(_points(trimesh.load(io.BytesIO(files["object-0.splats.ply"]), file_type="ply"), "splats"))
    return f"a tiny genuine network made a mesh of {triangles} triangles and {splats} splats; its weights are random"


def _make(settings: Settings, formats: tuple[Format, ...]) -> tuple[Manifest, dict[str, bytes]]:
    pixels, ball = drawing()
    corners = ball.box.x_min, ball.box.y_min, ball.box.x_max, ball.box.y_max
    box = Box.model_validate(np.add(corners, (-_MARGIN, -_MARGIN, _MARGIN, _MARGIN)).tolist())

    def read() -> Photo:
        return read_photo(png(pixels), max_pixels=settings.max_pixels)

    output, report = MemoryFolder(), ProgressReport("selftest", 1, None)
    options = Options(quality="draft", formats=formats)
    manifest = run_job(load_engine(settings), "selftest", read, [box], options, output, report)
    for result in manifest.objects:
        if result.error is not None:
            raise CheckFailedError(f"the object failed: {result.error.code}: {result.error.message}")
    return manifest, output.files


def _mesh(glb: bytes) -> Any:
    """As another program reads it, and not empty."""
    mesh = trimesh.load_scene(io.BytesIO(glb), file_type="glb").to_mesh()
    _points(mesh, "vertices")
    if not len(mesh.faces):
        raise CheckFailedError("the mesh has no triangles")
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    return mesh


def _points(made: Any, what: str) -> NDArray[np.float64]:
    """(N, 3), all finite."""
    points: NDArray[np.float64] = made.vertices
    if not len(points) or not np.isfinite(points).all():
        raise CheckFailedError(f"there are {len(points)} {what}, or numbers that are not finite")
    return points
