"""A dense mesh → the mesh that people get: mended, of fewer triangles, unwrapped, its colours in a picture.

Knows neither the network that made the one nor the files that the other goes to.
"""

from typing import NamedTuple

import numpy as np

from serve.contract import Cleaned
from serve.mesh.finish.bake import bake
from serve.mesh.finish.clean import clean
from serve.mesh.finish.faulty import faulty_mesh
from serve.mesh.finish.simplify import simplify
from serve.mesh.finish.tangents import normal_map as to_normal_map
from serve.mesh.finish.tangents import vertex_tangents
from serve.mesh.finish.unwrap import unwrap
from serve.mesh.measure import vertex_normals
from serve.mesh.meshes import DenseMesh, WebMesh


class Finished(NamedTuple):
    """The mesh, and what was mended on the way."""

    mesh: WebMesh
    cleaned: Cleaned


def finish(dense: DenseMesh, faces: int, texture_size: int, *, normal_map: bool = False) -> Finished:
    """The same arguments give the same mesh. Python's global lock is released nearly all the time.

    Args:
        dense: As it was decoded.
        faces: About how many triangles the result has: fewer where there were fewer, more where small parts or borders
            would be lost.
        texture_size: The texture's width and height, in pixels.
        normal_map: Whether the result has one.

    Raises:
        Gen3DError: `reconstruction_failed`, where nothing of the mesh is any good.
    """
    cleaned, report = clean(dense)
    simple = simplify(cleaned.positions, cleaned.faces, faces)
    flat = unwrap(simple.positions, simple.faces, texture_size)
    # Those of the surface before it was cut open, so that no seam shows.
    smooth = vertex_normals(simple.positions.astype(np.float64), simple.faces.astype(np.int64))
    positions, normals = simple.positions[flat.source], smooth[flat.source].astype(np.float32)
    starts = simple.origin[flat.source]
    baked = bake(cleaned, positions, flat.faces, flat.uvs, starts, texture_size, with_normals=normal_map)
    tangents = turns = None
    if baked.normals is not None:
        tangents = vertex_tangents(positions, normals, flat.faces, flat.uvs)
        turns = to_normal_map(baked.normals, baked.texels, normals, tangents, flat.faces, texture_size)
    mesh = WebMesh(positions, normals, flat.uvs, flat.faces.astype(np.uint32), baked.texture, turns, tangents)
    return Finished(mesh, report)


def warm_up() -> None:
    """Calls every kernel, so that none is left to compile: the first time on a machine that takes most of a minute."""
    finish(faulty_mesh(), 300, 64, normal_map=True)
