"""What Gen3D's mesh finishing is measured against: dense triangles in, the bytes of a GLB out. Knows nothing of ours.

`upstream` is what SAM 3D Objects and TRELLIS do (`to_glb` in their `postprocessing_utils.py`): VTK's decimation through
pyvista, xatlas with its defaults, `cv2.inpaint` for what no triangle covers, trimesh. Their bake looks at renders of
splats on a GPU; on a CPU the colour comes from the nearest vertex. `fair` bakes as well as one can: the closest point
on the dense triangles, and the nearest texel for the gaps.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any, Final

import cv2
import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from benchmarks.closest import ClosestPoints
from serve.mesh.finish.kernels import kernel
from serve.mesh.meshes import DenseMesh

_INPAINT_RADIUS: Final = 3.0  # pixels, upstream's

Shape = tuple[NDArray[np.float32], NDArray[np.int64]]
Bake = Callable[[DenseMesh, NDArray[np.float32], NDArray[np.bool_]], NDArray[np.uint8]]


def upstream(mesh: DenseMesh, faces: int, size: int) -> bytes:
    """Pyvista, xatlas, the nearest vertex's colour, `cv2.inpaint`, PNG."""
    return _textured(_by_pyvista(mesh, faces), mesh, size, _bake_nearest_vertex)


def fair(mesh: DenseMesh, faces: int, size: int) -> bytes:
    """Pyvista, xatlas, the colour at the closest point, the nearest texel in the gaps, PNG."""
    return _textured(_by_pyvista(mesh, faces), mesh, size, _bake_closest_point)


def fast(mesh: DenseMesh, faces: int, size: int) -> bytes:
    """As `fair`, simplified by fast-simplification."""
    import fast_simplification

    positions, kept = fast_simplification.simplify(mesh.positions, mesh.faces, target_count=faces)
    return _textured((positions.astype(np.float32), kept.astype(np.int64)), mesh, size, _bake_closest_point)


def dense(mesh: DenseMesh, faces: int, size: int) -> bytes:  # noqa: ARG001
    """All triangles with their vertices' colours, as trimesh writes them: what upstream hands out without a bake."""
    return _glb(trimesh.Trimesh(mesh.positions, mesh.faces, vertex_colors=mesh.colours, process=False))


Rival = Callable[[DenseMesh, int, int], bytes]

# The name of each, the packages that it needs beyond Gen3D's, and the function.
RIVALS: Final[Mapping[str, tuple[tuple[str, ...], Rival]]] = {
    "pyvista, xatlas, nearest vertex, inpaint, PNG": (("pyvista", "xatlas"), upstream),
    "pyvista, xatlas, closest point, PNG": (("pyvista", "xatlas"), fair),
    "fast-simplification, xatlas, closest point, PNG": (("fast_simplification", "xatlas"), fast),
    "dense, colours by vertex": ((), dense),
}
UPSTREAM, FAIR, FAST, DENSE = RIVALS


def _by_pyvista(mesh: DenseMesh, faces: int) -> Shape:
    import pyvista

    corners = np.column_stack([np.full(len(mesh.faces), 3), mesh.faces]).ravel()
    made: Any = pyvista.PolyData(mesh.positions, corners).decimate(1 - faces / len(mesh.faces))
    return np.asarray(made.points, np.float32), np.asarray(made.faces, np.int64).reshape(-1, 4)[:, 1:]


def _textured(shape: Shape, mesh: DenseMesh, size: int, bake: Bake) -> bytes:
    import xatlas

    source, faces, uvs = xatlas.parametrize(shape[0], shape[1].astype(np.uint32))
    positions, faces = shape[0][source], faces.astype(np.int64)
    at, covered = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.bool_)
    _spread(positions, faces, uvs.astype(np.float32), at, covered)
    texture = bake(mesh, at, covered)
    look: Any = trimesh.visual  # its functions carry no types
    material = look.material.PBRMaterial(
        baseColorTexture=Image.fromarray(texture), metallicFactor=0.0, roughnessFactor=1.0
    )
    # trimesh counts v from the lower edge.
    visual = look.TextureVisuals(uv=np.column_stack([uvs[:, 0], 1 - uvs[:, 1]]), material=material)
    return _glb(trimesh.Trimesh(positions, faces, visual=visual, process=False))


def _bake_nearest_vertex(mesh: DenseMesh, at: NDArray[np.float32], covered: NDArray[np.bool_]) -> NDArray[np.uint8]:
    texture = np.zeros(at.shape, np.uint8)
    texture[covered] = mesh.colours[cKDTree(mesh.positions).query(at[covered], workers=-1)[1]]
    return np.asarray(cv2.inpaint(texture, (~covered).astype(np.uint8), _INPAINT_RADIUS, cv2.INPAINT_TELEA), np.uint8)


def _bake_closest_point(mesh: DenseMesh, at: NDArray[np.float32], covered: NDArray[np.bool_]) -> NDArray[np.uint8]:
    face, weights, _ = ClosestPoints(mesh.positions, mesh.faces).query(at[covered])
    texture = np.zeros(at.shape, np.uint8)
    texture[covered] = np.rint(mix(mesh.colours, mesh.faces[face], weights)).astype(np.uint8)
    # Labels count the covered texels in the picture's order, from 1.
    _, nearest = cv2.distanceTransformWithLabels(
        (~covered).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    order = np.zeros(int(nearest.max()) + 1, np.int64)
    order[nearest[covered]] = np.flatnonzero(covered)
    return np.asarray(texture.reshape(-1, 3)[order[nearest]])


def mix(values: NDArray[Any], corners: NDArray[np.integer[Any]], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(V, k) values at the vertices, (N, 3) corners and their weights → (N, k)."""
    return np.asarray(sum(weights[:, [corner]] * values[corners[:, corner]] for corner in range(3)))


def _glb(mesh: trimesh.Trimesh) -> bytes:
    file = io.BytesIO()
    mesh.export(file, file_type="glb")
    return file.getvalue()


@kernel
def _spread(
    positions: NDArray[np.float32],
    faces: NDArray[np.int64],
    uvs: NDArray[np.float32],
    at: NDArray[np.float32],
    covered: NDArray[np.bool_],
) -> None:
    """Writes, where a texel's centre lies in a triangle of the UVs, the place on the surface there into `at`."""
    height, width = covered.shape
    for face in range(len(faces)):
        a, b, c = faces[face]
        ax, ay = uvs[a, 0] * width - 0.5, uvs[a, 1] * height - 0.5
        bx, by = uvs[b, 0] * width - 0.5 - ax, uvs[b, 1] * height - 0.5 - ay
        cx, cy = uvs[c, 0] * width - 0.5 - ax, uvs[c, 1] * height - 0.5 - ay
        area = bx * cy - by * cx
        if area == 0:
            continue
        left, right = int(np.ceil(ax + min(0.0, bx, cx))), int(np.floor(ax + max(0.0, bx, cx)))
        top, bottom = int(np.ceil(ay + min(0.0, by, cy))), int(np.floor(ay + max(0.0, by, cy)))
        for y in range(max(top, 0), min(bottom + 1, height)):
            for x in range(max(left, 0), min(right + 1, width)):
                second = ((x - ax) * cy - (y - ay) * cx) / area
                third = ((y - ay) * bx - (x - ax) * by) / area
                first = 1 - second - third
                if first >= 0 and second >= 0 and third >= 0:
                    covered[y, x] = True
                    for axis in range(3):
                        at[y, x, axis] = (
                            first * positions[a, axis] + second * positions[b, axis] + third * positions[c, axis]
                        )
