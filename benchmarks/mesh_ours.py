"""Gen3D's mesh finishing as the benchmark calls it: dense triangles in, the bytes of a GLB out. Knows no rival."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from serve.contract import TextureFormat
from serve.mesh.compact import compact_glb
from serve.mesh.finish import finish
from serve.mesh.gltf import object_glb
from serve.mesh.meshes import DenseMesh
from serve.mesh.textures import encode_textures

_GENERATOR: Final = "Gen3D benchmark"


def plain(texture_format: TextureFormat, mesh: DenseMesh, faces: int, size: int) -> bytes:
    """The file for everybody."""
    made = finish(mesh, faces, size).mesh
    return object_glb(made, "object", generator=_GENERATOR, textures=encode_textures(made, texture_format))


def compact(mesh: DenseMesh, faces: int, size: int) -> bytes:
    """The file for the page."""
    return compact_glb(finish(mesh, faces, size).mesh, "object", generator=_GENERATOR)


JPEG, COMPACT, PNG = "Gen3D, JPEG", "Gen3D, compact, JPEG", "Gen3D, PNG"
OURS: Final[Mapping[str, Callable[[DenseMesh, int, int], bytes]]] = {
    JPEG: partial(plain, "jpeg"),
    COMPACT: compact,
    PNG: partial(plain, "png"),
}
