"""A small reader of GLB files, for the tests. Knows no extensions."""

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_TYPES: dict[int, np.dtype[Any]] = {
    5122: np.dtype("<i2"),
    5123: np.dtype("<u2"),
    5125: np.dtype("<u4"),
    5126: np.dtype("<f4"),
}
_SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@dataclass(frozen=True)
class ReadGlb:
    """A file's JSON document and its binary chunk."""

    document: dict[str, Any]
    binary: bytes

    def view(self, index: int) -> bytes:
        """The bytes of a view."""
        view = self.document["bufferViews"][index]
        assert view["buffer"] == 0
        start = view.get("byteOffset", 0)
        return self.binary[start : start + view["byteLength"]]

    def rows(self, index: int) -> Array:
        """An accessor's values, (n, k), as they are stored."""
        accessor = self.document["accessors"][index]
        number, size = _TYPES[accessor["componentType"]], _SIZES[accessor["type"]]
        stride = self.document["bufferViews"][accessor["bufferView"]].get("byteStride", number.itemsize * size)
        buffer = self.view(accessor["bufferView"])
        strides = (stride, number.itemsize)
        return np.ndarray((accessor["count"], size), number, buffer, accessor.get("byteOffset", 0), strides).copy()

    def picture(self, texture: dict[str, int]) -> bytes:
        """The image file that a material's texture refers to."""
        image = self.document["images"][self.document["textures"][texture["index"]]["source"]]
        return self.view(image["bufferView"])


@dataclass(frozen=True)
class ReadMesh:
    """The arrays of a file's only mesh, the positions as its node moves them. See `WebMesh`."""

    positions: Array
    normals: Array
    uvs: Array
    tangents: Array | None
    faces: Array


def read_glb(data: bytes) -> ReadGlb:
    """A file, whose chunks follow a header of 12 bytes and have one of 8 bytes each."""
    (length,) = struct.unpack_from("<I", data, 12)
    return ReadGlb(json.loads(data[20 : 20 + length]), data[28 + length :])


def read_mesh(data: bytes) -> ReadMesh:
    """What stands in a file with one mesh of floats; `unpack_glb` says in the node's extras where that is moved."""
    glb = read_glb(data)
    (primitive,) = glb.document["meshes"][0]["primitives"]
    assert primitive.get("mode", 4) == 4, "triangles"
    found = {name: glb.rows(index) for name, index in primitive["attributes"].items()}
    assert {rows.dtype for rows in found.values()} == {np.dtype("<f4")}
    (node,) = glb.document["nodes"]
    matrix = np.eye(4)
    if "extras" in node:
        matrix = np.array(node["extras"]["matrix"], dtype=np.float64).reshape(4, 4).T
    positions = found["POSITION"].astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
    faces = glb.rows(primitive["indices"]).reshape(-1, 3)
    return ReadMesh(positions, found["NORMAL"], found["TEXCOORD_0"], found.get("TANGENT"), faces)
