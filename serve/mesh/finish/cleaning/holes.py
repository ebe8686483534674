"""Small holes → closed with a fan of triangles. Knows borders, and sizes to tell a hole from a rim."""

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.cleaning.surface import Surface, next_side
from serve.mesh.finish.kernels import kernel


def is_small(perimeter: NDArray[np.float64], area: NDArray[np.float64], longest: float) -> NDArray[np.bool_]:
    """Which borders are holes to close: (n,) at most `longest` around, and little beside the surface that they are in.

    A circle of that perimeter, the most that it can enclose in a plane, has at most a quarter of that surface's area.
    So the rim of a small sheet is none: closing it would give the sheet a back.

    Args:
        perimeter: (n,) the length around each.
        area: (n,) of the surface around each.
        longest: A length.
    """
    return np.asarray((perimeter <= longest) & (perimeter**2 <= np.pi * area))


def close_holes(surface: Surface, area_of_face: NDArray[np.float64], longest: float) -> tuple[Surface, int]:
    """Closes what `is_small`, and says how many holes that were. The fans are parted, before as well as after.

    A hole of three sides gets one triangle, a larger one a vertex in the mean of its corners, of their mean colour.

    Args:
        surface: Its fans are parted.
        area_of_face: (F,) the area of the piece that each face belongs to.
        longest: The perimeter up to which a hole is closed.
    """
    sides, starts, perimeter = _trace(surface.positions, surface.faces, surface.twins)
    if not len(perimeter):
        return surface, 0
    small = is_small(perimeter, area_of_face[sides[starts[:-1]] // 3], longest)
    if not small.any():
        return surface, 0
    closed = _close(surface.positions, surface.colours, surface.faces, surface.twins, sides, starts, small)
    return Surface(*closed), int(np.count_nonzero(small))


@kernel
def _trace(
    positions: NDArray[np.float32], faces: NDArray[np.int32], twins: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """The half-edges of all borders, loop after loop; where each loop starts, and the end; the length around each."""
    flat = faces.ravel()
    borders = 0
    for side in range(len(twins)):
        borders += twins[side] < 0
    sides = np.empty(borders, np.int32)
    starts = np.zeros(borders + 1, np.int32)
    perimeter = np.zeros(borders)
    count = loops = 0
    if borders:
        seen = np.zeros(len(twins), np.bool_)
        for seed in range(len(twins)):
            if twins[seed] >= 0 or seen[seed]:
                continue
            side = seed
            while not seen[side]:
                seen[side] = True
                sides[count] = side
                count += 1
                a, b = flat[side], flat[next_side(side)]
                square = 0.0
                for axis in range(3):
                    square += (np.float64(positions[b, axis]) - np.float64(positions[a, axis])) ** 2
                perimeter[loops] += np.sqrt(square)
                side = next_side(side)
                while twins[side] >= 0:
                    side = next_side(twins[side])
            loops += 1
            starts[loops] = count
    return sides, starts[: loops + 1].copy(), perimeter[:loops].copy()


@kernel
def _close(
    positions: NDArray[np.float32],
    colours: NDArray[np.uint8],
    faces: NDArray[np.int32],
    twins: NDArray[np.int32],
    sides: NDArray[np.int32],
    starts: NDArray[np.int32],
    chosen: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
    flat = faces.ravel()
    more_vertices = more_faces = 0
    for loop in range(len(chosen)):
        if chosen[loop]:
            length = starts[loop + 1] - starts[loop]
            more_vertices += length > 3
            more_faces += length if length > 3 else 1
    vertex, face = len(positions), len(faces)
    new_positions = np.empty((vertex + more_vertices, 3), np.float32)
    new_positions[:vertex] = positions
    new_colours = np.empty((vertex + more_vertices, 3), np.uint8)
    new_colours[:vertex] = colours
    new_faces = np.empty((face + more_faces, 3), np.int32)
    new_faces[:face] = faces
    new_twins = np.empty(3 * (face + more_faces), np.int32)
    new_twins[: 3 * face] = twins
    for loop in range(len(chosen)):
        if not chosen[loop]:
            continue
        start, length = starts[loop], starts[loop + 1] - starts[loop]
        if length == 3:
            for k in range(3):  # Against the border's turn.
                side, at = sides[start + 2 - k], 3 * face + k
                new_faces[face, k] = flat[next_side(side)]
                new_twins[at], new_twins[side] = side, at
            face += 1
            continue
        for axis in range(3):
            place, colour = 0.0, 0
            for k in range(length):
                corner = flat[sides[start + k]]
                place += np.float64(positions[corner, axis])
                colour += int(colours[corner, axis])
            new_positions[vertex, axis] = place / length
            new_colours[vertex, axis] = (colour + length // 2) // length
        for k in range(length):
            side, at = sides[start + k], 3 * (face + k)
            new_faces[face + k, 0], new_faces[face + k, 1] = flat[next_side(side)], flat[side]
            new_faces[face + k, 2] = vertex
            new_twins[at], new_twins[side] = side, at
            # From the side's start to the middle lies what comes before it on the border, and so on round.
            new_twins[at + 1] = 3 * (face + (k - 1 if k else length - 1)) + 2
            new_twins[at + 2] = 3 * (face + (k + 1 if k < length - 1 else 0)) + 1
        face += length
        vertex += 1
    return new_positions, new_colours, new_faces, new_twins
