from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from serve.reconstruct.inflation.outline import drop_hairs, outlines
from serve.reconstruct.inflation.triangulate import PlanarMesh, triangulate

Mask = NDArray[np.bool_]


def areas(mesh: PlanarMesh) -> NDArray[np.float64]:
    a, b, c = (mesh.points[mesh.triangles[:, corner]] for corner in range(3))
    return np.asarray(0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]))


def edge_uses(mesh: PlanarMesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    sides = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]])
    return np.unique(np.sort(sides, axis=1), axis=0, return_counts=True)


def check(mesh: PlanarMesh) -> None:
    """What the solid relies on: no flat or turned triangle, a rim of closed loops, no chord from rim to rim."""
    assert areas(mesh).min() > 0
    edges, uses = edge_uses(mesh)
    assert uses.max() <= 2
    rim = edges[uses == 1]
    assert set(np.bincount(rim.ravel(), minlength=len(mesh.points))) <= {0, 2}
    assert np.array_equal(np.unique(rim), np.flatnonzero(mesh.on_rim))
    assert not mesh.on_rim[edges[uses == 2]].all(axis=1).any()
    assert np.array_equal(np.unique(mesh.triangles), np.arange(len(mesh.points)))


@pytest.mark.parametrize("wish", [2_500, 10_000, 30_000])
def test_it_fills_the_mask_with_about_the_wished_count(mask: Mask, wish: int) -> None:
    mesh = triangulate(outlines(mask), mask, wish)
    check(mesh)
    assert areas(mesh).sum() == pytest.approx(np.count_nonzero(mask), rel=0.03)
    # Thin wires need triangles of their own width, however few are wished.
    assert len(mesh.triangles) == pytest.approx(wish, rel=0.1) or np.count_nonzero(mask) / len(outlines(mask)) < 2000


@given(mask=arrays(np.bool_, st.tuples(st.integers(3, 24), st.integers(3, 24))))
@settings(deadline=None, max_examples=150)
def test_any_mask_at_all_becomes_a_sound_mesh(mask: Mask) -> None:
    mask = drop_hairs(mask)
    if mask.any():
        check(triangulate(outlines(mask), mask, 500))


def test_every_pixel_of_thin_parts_is_covered(shape: Callable[[str], Mask]) -> None:
    mask = shape("wires")
    mesh = triangulate(outlines(mask), mask, 2_500)
    x_and_y = mesh.points[mesh.triangles].mean(axis=1)
    hit = np.zeros_like(mask)
    hit[x_and_y[:, 1].astype(int), x_and_y[:, 0].astype(int)] = True
    reached = np.pad(hit, 3)
    near = np.any([np.roll(reached, (dy, dx), (0, 1)) for dy in range(-3, 4) for dx in range(-3, 4)], axis=0)
    assert near[3:-3, 3:-3][mask].all(), "a part of the wires has no triangle within three pixels"


def test_triangles_are_small_at_the_rim_and_well_shaped(shape: Callable[[str], Mask]) -> None:
    mesh = triangulate(outlines(shape("disc")), shape("disc"), 10_000)
    radius = np.hypot(*(mesh.points[mesh.triangles].mean(axis=1) - 120).T)
    assert np.median(areas(mesh)[radius > 95]) < 0.5 * np.median(areas(mesh)[radius < 50])
    sides = mesh.points[mesh.triangles] - np.roll(mesh.points[mesh.triangles], 1, axis=1)
    longest = np.linalg.norm(sides, axis=2).max(axis=1)
    quality = areas(mesh) / (np.sqrt(3) / 4 * longest**2)  # 1 for an equilateral triangle
    assert np.percentile(quality, 1) > 0.5
