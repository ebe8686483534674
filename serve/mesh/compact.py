"""One mesh → the bytes of a small GLB for the page: quantised numbers, compressed. Knows neither files nor scenes.

It takes two extensions of glTF 2.0, KHR_mesh_quantization and EXT_meshopt_compression, which three.js and Babylon.js
read; for everybody else there is `gltf.object_glb`. Their specifications stand beside glTF's.
"""

from typing import Any, Final

import meshopt
import numpy as np
from numpy.typing import NDArray

from serve.mesh.glb import INDICES, INT16, UINT16, UINT32, VERTICES, Glb, Json
from serve.mesh.meshes import WebMesh
from serve.mesh.textures import Textures, encode_textures

_QUANTISED: Final = "KHR_mesh_quantization"
_COMPRESSED: Final = "EXT_meshopt_compression"
_UINT16_MAX: Final = np.iinfo(np.uint16).max
# Of the 16 that a coordinate takes: errors up to 0.23°. In 8 they would be up to 1.1°, and a mesh of 50,000 triangles
# 25 kB smaller, of 413.
_NORMAL_BITS: Final = 10


def compact_glb(mesh: WebMesh, name: str, *, generator: str, textures: Textures | None = None) -> bytes:
    """One GLB with one object in its own frame, its triangles and vertices in an order that suits GPUs.

    Positions are rounded to 1/65535 of the longest side of their box, and the node brings them back into the object's
    frame; UVs to 1/65535, at 2048 texels 1/32 of one; normals and tangents to a quarter of a degree. Vertices at the
    same place stay together. The same arguments give the same bytes.

    Args:
        mesh: What to write; vertices that no triangle has are left out.
        name: The node's, the mesh's and the material's.
        generator: What made the file, for the asset's `generator`.
        textures: The mesh's pictures, encoded; made here, as JPEG, where they are not given.

    Raises:
        ValueError: A position is not finite.
    """
    indices, new_place, used = meshopt.reorder_mesh(mesh.faces, triangles=True, optsize=False)
    order = np.argsort(new_place)[:used]
    positions, low, step = _quantised(mesh.positions[order])
    vertex: Json = {"type": "VEC3", "componentType": INT16, "normalized": True}
    glb = Glb(generator)
    views = _Views(glb)
    attributes = {
        "POSITION": views.add_vertices(
            positions,
            type="VEC3",
            componentType=UINT16,
            min=positions.min(axis=0)[:3].tolist(),
            max=positions.max(axis=0)[:3].tolist(),
        ),
        "NORMAL": views.add_directions(mesh.normals[order], **vertex),
        # All 16 bits, so that no transform is needed: 14, an eighth of a texel at 2048, would save 13 kB of those 413.
        "TEXCOORD_0": views.add_vertices(
            # Beyond its edges the sampler has the picture's outermost texels too.
            np.rint(np.clip(mesh.uvs[order], 0, 1) * np.float64(_UINT16_MAX)).astype("<u2"),
            type="VEC2",
            componentType=UINT16,
            normalized=True,
        ),
    }
    if mesh.tangents is not None:
        attributes["TANGENT"] = views.add_directions(mesh.tangents[order], **{**vertex, "type": "VEC4"})
    primitive = {
        "attributes": attributes,
        "indices": views.add_triangles(indices, used),
        "material": glb.add_material(name, encode_textures(mesh) if textures is None else textures),
    }
    views.finish()
    index = glb.add("meshes", {"name": name, "primitives": [primitive]})
    glb.add_root({"name": name, "mesh": index, "translation": low.tolist(), "scale": [step] * 3})
    return glb.to_bytes()


def _quantised(positions: NDArray[np.float32]) -> tuple[NDArray[np.uint16], NDArray[np.float64], float]:
    """(V, 4) whole numbers, the last of each row a filler; the lowest corner (3,); and the step, alike on all axes.

    A position is the lowest corner plus its whole numbers times the step. Were that not alike on all axes, readers
    would bend the normals.
    """
    low = positions.min(axis=0).astype(np.float64)
    longest = float((positions.max(axis=0) - low).max())
    if not np.isfinite(longest):
        raise ValueError("a position is not finite")
    step = longest / _UINT16_MAX if longest > 0 else 1.0
    rows = np.zeros((len(positions), 4), "<u2")
    rows[:, :3] = np.rint((positions - low) / step)
    return rows, low, step


class _Views:
    """Compressed views of a GLB. Each has a place in an unpacked buffer too, which the file describes but lacks."""

    def __init__(self, glb: Glb) -> None:
        self._glb = glb
        self._unpacked = 0
        for extension in (_QUANTISED, _COMPRESSED):
            glb.require(extension)

    def add_vertices(self, rows: NDArray[np.uint16], **accessor: Any) -> int:
        """Appends whole numbers, (V, k), each row a multiple of four bytes; returns the index of their accessor."""
        stride = rows.itemsize * rows.shape[1]
        view = self._add(rows, stride, "ATTRIBUTES", {"byteStride": stride, "target": VERTICES})
        return self._glb.add("accessors", {"bufferView": view, "count": len(rows), **accessor})

    def add_directions(self, vectors: NDArray[np.float32], **accessor: Any) -> int:
        """Appends unit vectors, (V, 3), or with a sign, (V, 4); returns the index of their accessor.

        They are mapped to an octahedron (Meyer et al., "On Floating-Point Normal Vectors", 2010), whose two coordinates
        pack better than three; readers undo that when they unpack, and have four 16-bit numbers for each.
        """
        stride = 8
        signed = np.zeros((len(vectors), 4), np.float32)
        signed[:, : vectors.shape[1]] = vectors
        rows = meshopt.encode_filter_oct(signed, stride, _NORMAL_BITS)
        fields = {"byteStride": stride, "target": VERTICES}
        view = self._add(rows, stride, "ATTRIBUTES", fields, filter="OCTAHEDRAL")
        return self._glb.add("accessors", {"bufferView": view, "count": len(rows), **accessor})

    def add_triangles(self, indices: NDArray[np.uint32], vertices: int) -> int:
        """Appends indices, (3 F,), of so many vertices, as narrow as those allow; returns their accessor's index."""
        narrow = vertices <= _UINT16_MAX  # §3.7.2.1: the greatest number is no vertex's index.
        view = self._add(indices, 2 if narrow else 4, "TRIANGLES", {"target": INDICES})
        accessor = {"componentType": UINT16 if narrow else UINT32, "count": len(indices), "type": "SCALAR"}
        return self._glb.add("accessors", {"bufferView": view, **accessor})

    def finish(self) -> None:
        """Describes the unpacked buffer, when all views are there."""
        fallback = {"byteLength": self._unpacked, "extensions": {_COMPRESSED: {"fallback": True}}}
        self._glb.other_buffers.append(fallback)

    def _add(self, rows: NDArray[Any], stride: int, mode: str, fields: Json, **packing: str) -> int:
        length = len(rows) * stride
        packed = self._glb.append(meshopt.encode_gltf_buffer(rows, mode))
        view = {
            "buffer": 1,
            "byteOffset": self._unpacked,
            "byteLength": length,
            **fields,
            "extensions": {_COMPRESSED: {**packed, "byteStride": stride, "count": len(rows), "mode": mode, **packing}},
        }
        self._unpacked += length  # §3.6.2.4: rows of vertices are multiples of four bytes, and indices come last.
        return self._glb.add("bufferViews", view)
