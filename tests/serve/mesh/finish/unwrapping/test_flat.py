from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest

from serve.mesh.finish.unwrapping.flat import frame, lies_flat

Points = Sequence[tuple[float, ...]]
Faces = list[tuple[int, int, int]]

UP: Final = np.array([0.0, 0.0, 1.0])


def flat(points: Points, faces: Faces, widest: float = 1.5) -> bool:
    """Whether the faces, seen from above, lie flat. Where a point has no z it is 0."""
    positions = np.array([(*point, 0.0)[:3] for point in points])
    corners = np.array(faces, np.int32)
    neighbours = np.full((len(faces), 3), -1, np.int32)
    side = {(a, b): face for face, abc in enumerate(faces) for a, b in zip(abc, (*abc[1:], abc[0]), strict=True)}
    for face, abc in enumerate(faces):
        neighbours[face] = [side.get((b, a), -1) for a, b in zip(abc, (*abc[1:], abc[0]), strict=True)]
    first, second = (positions[corners[:, k]] - positions[corners[:, 0]] for k in (1, 2))
    normals = np.cross(first, second)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    members, label = np.arange(len(faces), dtype=np.int32), np.zeros(len(faces), np.int32)
    seen = np.full(len(positions), -1, np.int32)
    return lies_flat(positions, corners, neighbours, normals, label, members, UP, widest, seen, 0)


def on_circle(angle: float, radius: float = 1.0, height: float = 0.0) -> tuple[float, float, float]:
    return radius * float(np.cos(angle)), radius * float(np.sin(angle)), height


def turned(points: Points, angle: float) -> Points:
    """Around the z axis."""
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    return [(x * cosine - y * sine, x * sine + y * cosine, *z) for x, y, *z in points]


def fan(angle: float, count: int) -> tuple[Points, Faces]:
    """Triangles around a point, over an angle that may be more than all around."""
    points = [(0.0, 0.0), *(on_circle(angle * k / count, 1 + 0.1 * k / count) for k in range(count + 1))]
    return points, [(0, k + 1, k + 2) for k in range(count)]


def strip(turns: float, count: int) -> tuple[Points, Faces]:
    """A ramp around the z axis."""
    steps = [2 * np.pi * turns * k / count for k in range(count + 1)]
    points = [on_circle(at, radius, 0.1 * at) for at in steps for radius in (1.0, 2.0)]
    return points, [half for k in range(0, 2 * count, 2) for half in ((k, k + 1, k + 3), (k, k + 3, k + 2))]


def test_a_square_lies_flat() -> None:
    assert flat([(0, 0), (1, 0), (1, 1), (0, 1)], [(0, 1, 2), (0, 2, 3)])


def test_what_is_seen_from_behind_does_not() -> None:
    assert not flat([(0, 0), (1, 0), (1, 1), (0, 1)], [(0, 1, 2), (0, 3, 2)])


def test_what_is_seen_at_too_wide_an_angle_does_not() -> None:
    roof = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 2.0), (0.0, 1.0, 2.0)]  # 63 degrees
    assert flat(roof, [(0, 1, 2), (0, 2, 3)], widest=1.2)
    assert not flat(roof, [(0, 1, 2), (0, 2, 3)], widest=1.0)


@pytest.mark.parametrize("start", np.linspace(0, 6, 7))
def test_a_fan_may_go_around_its_point_once(start: float) -> None:
    for angle, once in ((3.0, True), (6.2, True), (6.4, False), (9.0, False), (12.5, False)):
        points, faces = fan(angle, 9)
        assert flat(turned(points, start), faces) is once


@pytest.mark.parametrize("turns", [1, 2])
def test_a_closed_fan_goes_around_its_point_once(turns: int) -> None:
    count = 7
    points: list[tuple[float, ...]] = [(0.0, 0.0, 0.0)]
    points += [on_circle(2 * np.pi * turns * k / count, 1, k / 10) for k in range(count)]
    assert flat(points, [(0, k + 1, (k + 1) % count + 1) for k in range(count)]) is (turns == 1)


def test_a_ramp_lies_flat_until_it_is_over_itself() -> None:
    assert flat(*strip(0.95, 20))
    assert not flat(*strip(1.05, 22))


def test_a_ring_lies_flat() -> None:
    points = [on_circle(2 * np.pi * k / 8, radius) for k in range(8) for radius in (1.0, 2.0)]
    assert flat(points, [half for k in range(0, 16, 2) for half in _cell(k, (k + 2) % 16)])


@pytest.mark.parametrize("start", np.linspace(0, 6, 7))
def test_a_hole_that_is_folded_over_does_not(start: float) -> None:
    """Every face shows its front and no edges cross; but where the hole should be, two faces lie over a third."""
    points: list[tuple[float, ...]] = [(-0.2, 0.0), (0.2, 0.0), (0.0, -0.5)]
    points += [on_circle(np.pi / 2 + np.pi / 4 * k, 2) for k in range(8)]
    left = [(0, k, k + 1) for k in range(3, 7)]
    right = [(1, 7, 8), (1, 8, 9), (1, 9, 10), (1, 10, 3)]
    assert not flat(turned(points, start), [*left, *right, (1, 0, 7), (2, 1, 3), (0, 2, 3)])
    points[2] = (0.0, 0.5)
    assert flat(turned(points, start), [*left, *right, (1, 0, 7), (2, 1, 3), (0, 2, 3)])


def test_two_fans_that_share_a_vertex_and_no_edge_are_left_apart() -> None:
    """They may lie over each other there without an edge that crosses another."""
    around = [on_circle(2 * np.pi * k / 6, 1) for k in range(6)]
    outer = [on_circle(2 * np.pi * k / 6, 2) for k in range(6)]
    ring = [half for k in range(6) for half in ((k, k + 6, (k + 1) % 6 + 6), (k, (k + 1) % 6 + 6, (k + 1) % 6))]
    assert flat([*around, *outer, (0.0, 0.0)], [*ring, (0, 1, 12)])
    assert not flat([*around, *outer, (0.0, 0.0)], [*ring, (0, 1, 12), (3, 4, 12)])


def test_the_frame_is_right_handed() -> None:
    for axis in np.random.default_rng(0).standard_normal((50, 3)):
        unit = axis / np.linalg.norm(axis)
        values = np.array(frame(*unit))
        u, v = values[:3], values[3:]
        assert np.cross(u, v) == pytest.approx(unit)
        assert u @ v == pytest.approx(0)
    assert np.isfinite(frame(0.0, 0.0, -1.0)).all()


def _cell(k: int, after: int) -> list[tuple[int, int, int]]:
    return [(k, k + 1, after + 1), (k, after + 1, after)]
