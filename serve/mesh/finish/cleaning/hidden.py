"""Which faces can never be seen from outside. Knows a grid of voxels: what the surface touches, and what lies outside.

A voxel is a bit: a word holds 64 of them along z.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.cleaning.holes import is_small
from serve.mesh.finish.cleaning.pieces import Pieces
from serve.mesh.finish.cleaning.surface import Surface, areas, root
from serve.mesh.finish.kernels import kernel

# Along the longest side. The surface stops the flood where it touches voxels on either side of a gap, so that gaps of a
# hundredth of the longest side let nothing through: tears in a wall do not show what is behind it.
_VOXELS: Final = 188
_MARGIN: Final = 2
_LARGEST: Final = 2  # voxels between the first and the last that a triangle touches along an axis, or it is cut in four
_WORTHWHILE: Final = 0.01  # of the area: less, such as the bottom of a crevice, is not worth a lid


def hidden_faces(
    surface: Surface, found: Pieces, low: NDArray[np.float64], high: NDArray[np.float64], longest: float
) -> NDArray[np.bool_]:
    """Faces out of reach from outside whose absence opens nothing: whole pieces, and patches behind a small mouth.

    A face is out of reach if no voxel around those that it touches can be reached from the grid's border through voxels
    that no face touches. A patch that hangs together with what is in reach goes only if it is large, and if every
    border that it leaves is a hole that `close_holes` closes.

    Args:
        surface: Its fans are parted.
        found: Its pieces.
        low: (3,) the lowest coordinates of its faces.
        high: (3,) the highest.
        longest: The perimeter up to which a hole is closed.

    Returns:
        (F,) whether to remove the face.
    """
    step = float((high - low).max()) / _VOXELS
    shape = np.floor((high - low) / step).astype(np.int64) + 1 + 2 * _MARGIN
    origin = low - _MARGIN * step
    touched = np.zeros((shape[0], shape[1], -(-shape[2] // 64)), dtype=np.uint64)
    _touch(surface.positions, surface.faces, origin, 1 / step, touched, False)
    near = _grown(_outside(touched))
    hidden = ~_touch(surface.positions, surface.faces, origin, 1 / step, near, True)
    if not hidden.any():
        return hidden
    seen = np.bincount(found.of_face, ~hidden, len(found.area)) > 0
    partly = hidden & seen[found.of_face]
    whole = hidden & ~partly
    one_group = np.zeros(np.count_nonzero(partly), dtype=np.int32)
    worthwhile = _WORTHWHILE * float(found.area.sum())
    if areas(surface.positions, surface.faces[partly], one_group, 1)[0] < worthwhile:
        return whole
    return whole | (partly & _behind_a_mouth(surface, hidden, worthwhile, longest))


def _behind_a_mouth(
    surface: Surface, hidden: NDArray[np.bool_], worthwhile: float, longest: float
) -> NDArray[np.bool_]:
    """(F,) whether the face's patch, of neighbours alike hidden or not, has that area and none but small borders."""
    patch_of, patches = _patches(surface.twins, hidden)
    area = areas(surface.positions, surface.faces, patch_of, patches)
    sides = np.flatnonzero(np.repeat(hidden, 3) & (surface.twins >= 0))
    sides = sides[~hidden[surface.twins[sides] // 3]]
    flat = surface.faces.ravel()
    start, end = flat[sides], flat[sides - sides % 3 + (sides + 1) % 3]
    inner, outer = patch_of[sides // 3], patch_of[surface.twins[sides] // 3]
    # Sides that hang together may come to lie on one border: so they count as one.
    border_of, borders = _chains(start, end, len(surface.positions))
    along = surface.positions[end].astype(np.float64) - surface.positions[start]
    perimeter = np.bincount(border_of, np.linalg.norm(along, axis=1), borders).astype(np.float64)
    around = np.full(borders, np.inf)
    np.minimum.at(around, border_of, area[outer])
    fits = area >= worthwhile
    fits[inner[~is_small(perimeter, around, longest)[border_of]]] = False
    return np.asarray(fits[patch_of])


def _grown(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The voxels and those around them, 26 of each."""
    grown: NDArray[np.uint64] = bits | (bits << np.uint64(1)) | (bits >> np.uint64(1))
    grown[..., 1:] |= bits[..., :-1] >> np.uint64(63)
    grown[..., :-1] |= bits[..., 1:] << np.uint64(63)
    for axis in (0, 1):
        line = np.moveaxis(grown, axis, 0)
        before = line.copy()
        line[1:] |= before[:-1]
        line[:-1] |= before[1:]
    return grown


@kernel
def _touch(
    positions: NDArray[np.float32],
    faces: NDArray[np.int32],
    origin: NDArray[np.float64],
    scale: float,
    bits: NDArray[np.uint64],
    only_look: bool,
) -> NDArray[np.bool_]:
    """Sets the voxels that the faces touch, or only looks which faces touch one that is set.

    A small triangle touches the voxels of its bounding box that its plane cuts, after Akenine-Möller, Fast 3D
    Triangle-Box Overlap Testing (2001), without his tests of the sides; a large one is cut in four until it is small.

    Args:
        positions: (V, 3).
        faces: (F, 3).
        origin: (3,) the grid's lowest corner.
        scale: Voxels per unit.
        bits: The grid.
        only_look: Whether to leave it as it is.

    Returns:
        (F,) whether the face touches a voxel that is set.
    """
    found = np.zeros(len(faces), np.bool_)
    stack = np.empty((64, 3, 3))
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    one = np.uint64(1)
    for f in range(len(faces)):
        for i in range(3):
            for axis in range(3):
                stack[0, i, axis] = (np.float64(positions[faces[f, i], axis]) - origin[axis]) * scale
        depth = 1
        while depth:
            depth -= 1
            small = True
            for axis in range(3):
                p, q, r = stack[depth, 0, axis], stack[depth, 1, axis], stack[depth, 2, axis]
                low[axis], high[axis] = np.int64(min(p, q, r)), np.int64(max(p, q, r))
                if high[axis] - low[axis] > _LARGEST:
                    small = False
            if not small:
                _cut_in_four(stack, depth)
                depth += 4
                continue
            px, py, pz = stack[depth, 0, 0], stack[depth, 0, 1], stack[depth, 0, 2]
            ux, uy, uz = stack[depth, 1, 0] - px, stack[depth, 1, 1] - py, stack[depth, 1, 2] - pz
            vx, vy, vz = stack[depth, 2, 0] - px, stack[depth, 2, 1] - py, stack[depth, 2, 2] - pz
            nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            # Half a voxel's extent along the normal, and a little more against rounding.
            reach = 0.50001 * (abs(nx) + abs(ny) + abs(nz))
            for x in range(low[0], high[0] + 1):
                dx = nx * (x + 0.5 - px)
                for y in range(low[1], high[1] + 1):
                    dy = dx + ny * (y + 0.5 - py)
                    for z in range(low[2], high[2] + 1):
                        if abs(dy + nz * (z + 0.5 - pz)) > reach:
                            continue
                        bit = one << np.uint64(z & 63)
                        if bits[x, y, z >> 6] & bit:
                            found[f] = True
                        elif not only_look:
                            bits[x, y, z >> 6] |= bit
            if only_look and found[f]:
                break
    return found


@kernel
def _cut_in_four(stack: NDArray[np.float64], at: int) -> None:
    """The triangle at this place of the stack → four of half its size, there and in the next three places."""
    for axis in range(3):
        a, b, c = stack[at, 0, axis], stack[at, 1, axis], stack[at, 2, axis]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        stack[at, 0, axis], stack[at, 1, axis], stack[at, 2, axis] = a, ab, ca
        stack[at + 1, 0, axis], stack[at + 1, 1, axis], stack[at + 1, 2, axis] = ab, b, bc
        stack[at + 2, 0, axis], stack[at + 2, 1, axis], stack[at + 2, 2, axis] = ca, bc, c
        stack[at + 3, 0, axis], stack[at + 3, 1, axis], stack[at + 3, 2, axis] = ab, bc, ca


@kernel
def _outside(touched: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The voxels that can be reached from the grid's border through sides of voxels that are not touched.

    Sweeps forth and back until nothing changes; in a word the flood runs 64 voxels far in six steps each way.
    """
    nx, ny, words = touched.shape
    outside = np.zeros_like(touched)
    for y in range(ny):
        for w in range(words):
            outside[0, y, w] = ~touched[0, y, w]
    one, top = np.uint64(1), np.uint64(63)
    changed = True
    forth = True
    while changed:
        changed = False
        for xi in range(nx):
            x = xi if forth else nx - 1 - xi
            for yi in range(ny):
                y = yi if forth else ny - 1 - yi
                for wi in range(2 * words - 1):  # Up the words and down again.
                    w = wi if wi < words else 2 * words - 2 - wi
                    free = ~touched[x, y, w]
                    before = outside[x, y, w]
                    wet = before
                    if x > 0:
                        wet |= outside[x - 1, y, w]
                    if x < nx - 1:
                        wet |= outside[x + 1, y, w]
                    if y > 0:
                        wet |= outside[x, y - 1, w]
                    if y < ny - 1:
                        wet |= outside[x, y + 1, w]
                    if w > 0:
                        wet |= outside[x, y, w - 1] >> top
                    if w < words - 1:
                        wet |= (outside[x, y, w + 1] & one) << top
                    wet &= free
                    if wet == before:
                        continue
                    # The steps double: Kogge and Stone (1973), as chess programs fill lines.
                    up, down, upward, downward = wet, wet, free, free
                    for k in range(6):
                        shift = one << np.uint64(k)
                        up |= upward & (up << shift)
                        upward &= upward << shift
                        down |= downward & (down >> shift)
                        downward &= downward >> shift
                    outside[x, y, w] = up | down
                    changed = True
        forth = not forth
    return outside


@kernel
def _patches(twins: NDArray[np.int32], hidden: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """The patch of every face: neighbours are in one if both are hidden or neither is. And how many patches."""
    count = len(hidden)
    patch_of = np.full(count, -1, np.int32)
    queue = np.empty(count, np.int32)
    patches = 0
    for seed in range(count):
        if patch_of[seed] >= 0:
            continue
        patch_of[seed] = patches
        queue[0] = seed
        open_faces = 1
        while open_faces:
            open_faces -= 1
            f = queue[open_faces]
            for side in range(3 * f, 3 * f + 3):
                there = twins[side] // 3 if twins[side] >= 0 else -1
                if there >= 0 and patch_of[there] < 0 and hidden[there] == hidden[f]:
                    patch_of[there] = patches
                    queue[open_faces] = there
                    open_faces += 1
        patches += 1
    return patch_of, patches


@kernel
def _chains(start: NDArray[np.int32], end: NDArray[np.int32], vertices: int) -> tuple[NDArray[np.int32], int]:
    """For every edge the number of the chain that it hangs together with, and how many chains there are."""
    parent = np.arange(vertices).astype(np.int32)
    for k in range(len(start)):
        a, b = root(parent, start[k]), root(parent, end[k])
        parent[max(a, b)] = min(a, b)
    number = np.full(vertices, -1, np.int32)
    chain = np.empty(len(start), np.int32)
    count = 0
    for k in range(len(start)):
        a = root(parent, start[k])
        if number[a] < 0:
            number[a] = count
            count += 1
        chain[k] = number[a]
    return chain, count
