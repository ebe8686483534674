"""What the notebook shows its results with: tables, meshes from four sides, and scenes to turn. Knows no endpoint."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
import trimesh
from PIL import Image
from trimesh.viewer.notebook import scene_to_html

from serve.mesh.meshes import WebMesh
from serve.mesh.render import contact_sheet, four_sides


@dataclass(frozen=True)
class Markup:
    """HTML, as Jupyter finds it."""

    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.html


def line(text: str) -> Markup:
    """A line of text."""
    return Markup(f"<p>{escape(text)}</p>")


def table(rows: Sequence[Mapping[str, object]]) -> Markup:
    """A table of rows that have the same columns, in the first one's order."""
    head = "".join(f"<th>{escape(column)}</th>" for column in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(row[column]))}</td>' for column in rows[0])}</tr>" for row in rows)
    return Markup(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def sheet(glbs: Mapping[str, bytes]) -> Image.Image:
    """Meshes from their front, right, back and left, a row for each, drawn as `preview.png` is.

    Args:
        glbs: GLB files with one mesh each, by what stands beside them.
    """
    return Image.fromarray(contact_sheet([(caption, four_sides(_read(glb))) for caption, glb in glbs.items()]))


def viewer(glb: bytes, height: int = 400) -> Markup:
    """A scene to turn with the mouse. The viewer is trimesh's; all of it is in the output, so it needs no network."""
    page = escape(scene_to_html(trimesh.load_scene(io.BytesIO(glb), file_type="glb")))
    return Markup(f'<iframe srcdoc="{page}" style="border: 0; width: 100%; height: {height}px"></iframe>')


def _read(glb: bytes) -> WebMesh:
    (mesh,) = trimesh.load_scene(io.BytesIO(glb), file_type="glb", process=False).geometry.values()
    u, v = np.asarray(mesh.visual.uv, dtype=np.float32).T
    return WebMesh(
        positions=np.asarray(mesh.vertices, dtype=np.float32),
        normals=np.asarray(mesh.vertex_normals, dtype=np.float32),
        uvs=np.column_stack([u, 1 - v]),  # trimesh has the origin in the lower left corner
        faces=np.asarray(mesh.faces, dtype=np.uint32),
        texture=np.asarray(mesh.visual.material.baseColorTexture.convert("RGB")),
    )
