"""A GLB with one mesh → its arrays, as whoever opens the file has them. Knows what is written here alone.

That is glTF 2.0 with one mesh, with KHR_mesh_quantization and EXT_meshopt_compression.
"""

import io
import json
import struct
from dataclasses import dataclass
from typing import Any, Final

import meshopt
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from serve.mesh.measure import vertex_normals
from serve.mesh.meshes import DenseMesh

_TYPES: Final = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS: Final = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_COMPRESSED: Final = "EXT_meshopt_compression"


@dataclass(frozen=True)
class Opened:
    """What a file holds.

    Attributes:
        positions: (V, 3) float32.
        faces: (F, 3) int64.
        welded: (F, 3) int64, the faces with vertices at the very same place taken as one.
        normals: (V, 3) float32 unit normals; where the file has none, smooth ones (glTF asks for flat ones there).
        uvs: (V, 2) float32, or None.
        texture: (h, w, 3) uint8 sRGB, or None.
        colours: (V, 3) uint8, where there is no texture, else None.
    """

    positions: NDArray[np.float32]
    faces: NDArray[np.int64]
    welded: NDArray[np.int64]
    normals: NDArray[np.float32]
    uvs: NDArray[np.float32] | None
    texture: NDArray[np.uint8] | None
    colours: NDArray[np.uint8] | None


def open_dense(mesh: DenseMesh) -> Opened:
    """A dense mesh as if it had been read from a file."""
    faces = mesh.faces.astype(np.int64)
    welded, points = weld(mesh.positions, faces)
    normals = _smooth_normals(mesh.positions, faces, welded, points)
    return Opened(mesh.positions, faces, welded, normals, None, None, mesh.colours)


def read_glb(data: bytes) -> Opened:
    """Reads a file with one mesh of one primitive.

    Raises:
        ValueError: The file holds something else.
    """
    document, binary = _chunks(data)
    (mesh,) = document["meshes"]
    (primitive,) = mesh["primitives"]
    attributes = {name: _accessor(document, binary, number) for name, number in primitive["attributes"].items()}
    positions = _placed(attributes["POSITION"], document["nodes"])
    faces = _accessor(document, binary, primitive["indices"]).reshape(-1, 3).astype(np.int64)
    welded, points = weld(positions, faces)
    normals = attributes.get("NORMAL")
    if normals is None:
        normals = _smooth_normals(positions, faces, welded, points)
    colours = attributes.get("COLOR_0")
    return Opened(
        positions,
        faces,
        welded,
        np.asarray(normals, np.float32),
        attributes.get("TEXCOORD_0"),
        _picture(document, binary, primitive),
        # These are meant as sRGB by who wrote them, though glTF takes them as linear.
        None if colours is None else np.rint(colours[:, :3] * 255).astype(np.uint8),
    )


def weld(
    positions: NDArray[np.float32], faces: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The faces (F, 3) with vertices at the very same place taken as one, and the places (P, 3)."""
    # + 0 makes one zero of the two that there are.
    rows = np.ascontiguousarray(positions + np.float32(0)).view([("", np.float32)] * 3).ravel()
    _, first, place_of = np.unique(rows, return_index=True, return_inverse=True)
    return place_of.reshape(-1)[faces], positions[first]


def _smooth_normals(
    positions: NDArray[np.float32], faces: NDArray[np.int64], welded: NDArray[np.int64], points: NDArray[np.float32]
) -> NDArray[np.float32]:
    normals = np.zeros_like(positions)
    normals[faces] = vertex_normals(points.astype(np.float64), welded)[welded]
    return normals


def _chunks(data: bytes) -> tuple[dict[str, Any], bytes]:
    magic, _, _ = struct.unpack_from("<4sII", data)
    if magic != b"glTF":
        raise ValueError("not a GLB")
    length, kind = struct.unpack_from("<I4s", data, 12)
    if kind != b"JSON":
        raise ValueError("a GLB begins with JSON")
    return json.loads(data[20 : 20 + length]), data[20 + length + 8 :]


def _accessor(document: dict[str, Any], binary: bytes, number: int) -> NDArray[Any]:
    """(N, k) numbers, or (N,) of one each; whole numbers that stand for 0…1 or -1…1 as float32."""
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    dtype, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    stride = view.get("byteStride", dtype.itemsize * width)
    raw, start = _view(view, binary), accessor.get("byteOffset", 0)
    rows = np.ndarray((accessor["count"], width), dtype, raw, start, (stride, dtype.itemsize))
    if accessor.get("normalized", False):
        rows = np.maximum(rows / np.float32(np.iinfo(dtype).max), -1).astype(np.float32)
    return np.ascontiguousarray(rows if width > 1 else rows[:, 0])


def _view(view: dict[str, Any], binary: bytes) -> bytes:
    packed = view.get("extensions", {}).get(_COMPRESSED)
    where = view if packed is None else packed
    start = where.get("byteOffset", 0)
    data = binary[start : start + where["byteLength"]]
    if packed is None:
        return data
    rows = meshopt.decode_gltf_buffer(
        data, packed["count"], packed["byteStride"], packed["mode"], packed.get("filter", "NONE")
    )
    return np.asarray(rows).tobytes()


def _placed(positions: NDArray[Any], nodes: list[dict[str, Any]]) -> NDArray[np.float32]:
    """The positions as the nodes move and scale them."""
    placed = positions.astype(np.float64)
    for node in nodes:
        if "rotation" in node or not np.array_equal(node.get("matrix", np.eye(4).ravel()), np.eye(4).ravel()):
            raise ValueError("a node turns")
        placed = placed * node.get("scale", (1, 1, 1)) + node.get("translation", (0, 0, 0))
    return placed.astype(np.float32)


def _picture(document: dict[str, Any], binary: bytes, primitive: dict[str, Any]) -> NDArray[np.uint8] | None:
    if "material" not in primitive:
        return None
    surface = document["materials"][primitive["material"]].get("pbrMetallicRoughness", {})
    if "baseColorTexture" not in surface:
        return None
    image = document["images"][document["textures"][surface["baseColorTexture"]["index"]]["source"]]
    data = _view(document["bufferViews"][image["bufferView"]], binary)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
