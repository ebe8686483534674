"""Normals in space → glTF's normal map and the tangents it is read by. Knows not where the normals come from."""

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.gutters import fill
from serve.mesh.finish.kernels import kernel
from serve.mesh.finish.texels import Texels
from serve.mesh.finish.vectors import cross, dot, mixed, row
from serve.mesh.meshes import Floats, Pixels


def vertex_tangents(positions: Floats, normals: Floats, faces: NDArray[np.int32], uvs: Floats) -> Floats:
    """Where u grows on the surface around each vertex.

    The mean of the faces' own directions, each laid into the plane across the normal and weighted by the face's angle
    there (Mikkelsen, "Simulation of wrinkled surfaces revisited", 2008: MikkTSpace). The sign is what viewers multiply
    cross(normal, tangent) by to get the bitangent (glTF 2.0, section 3.7.2.1), which points up in the picture: towards
    smaller v.

    Args:
        positions: (n, 3) float32. Vertices lie doubled along seams, so that the UVs around one are in one piece.
        normals: (n, 3) float32, unit length.
        faces: (f, 3) int32.
        uvs: (n, 2) float32, the origin in the texture's upper left corner.

    Returns:
        (n, 4) float32: a unit vector across the normal, and 1, or -1 where the texture lies mirrored on the surface.
        Where no face around has an area in the texture, the vector is any across the normal and the sign is 1.
    """
    across = normals.astype(np.float64)
    corners, flat = positions[faces].astype(np.float64), uvs[faces].astype(np.float64)
    (ab, ac), (uv_ab, uv_ac) = (np.moveaxis(each[:, 1:] - each[:, :1], 1, 0) for each in (corners, flat))
    area = uv_ab[:, 0] * uv_ac[:, 1] - uv_ab[:, 1] * uv_ac[:, 0]
    along_u = np.sign(area)[:, None] * (ab * uv_ac[:, 1:] - ac * uv_ab[:, 1:])
    total, mirrored = np.zeros((len(positions), 3)), np.zeros(len(positions))
    for corner in range(3):
        vertex = faces[:, corner]
        sides = (_unit(corners[:, (corner + turn) % 3] - corners[:, corner]) for turn in (1, 2))
        angle = np.arccos(np.clip(np.einsum("ni,ni->n", *sides), -1, 1))
        weighted = angle[:, None] * _unit(_across(along_u, across[vertex]))
        for axis in range(3):
            total[:, axis] += np.bincount(vertex, weighted[:, axis], len(positions))
        mirrored += np.bincount(vertex, angle * np.sign(area), len(positions))
    tangents = _unit(_across(total, across))
    lost = ~tangents.any(axis=1)
    least = np.eye(3)[np.argmin(np.abs(across[lost]), axis=1)]
    tangents[lost] = _unit(_across(least, across[lost]))
    # v runs down: what is not mirrored turns clockwise in the picture's coordinates, an area below 0.
    return np.column_stack([tangents, np.where(mirrored > 0, -1, 1)]).astype(np.float32)


def normal_map(
    found: Floats, texels: Texels, normals: Floats, tangents: Floats, faces: NDArray[np.int32], size: int
) -> Pixels:
    """A glTF normal map: what turns the smooth normal into the one found, at every texel.

    A viewer interpolates normal and tangent between the vertices, makes the bitangent of the two, normalises none of
    them and adds them up in the map's shares (MikkTSpace's way). So the shares are solved for the same three vectors.

    Args:
        found: (N, 3) float32, the unit normal wanted at each of the texels.
        texels: Those of the faces.
        normals: (n, 3) float32 unit normals of the vertices.
        tangents: (n, 4) float32, as `vertex_tangents` gives them.
        faces: (f, 3) int32.
        size: Of the map's sides, in texels.

    Returns:
        (size, size, 3) uint8: x y z, -1…1 as 0…255; z is nowhere below 0. Texels that no face has are filled from those
        around, or straight where there are none.
    """
    picture = np.full((size * size, 3), (128, 128, 255), dtype=np.uint8)
    known = np.zeros(size * size, dtype=np.bool_)
    known[texels.texel] = True
    _write(picture, found, (texels.texel, texels.face, texels.weights), normals, tangents, faces)
    return fill(picture.reshape(size, size, 3), known.reshape(size, size))


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors; those too short to have a direction become zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1))


def _across(vectors: NDArray[np.float64], normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is left of vectors, (N, 3), across unit normals."""
    return np.asarray(vectors - np.einsum("ni,ni->n", vectors, normals)[:, None] * normals)


_Texels = tuple[NDArray[np.int32], NDArray[np.int32], Floats]


@kernel
def _write(
    picture: Pixels, found: Floats, texels: _Texels, normals: Floats, tangents: Floats, faces: NDArray[np.int32]
) -> None:
    """Writes the texels that faces have to the map, (size², 3)."""
    texel, owner, weights = texels
    for index in range(len(texel)):
        i, j, k = faces[owner[index], 0], faces[owner[index], 1], faces[owner[index], 2]
        of_i, of_j, of_k = weights[index, 0], weights[index, 1], weights[index, 2]
        normal = mixed(row(normals, i), row(normals, j), row(normals, k), of_i, of_j, of_k)
        tangent = mixed(row(tangents, i), row(tangents, j), row(tangents, k), of_i, of_j, of_k)
        sign = np.float64(tangents[i, 3])
        bitangent = cross(normal, tangent)
        wanted = row(found, np.int32(index))
        # By Cramer's rule; its divisor, |bitangent|², would not outlast the division by the length.
        x, y = dot(wanted, cross(bitangent, normal)), sign * dot(wanted, bitangent)
        z = max(0.0, dot(wanted, cross(tangent, bitangent)))
        length = np.sqrt(x * x + y * y + z * z)
        if length > 0:
            picture[texel[index], 0] = np.uint8((x / length + 1) * 127.5 + 0.5)
            picture[texel[index], 1] = np.uint8((y / length + 1) * 127.5 + 0.5)
            picture[texel[index], 2] = np.uint8((z / length + 1) * 127.5 + 0.5)
