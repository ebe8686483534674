"""Meshes → the bytes of a GLB (glTF 2.0, binary). Knows neither files nor what the meshes show.

Section numbers below are those of the glTF 2.0 specification, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

import io
import json
import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from serve.mesh.colour import to_linear
from serve.mesh.meshes import (
    Mesh,
    OrthographicCamera,
    PhotoCamera,
    Pixels,
    PlacedMesh,
    Placement,
    WebMesh,
)

ROUGHNESS: Final = 0.8
CAMERA_NODE: Final = "photo_camera"

_FLOAT, _UINT16, _UINT32 = 5126, 5123, 5125  # §5.1.3, accessor.componentType
_NEAREST: Final = 1e-4  # of a perspective camera's zfar: depth buffers of 24 bits can take it
_VERTICES, _INDICES = 34962, 34963  # §5.11.5, bufferView.target
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071  # §5.26, sampler
_AS_MADE: Final = Placement(rotation=(0.0, 0.0, 0.0, 1.0), scale=1.0, translation=(0.0, 0.0, 0.0))

Json = dict[str, Any]


def scene_glb(objects: Sequence[PlacedMesh], camera: PhotoCamera | None, *, generator: str) -> bytes:
    """One GLB with a named node per object, each in its place, and a node `CAMERA_NODE` for the camera.

    The same arguments give the same bytes.

    Args:
        objects: At least one, in scene units.
        camera: The photo's camera, in scene units.
        generator: What made the file, for the asset's `generator`.

    Raises:
        ValueError: There is no object (glTF allows no empty scene), or a number is not finite.
    """
    if not objects:
        raise ValueError("a scene needs at least one object")
    writer = _Writer(generator, has_textures=any(isinstance(placed.mesh, WebMesh) for placed in objects))
    for placed in objects:
        mesh = writer.add_mesh(placed.mesh, placed.name)
        writer.add_root({"name": placed.name, "mesh": mesh, **_transform(placed.placement)})
    if camera is not None:
        writer.document["cameras"] = [_lens(camera, objects)]
        writer.add_root({"name": CAMERA_NODE, "camera": 0, **_moved(camera.position)})
    return writer.to_bytes()


def object_glb(mesh: Mesh, name: str, *, generator: str) -> bytes:
    """One GLB with one object in its own frame; see `scene_glb`."""
    return scene_glb([PlacedMesh(name, mesh, _AS_MADE)], None, generator=generator)


def jpeg(texture: Pixels) -> bytes:
    """A texture, (h, w, 3) uint8 sRGB, as JPEG at quality 90 with full chroma: 4:2:0 would cost 4 dB."""
    file = io.BytesIO()
    Image.fromarray(texture).save(file, "JPEG", quality=90, subsampling="4:4:4")
    return file.getvalue()


class _Writer:
    """Collects the JSON document and the binary chunk."""

    def __init__(self, generator: str, *, has_textures: bool) -> None:
        self._binary = bytearray()
        self.document: Json = {
            "asset": {"version": "2.0", "generator": generator},
            "scene": 0,
            "scenes": [{"nodes": []}],
        }
        if has_textures:
            sampler = {
                "magFilter": _LINEAR,
                "minFilter": _LINEAR_MIPMAP_LINEAR,
                "wrapS": _CLAMP_TO_EDGE,
                "wrapT": _CLAMP_TO_EDGE,
            }
            self._add("samplers", sampler)

    def add_root(self, node: Json) -> None:
        """Appends a node at the top of the scene."""
        self.document["scenes"][0]["nodes"].append(self._add("nodes", node))

    def add_mesh(self, mesh: Mesh, name: str) -> int:
        """Appends a mesh with its material, and its picture where it has one; returns its index."""
        # §3.7.2.1: the greatest number of a type restarts the primitive and is no vertex's index.
        narrow = len(mesh.positions) <= np.iinfo(np.uint16).max
        # Rounding on the way here must not cost a normal its unit length, which §3.7.2.1 asks for.
        normals = mesh.normals / np.linalg.norm(mesh.normals.astype(np.float64), axis=1, keepdims=True)
        attributes = {
            "POSITION": self._add_floats(
                mesh.positions,
                min=mesh.positions.min(axis=0).tolist(),
                max=mesh.positions.max(axis=0).tolist(),
            ),
            "NORMAL": self._add_floats(normals),
        }
        if isinstance(mesh, WebMesh):
            attributes["TEXCOORD_0"] = self._add_floats(mesh.uvs)
        else:
            attributes["COLOR_0"] = self._add_colours(mesh.colours)
        indices = self._add(
            "accessors",
            {
                "bufferView": self._add_view(mesh.faces.astype("<u2" if narrow else "<u4").tobytes(), _INDICES),
                "componentType": _UINT16 if narrow else _UINT32,
                "count": mesh.faces.size,
                "type": "SCALAR",
            },
        )
        primitive = {"attributes": attributes, "indices": indices, "material": self._add_material(mesh, name)}
        return self._add("meshes", {"name": name, "primitives": [primitive]})

    def to_bytes(self) -> bytes:
        """The document and the binary chunk as one file (§4)."""
        document = {**self.document, "buffers": [{"byteLength": len(self._binary)}]}
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self._binary) + bytes(-len(self._binary) % 4)
        length = 12 + 8 + len(text) + 8 + len(binary)
        header = struct.pack("<4sII", b"glTF", 2, length)
        return b"".join(
            (
                header,
                struct.pack("<I4s", len(text), b"JSON"),
                text,
                struct.pack("<I4s", len(binary), b"BIN\0"),
                binary,
            )
        )

    def _add_material(self, mesh: Mesh, name: str) -> int:
        surface: Json = {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
        if isinstance(mesh, WebMesh):
            image = {"bufferView": self._add_view(jpeg(mesh.texture)), "mimeType": "image/jpeg"}
            texture = self._add("textures", {"sampler": 0, "source": self._add("images", image)})
            surface = {"baseColorTexture": {"index": texture}, **surface}
        # Without a texture the base colour is COLOR_0 alone: its factor is white where nothing else is said (§5.22).
        # One-sided, glTF's default: the meshes are closed, so nobody sees a triangle from behind.
        return self._add("materials", {"name": name, "pbrMetallicRoughness": surface})

    def _add_floats(self, rows: NDArray[np.floating[Any]], **bounds: list[float]) -> int:
        accessor = {
            "bufferView": self._add_view(rows.astype("<f4").tobytes(), _VERTICES),
            "componentType": _FLOAT,
            "count": len(rows),
            "type": f"VEC{rows.shape[1]}",
            **bounds,
        }
        return self._add("accessors", accessor)

    def _add_colours(self, colours: Pixels) -> int:
        """COLOR_0, which is linear (§3.9.2). In 16 bits: 8 would show steps in dark tones."""
        # §3.7.2.1: each vertex begins at a multiple of 4 bytes, so three components would need padding: four do not.
        rows = np.full((len(colours), 4), np.iinfo(np.uint16).max, dtype="<u2")
        rows[:, :3] = np.rint(to_linear(colours) * np.iinfo(np.uint16).max)
        accessor = {
            "bufferView": self._add_view(rows.tobytes(), _VERTICES),
            "componentType": _UINT16,
            "normalized": True,
            "count": len(rows),
            "type": "VEC4",
        }
        return self._add("accessors", accessor)

    def _add_view(self, data: bytes, target: int | None = None) -> int:
        self._binary += bytes(-len(self._binary) % 4)  # §3.6.2.4: accessors are aligned to their components.
        view = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(data)}
        self._binary += data
        return self._add("bufferViews", view if target is None else {**view, "target": target})

    def _add(self, kind: str, item: Json) -> int:
        items: list[Json] = self.document.setdefault(kind, [])
        items.append(item)
        return len(items) - 1


def _transform(placement: Placement) -> Json:
    """A node's rotation, scale and translation, without those that change nothing."""
    fields: Json = _moved(placement.translation)
    if placement.rotation != _AS_MADE.rotation:
        fields["rotation"] = list(placement.rotation)
    if placement.scale != 1:
        fields["scale"] = [placement.scale] * 3
    return fields


def _moved(translation: tuple[float, float, float]) -> Json:
    return {"translation": list(translation)} if any(translation) else {}


def _lens(camera: PhotoCamera, objects: Sequence[PlacedMesh]) -> Json:
    """The camera, which sees to behind the farthest object, from its own plane (orthographic) or from near it on.

    §3.10.3.4: xmag and ymag are half the width and half the height of what an orthographic camera sees.
    """
    reaches = (
        camera.position[2] - placed.placement.translation[2] + placed.placement.scale * _radius(placed.mesh)
        for placed in objects
    )
    if isinstance(camera, OrthographicCamera):
        # Half the width keeps zfar above znear even for a camera behind everything.
        zfar = max(camera.width / 2, *reaches)
        lens = {"xmag": camera.width / 2, "ymag": camera.height / 2, "znear": 0.0, "zfar": zfar}
        return {"type": "orthographic", "orthographic": lens}
    zfar = max(reaches)
    if zfar <= 0:
        zfar = 1.0  # a camera behind everything sees nothing, however far
    lens = {"yfov": camera.yfov, "aspectRatio": camera.aspect, "znear": zfar * _NEAREST, "zfar": zfar}
    return {"type": "perspective", "perspective": lens}


def _radius(mesh: Mesh) -> float:
    """Of the sphere around the frame's origin that holds the mesh, whichever way it is turned."""
    return float(np.linalg.norm(mesh.positions, axis=1).max())
