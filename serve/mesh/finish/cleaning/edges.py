"""Faces → which two of them meet at each edge. Knows positions only to tell in which order faces stand around an edge.

An edge that more than two faces share is cut into pairs and borders, after Guéziec, Taubin, Lazarus and Horn, Cutting
and Stitching (2001).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.cleaning.surface import areas, doubled, next_side, previous_side, root
from serve.mesh.finish.kernels import kernel

_MEMBRANE: Final = 1e-3  # of the area: up to here a sheet without thickness is left over from welding


@dataclass(frozen=True)
class Joined:
    """Which half-edges meet; see `serve.mesh.finish.cleaning.surface` for their numbers.

    Attributes:
        faces: (f, 3) int32, each set of three vertices once.
        twins: (3f,) int32: of every half-edge the one that runs the other way, or -1.
        cut: (n,) int32, the half-edges at edges that more than two faces share, or two that face opposite ways.
        faces_duplicate: Faces that went because an earlier one has the same three vertices, in either turn.
        faces_turned: Faces that were turned round to fit their neighbours.
        edges_cut: Edges that were cut.
    """

    faces: NDArray[np.int32]
    twins: NDArray[np.int32]
    cut: NDArray[np.int32]
    faces_duplicate: int
    faces_turned: int
    edges_cut: int


def join(positions: NDArray[np.float32], faces: NDArray[np.int32]) -> Joined:
    """Pairs the half-edges. Neighbours that face opposite ways are turned first, the smaller area to fit the larger.

    Args:
        positions: (V, 3) float32, finite.
        faces: (F, 3) int32, three different vertices each.
    """
    given = len(faces)
    order = _by_edge(faces, len(positions))
    paired = _pair(positions, faces, order, False)
    if (paired[1] != np.arange(given)).any():
        faces = faces[~_needless(positions, faces, order, paired[1])]
        order = _by_edge(faces, len(positions))
        paired = _pair(positions, faces, order, False)
    left = len(faces)
    turned = 0
    if paired[-1]:
        turn = _to_turn(positions, faces, _pair(positions, faces, order, True)[0])
        turned = int(np.count_nonzero(turn))
        faces = np.where(turn[:, None], faces[:, [0, 2, 1]], faces)
        paired = _pair(positions, faces, _by_edge(faces, len(positions)), False)
    twins, _, cut, cuts, _ = paired
    return Joined(faces, twins, cut, given - left, turned, cuts)


def _needless(
    positions: NDArray[np.float32], faces: NDArray[np.int32], order: NDArray[np.int32], first: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Which of the faces with the same corners to leave out: all but one; all, if they are a membrane.

    Where welding leaves the two sides of a thin wall at one place, each face there meets its reverse. Without both, the
    surface around is as closed as before; without one it is not. So a small sheet of them goes if it hangs on faces
    that close without it. Otherwise it is somebody's sheet, and one side stays.

    Args:
        positions: (V, 3).
        faces: (F, 3).
        order: From `_by_edge`.
        first: (F,) the earliest face with the same corners.
    """
    own = np.arange(len(faces))
    copies = np.bincount(first, minlength=len(faces))[first] > 1
    # Whether the corner after the earliest face's first one is its second one too.
    at = np.argmax(faces == faces[first, :1], axis=1)
    alike = faces[own, (at + 1) % 3] == faces[first, 1]
    balance = np.bincount(first, np.where(alike, 1, -1), len(faces))[first]
    sheet_of, can_go = _sheets(faces, order, copies & (balance == 0))
    area = areas(positions, faces, np.where(sheet_of < 0, len(faces), sheet_of).astype(np.int32), len(faces) + 1)
    small = np.append(can_go, False) & (area < _MEMBRANE * area.sum())
    keeps = first == own
    return np.asarray(copies & (~keeps | (small[sheet_of] & (sheet_of >= 0))))


@kernel
def _by_edge(faces: NDArray[np.int32], vertices: int) -> NDArray[np.int32]:
    """The half-edges in such an order that those of one edge are neighbours, the lower number first.

    Two counting sorts: by the higher of the two vertices, then, stable, by the lower.
    """
    count = 3 * len(faces)
    starts_low = np.zeros(vertices + 1, np.int32)
    starts_high = np.zeros(vertices + 1, np.int32)
    for f in range(len(faces)):
        for i in range(3):
            a, b = faces[f, i], faces[f, i - 2 if i == 2 else i + 1]
            starts_low[min(a, b) + 1] += 1
            starts_high[max(a, b) + 1] += 1
    for v in range(vertices):
        starts_low[v + 1] += starts_low[v]
        starts_high[v + 1] += starts_high[v]
    by_high = np.empty(count, np.int32)
    low_of = np.empty(count, np.int32)
    for f in range(len(faces)):
        for i in range(3):
            a, b = faces[f, i], faces[f, i - 2 if i == 2 else i + 1]
            high = max(a, b)
            at = starts_high[high]
            starts_high[high] = at + 1
            by_high[at] = 3 * f + i
            low_of[at] = min(a, b)
    order = np.empty(count, np.int32)
    for k in range(count):
        at = starts_low[low_of[k]]
        starts_low[low_of[k]] = at + 1
        order[at] = by_high[k]
    return order


@kernel
def _pair(
    positions: NDArray[np.float32], faces: NDArray[np.int32], order: NDArray[np.int32], any_turn: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], int, int]:
    """Twins; for each face the earliest with its corners; half-edges at edges that are cut; how many edges these are;
    how many edges have two opposed faces.

    Args:
        positions: (V, 3).
        faces: (F, 3).
        order: From `_by_edge`.
        any_turn: Whether to join the two faces of an edge although they face opposite ways, and no others.
    """
    flat = faces.ravel()
    count = len(flat)
    twins = np.full(count, -1, np.int32)
    first = np.arange(len(faces)).astype(np.int32)
    cut = np.empty(count, np.int32)
    cut_sides = cuts = opposed = 0
    start = 0
    while start < count:
        one = order[start]
        a, b = flat[one], flat[next_side(one)]
        end = start + 1
        while end < count:
            c, d = flat[order[end]], flat[next_side(order[end])]
            if not ((c == a and d == b) or (c == b and d == a)):
                break
            end += 1
        if end - start >= 2:
            for k in range(start + 1, end):
                apex = flat[previous_side(order[k])]
                for m in range(start, k):
                    if flat[previous_side(order[m])] == apex:
                        first[order[k] // 3] = order[m] // 3
                        break
        if end - start == 2:
            two = order[start + 1]
            if flat[two] == b or any_turn:
                twins[one], twins[two] = two, one
            if flat[two] == a:
                opposed += 1
        elif end - start > 2 and not any_turn:
            _pair_around(positions, flat, order[start:end], twins)
        if end - start > 2 or (end - start == 2 and flat[order[start + 1]] == a):
            cuts += 1
            cut[cut_sides : cut_sides + end - start] = order[start:end]
            cut_sides += end - start
        start = end
    return twins, first, cut[:cut_sides].copy(), cuts, opposed


@kernel
def _sheets(
    faces: NDArray[np.int32], order: NDArray[np.int32], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """For each chosen face the lowest that it hangs together with, else -1, and whether that sheet can go.

    It can if it hangs on other faces, and these run through each of its edges as often one way as the other.
    """
    flat = faces.ravel()
    count = len(flat)
    sheet_of = np.full(len(faces), -1, np.int32)
    for f in range(len(faces)):
        if chosen[f]:
            sheet_of[f] = f
    hanging = np.zeros(len(faces), np.bool_)
    needed = np.zeros(len(faces), np.bool_)
    for turn in range(2):  # First what hangs together, then what it hangs on.
        start = 0
        while start < count:
            a, b = flat[order[start]], flat[next_side(order[start])]
            one = -1  # a chosen face at the edge
            others = balance = 0
            end = start
            while end < count:
                side = order[end]
                along = flat[side] == a and flat[next_side(side)] == b
                if not along and not (flat[side] == b and flat[next_side(side)] == a):
                    break
                f = side // 3
                if not chosen[f]:
                    others += 1
                    balance += 1 if along else -1
                elif one < 0:
                    one = f
                elif turn == 0:
                    p, q = root(sheet_of, one), root(sheet_of, f)
                    sheet_of[max(p, q)] = min(p, q)
                end += 1
            if turn == 1 and one >= 0 and others:
                hanging[root(sheet_of, one)] = True
                if balance != 0:
                    needed[root(sheet_of, one)] = True
            start = end
    for f in range(len(faces)):
        if chosen[f]:
            sheet_of[f] = root(sheet_of, f)
    return sheet_of, hanging & ~needed


@kernel
def _pair_around(
    positions: NDArray[np.float32], flat: NDArray[np.int32], sides: NDArray[np.int32], twins: NDArray[np.int32]
) -> None:
    """Joins the faces around one edge in pairs with matter between them, so that bodies that touch come apart.

    Looked at along the edge, a face that runs against the edge opens a wedge of matter and the next one that runs along
    it closes it, like brackets on a circle. What finds no partner stays a border.
    """
    count = len(sides)
    low = min(flat[sides[0]], flat[next_side(sides[0])])
    high = max(flat[sides[0]], flat[next_side(sides[0])])
    edge = np.empty(3)
    for axis in range(3):
        edge[axis] = np.float64(positions[high, axis]) - np.float64(positions[low, axis])
    edge /= np.sqrt((edge * edge).sum())
    # Two directions across the edge; the first is along the coordinate axis that the edge follows least.
    across = np.zeros(3)
    across[np.argmin(np.abs(edge))] = 1.0
    across -= (across * edge).sum() * edge
    across /= np.sqrt((across * across).sum())
    upward = np.empty(3)
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        upward[axis] = edge[i] * across[j] - edge[j] * across[i]
    angles = np.empty(count)
    for k in range(count):
        apex = flat[previous_side(sides[k])]
        x = y = 0.0
        for axis in range(3):
            away = np.float64(positions[apex, axis]) - np.float64(positions[low, axis])
            x += away * across[axis]
            y += away * upward[axis]
        angles[k] = np.arctan2(y, x)
    around = sides[np.argsort(angles, kind="mergesort")]
    open_sides = np.empty(count, np.int32)
    opened = 0
    for k in range(2 * count):  # Twice round: what is open at the end may be closed after the start.
        side = around[k % count]
        if flat[side] == high:
            if k < count:
                open_sides[opened] = side
                opened += 1
        elif opened and twins[side] < 0:
            opened -= 1
            twins[side], twins[open_sides[opened]] = open_sides[opened], side


@kernel
def _to_turn(positions: NDArray[np.float32], faces: NDArray[np.int32], twins: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which faces to turn so that neighbours agree wherever they can: in each patch those of the smaller area.

    On a surface with one side, as Möbius' strip, some neighbours disagree in the end.
    """
    count = len(faces)
    flat = faces.ravel()
    way = np.zeros(count, np.int8)
    queue = np.empty(count, np.int32)
    for seed in range(count):
        if way[seed] != 0:
            continue
        way[seed] = 1
        queue[0] = seed
        read, written = 0, 1
        balance = 0.0
        while read < written:
            f = queue[read]
            read += 1
            normal = doubled(positions, faces[f, 0], faces[f, 1], faces[f, 2])
            balance += way[f] * np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
            for side in range(3 * f, 3 * f + 3):
                twin = twins[side]
                if twin >= 0 and way[twin // 3] == 0:
                    way[twin // 3] = -way[f] if flat[twin] == flat[side] else way[f]
                    queue[written] = twin // 3
                    written += 1
        if balance < 0.0:
            for k in range(written):
                way[queue[k]] = -way[queue[k]]
    return way < 0
