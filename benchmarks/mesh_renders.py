"""Pictures of dense meshes before and after they are finished, as the page's own viewer draws them, for docs/meshes.md.

`python -m benchmarks.mesh_renders FOLDER`. What is drawn is read from the bytes of the files that people get: the
finished mesh from its compact GLB, the dense one from a GLB with colours by vertex. Both stand in the same place, and
the finished one's size fits the picture. Knows nothing of how any is made.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import trimesh
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page, Route

from benchmarks.dense_meshes import MESHES, dense_mesh
from infra.page import WEB, build_page
from serve.contract import Quality
from serve.mesh.compact import compact_glb
from serve.mesh.finish import finish
from serve.mesh.glb import FLOAT, INDICES, ROUGHNESS, UINT16, UINT32, VERTICES, Glb
from serve.mesh.gltf import object_glb
from serve.mesh.meshes import DenseMesh, Pixels
from serve.mesh.textures import encode_textures
from tests.web.browser import find_browser, launched

View = tuple[float, float, float]

# From the middle to the camera; the viewer's own distance, which shows all of a mesh, counts as 1.
_FROM: Final[dict[str, tuple[View, View]]] = {
    "thin": ((0.46, 0.34, 0.77), (0.15, 0.13, 0.24)),
    "multi": ((0.27, 0.56, 0.65), (0.10, 0.20, 0.22)),
    "blob": ((0.38, 0.29, 0.83), (0.13, 0.10, 0.29)),
}
# The engine sam3d's.
_QUALITIES: Final[dict[Quality, tuple[int, int]]] = {
    "draft": (10_000, 1024),
    "standard": (50_000, 2048),
    "high": (200_000, 2048),
}
_OF_ALL_QUALITIES: Final = "blob"
_TILE: Final = 448
_OVERSAMPLING: Final = 2
_CAPTION: Final = 28
_BACKGROUND, _INK = (245, 245, 247), (29, 29, 31)
_MOST_BYTES: Final = 300_000
_GENERATOR: Final = "Gen3D benchmarks"

_ORIGIN: Final = "http://renders.test"
_BUILD: Final = """
import { build } from "vite";
await build({
  logLevel: "error",
  build: {
    lib: { entry: ["src/viewer/model.ts", "src/viewer/stage.ts"], formats: ["es"] },
    outDir: process.argv[1],
    minify: false,
  },
});
"""
_PAGE: Final = f"""<!doctype html>
<style>
  body {{ margin: 0; background: rgb{_BACKGROUND}; }}
  canvas {{ display: block; width: {_TILE * _OVERSAMPLING}px; height: {_TILE * _OVERSAMPLING}px; outline: none; }}
</style>
<div><canvas></canvas></div>
<script type="module">
import {{ readModel }} from "/model.js";
import {{ createStage }} from "/stage.js";
const stage = createStage(document.querySelector("canvas"), true, () => {{}});
let front = [0, 0, 1];
let place = null;
globalThis.read = async (path, inPlace) => {{
  const model = await readModel(await (await fetch(path)).arrayBuffer());
  if (inPlace) model.root.copy(place, false);
  place = model.root.clone(false);
  stage.show({{ ...model, get front() {{ return front; }} }});
  return model.stats.faces;
}};
globalThis.look = async (mode, from) => {{
  front = from;
  stage.setMode(mode);
  stage.reset();
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
}};
</script>
"""


@dataclass(frozen=True)
class Tile:
    """A picture, (`_TILE`, `_TILE`), and what is written above it."""

    picture: Image.Image
    caption: str


class Viewer:
    """The page's viewer, which draws one mesh after another."""

    def __init__(self, page: Page, viewer: Path) -> None:
        """`viewer` holds its modules."""
        self._page, self._folder, self._glb = page, viewer, b""
        page.set_viewport_size({"width": _TILE * _OVERSAMPLING, "height": _TILE * _OVERSAMPLING})
        page.route(f"{_ORIGIN}/**", self._answer)
        page.on("pageerror", lambda error: print(f"The viewer says: {error}", file=sys.stderr))
        page.goto(_ORIGIN)
        page.wait_for_function("globalThis.read !== undefined")

    def _answer(self, route: Route) -> None:
        name = route.request.url.removeprefix(_ORIGIN).lstrip("/")
        if name == "":
            route.fulfill(body=_PAGE, content_type="text/html")
        elif name == "mesh.glb":
            route.fulfill(body=self._glb, content_type="model/gltf-binary")
        elif (self._folder / name).is_file():
            route.fulfill(path=self._folder / name)
        else:
            route.fulfill(status=404)

    def read(self, glb: bytes, *, in_place: bool = False) -> int:
        """Takes a mesh after the last, as large as fits, or where it is in the last one's frame; its faces' number."""
        self._glb = glb
        return int(self._page.evaluate("(inPlace) => read('/mesh.glb', inPlace)", in_place))

    def look(self, mode: str, view: View) -> Image.Image:
        """A picture of the mesh: `textured`, `plain` or `wireframe`."""
        self._page.evaluate("([mode, view]) => look(mode, view)", [mode, list(view)])
        seen = Image.open(io.BytesIO(self._page.locator("canvas").screenshot())).convert("RGB")
        return seen.resize((_TILE, _TILE), Image.Resampling.LANCZOS)


def main() -> None:
    """Makes the pictures, and says how large they are."""
    parser = argparse.ArgumentParser(description="Pictures of dense meshes before and after they are finished.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to put them")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with running_viewer() as viewer:
        for name in MESHES:
            dense = dense_mesh(name)
            _save(folder / f"mesh-{name}.jpg", _before_and_after(viewer, name, dense))
            if name == _OF_ALL_QUALITIES:
                _save(folder / "mesh-qualities.jpg", _all_qualities(viewer, name, dense))


@contextmanager
def running_viewer() -> Iterator[Viewer]:
    """Builds the viewer and has a browser run it meanwhile."""
    program = find_browser()
    if program is None:
        sys.exit("There is no Chromium on the PATH.")
    build_page()  # installs what the viewer is built with
    node = shutil.which("node", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if node is None:
        sys.exit("There is no Node on the PATH.")
    with tempfile.TemporaryDirectory() as built, launched(program) as browser:
        command = [node, "--input-type=module", "--eval", _BUILD, built]
        subprocess.run(command, cwd=WEB, check=True)
        yield Viewer(browser.new_page(), Path(built))


def _before_and_after(viewer: Viewer, name: str, dense: DenseMesh) -> list[list[Tile]]:
    """Rows: colours, the shape alone, both from near; columns: dense, finished, and what else is to be seen of it."""
    far, near = _FROM[name]
    texture, caption = _read_finished(viewer, dense, "standard")
    second = [
        Tile(viewer.look("textured", far), f"finished: {caption}"),
        Tile(viewer.look("plain", far), "finished, the shape alone"),
        Tile(viewer.look("textured", near), "finished, from near"),
    ]
    third = [
        texture,
        Tile(viewer.look("wireframe", far), "finished, its faces"),
        Tile(viewer.look("wireframe", near), "finished, its faces from near"),
    ]
    count = viewer.read(_dense_glb(dense), in_place=True)
    as_upstream = trimesh.Trimesh(dense.positions, dense.faces, vertex_colors=dense.colours, process=False)
    size = _megabytes(cast(bytes, as_upstream.export(file_type="glb")))
    first = [
        Tile(viewer.look("textured", far), f"dense: {count:,} faces, {size}"),
        Tile(viewer.look("plain", far), "dense, the shape alone"),
        Tile(viewer.look("textured", near), "dense, from near"),
    ]
    return [list(row) for row in zip(first, second, third, strict=True)]


def _all_qualities(viewer: Viewer, name: str, dense: DenseMesh) -> list[list[Tile]]:
    """A column for each quality."""
    _, near = _FROM[name]
    columns = []
    for quality in _QUALITIES:
        texture, caption = _read_finished(viewer, dense, quality)
        columns.append(
            [
                Tile(viewer.look("textured", near), f"{quality}: {caption}"),
                Tile(viewer.look("wireframe", near), f"{quality}, its faces"),
                texture,
            ]
        )
    return [list(row) for row in zip(*columns, strict=True)]


def _read_finished(viewer: Viewer, dense: DenseMesh, quality: Quality) -> tuple[Tile, str]:
    """Has the viewer show the mesh, finished; its texture, and its numbers in words."""
    faces, size = _QUALITIES[quality]
    mesh = finish(dense, faces, size).mesh
    textures = encode_textures(mesh, "png" if quality == "high" else "jpeg")
    plain = object_glb(mesh, "object", generator=_GENERATOR, textures=textures)
    compact = compact_glb(mesh, "object", generator=_GENERATOR, textures=textures)
    count = viewer.read(compact)
    return _atlas(mesh.texture), f"{count:,} faces, {_megabytes(plain)}, compact {_megabytes(compact)}"


def _dense_glb(dense: DenseMesh) -> bytes:
    """Colours by vertex, as glTF has them: in linear light; with normals and the finished mesh's kind of surface."""
    normals = trimesh.Trimesh(dense.positions, dense.faces, process=False).vertex_normals.astype("<f4")
    encoded = dense.colours / np.float64(255)
    # IEC 61966-2-1: sRGB.
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    colours = np.full((len(linear), 4), 65535, "<u2")
    colours[:, :3] = np.rint(linear * 65535)
    glb = Glb(_GENERATOR)
    count = len(normals)

    def add(data: bytes, component: int, kind: str, number: int, target: int, **more: Any) -> int:
        view = glb.add_view(data, target=target)
        accessor = {"bufferView": view, "componentType": component, "type": kind, "count": number, **more}
        return glb.add("accessors", accessor)

    positions = dense.positions.astype("<f4")
    bounds = {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
    attributes = {
        "POSITION": add(positions.tobytes(), FLOAT, "VEC3", count, VERTICES, **bounds),
        "NORMAL": add(normals.tobytes(), FLOAT, "VEC3", count, VERTICES),
        "COLOR_0": add(colours.tobytes(), UINT16, "VEC4", count, VERTICES, normalized=True),
    }
    indices = add(dense.faces.astype("<u4").tobytes(), UINT32, "SCALAR", dense.faces.size, INDICES)
    surface = {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
    material = glb.add("materials", {"pbrMetallicRoughness": surface})
    primitive = {"attributes": attributes, "indices": indices, "material": material}
    glb.add_root({"mesh": glb.add("meshes", {"primitives": [primitive]})})
    return glb.to_bytes()


def _atlas(texture: Pixels) -> Tile:
    height, width = texture.shape[:2]
    picture = Image.fromarray(texture).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
    return Tile(picture, f"its texture: {width} by {height}")


def _megabytes(data: bytes) -> str:
    return f"{len(data) / 1e6:.1f} MB"


def _save(path: Path, rows: Sequence[Sequence[Tile]]) -> None:
    """A sheet of the tiles, as a JPEG of at most `_MOST_BYTES`."""
    font = ImageFont.load_default(16)
    gap = 8
    width = len(rows[0]) * (_TILE + gap) - gap
    height = len(rows) * (_TILE + _CAPTION + gap) - gap
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    for down, row in enumerate(rows):
        for across, tile in enumerate(row):
            x, y = across * (_TILE + gap), down * (_TILE + _CAPTION + gap)
            draw.text((x + 4, y + _CAPTION / 2), tile.caption, fill=_INK, font=font, anchor="lm")
            sheet.paste(tile.picture, (x, y + _CAPTION))
    for quality in range(92, 20, -4):
        file = io.BytesIO()
        sheet.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= _MOST_BYTES:
            break
    path.write_bytes(file.getvalue())
    print(f"{path}: {width} × {height}, {file.tell():,} bytes, JPEG quality {quality}")


if __name__ == "__main__":
    main()
