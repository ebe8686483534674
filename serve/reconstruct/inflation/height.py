"""A planar mesh → how thick the body is at each point. Knows the plane only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from serve.reconstruct.inflation.triangulate import PlanarMesh

# Chosen so that the half-thickness on the medial line stays between 0.4 and 1.0 of the inscribed radius: it is 0.50 of
# it on a disc, 0.71 in a long bar (whose solution is sqrt(2) times higher), up to 0.87 in a ring with a tiny hole.
ROUNDNESS = 0.5
_LEAST_SLOPE = 0.2


def half_thickness(mesh: PlanarMesh) -> NDArray[np.float64]:
    """A smooth height over the region, zero on its rim and positive elsewhere.

    Solves -Δu = 4 with u = 0 on the rim by linear finite elements, and returns 0.5 √u. On a disc of radius R,
    u = R² - r², so √u is a hemisphere; in general √u leaves the rim upright, which rounds it. Inflation by a Poisson
    equation and a square root: Sýkora et al., "Ink-and-Ray", ACM Transactions on Graphics 33(2), 2014, section 4.

    Returns:
        (V,) pixels.
    """
    stiffness, load = _assemble(mesh)
    free = np.flatnonzero(~mesh.on_rim)
    factors = splu(stiffness[free][:, free].tocsc(), permc_spec="MMD_AT_PLUS_A")
    solution = factors.solve(4 * load[free])
    # Obtuse triangles can push a lone point to zero or below; nowhere is the body thinner than a flat wedge.
    to_rim, _ = cKDTree(mesh.points[mesh.on_rim]).query(mesh.points[free])
    height = np.zeros(len(mesh.points))
    height[free] = ROUNDNESS * np.maximum(np.sqrt(np.maximum(solution, 0)), _LEAST_SLOPE * to_rim)
    return height


def _assemble(mesh: PlanarMesh) -> tuple[Any, NDArray[np.float64]]:
    """The stiffness matrix (V, V) and the integrals of the hat functions (V,) of linear finite elements."""
    corners = mesh.points[mesh.triangles]  # (T, 3, 2)
    opposite = np.roll(corners, -1, axis=1) - np.roll(corners, -2, axis=1)  # the side facing each corner
    area = 0.5 * np.abs(opposite[:, 0, 0] * opposite[:, 1, 1] - opposite[:, 0, 1] * opposite[:, 1, 0])
    # A hat function's gradient is the facing side turned by 90 degrees over twice the area.
    local = np.einsum("tia,tja->tij", opposite, opposite) / (4 * area)[:, None, None]
    rows = np.repeat(mesh.triangles, 3, axis=1).ravel()
    columns = np.tile(mesh.triangles, (1, 3)).ravel()
    size = len(mesh.points)
    stiffness = coo_array((local.ravel(), (rows, columns)), shape=(size, size)).tocsr()
    load = np.bincount(mesh.triangles.ravel(), np.repeat(area / 3, 3), minlength=size)
    return stiffness, load.astype(np.float64)
