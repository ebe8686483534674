"""Charts → one square texture. Each lies in cells of its own, with free cells around. Knows the plane only.

The cells that a chart touches, and one more all around, are laid down where they first fit, large charts before small
ones and the smallest into what was left, in the best of four turns; all at one scale, the largest for which there is
room. Such masks on a grid are those of Lévy, Petitjean, Ray and Maillot, "Least Squares Conformal Maps for Automatic
Texture Atlas Generation" (2002), whose charts cast a horizon; here what lies under one is filled as well.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

# Mip levels, from the full size on, at which at least two texels lie between any two charts: at the last of them a
# cell is a texel. With a third, charts take up 0.40 of a texture of 2048² on a rough blob of 50,000 faces, not 0.54.
MIP_LEVELS: Final = 2
# Cells along a side: more cost time, and gain little where charts are large. Where these are many, there are more: as
# long as that leaves fewer cells for each than it should have, or than it must have (a cell and those around it are 9).
_CELLS, _MOST_CELLS = 1024, 2048
_CELLS_A_CHART, _FEWEST_A_CHART = 36, 16
# A chart keeps this far, in cells, from the edges of the cells that are its own: beyond what rounding moves it.
_MARGIN: Final = 0.01
# No chart is smaller than this, in cells: it would have the cell in any case.
_SMALLEST: Final = 0.9
# The search for the scale: the share of the cells that charts take up, as a first guess; what is good enough of the
# texture's height, and what a further try aims at; how often it tries.
_FILL, _ENOUGH, _AIM, _TRIES = 0.80, 0.97, 0.987, 4
# What of a chart's height the search goes back from the highest place that a chart of its size has found, and how much
# smaller charts must be before it goes back to the beginning.
_BACK, _SMALLER = 0.5, 0.85


class Packed(NamedTuple):
    """Where charts lie in the texture.

    Attributes:
        uvs: (n, 2) float32 in [0, 1], the origin in the texture's upper left corner (glTF's convention).
        mip_levels: For how many mip levels at least two texels lie between any two charts, and one to the border.
    """

    uvs: NDArray[np.float32]
    mip_levels: int


def pack(flat: Floats, faces: Indices, chart: Indices, texture_size: int) -> Packed:
    """Lays charts into a texture, all at one scale, turned but not mirrored; v runs against y.

    `MIP_LEVELS` hold, or more, where the texture has 144 texels for each chart, 6 × 6 cells of 2 × 2, and its size can
    be halved as often. With less room a cell is a texel or a part of one: gutters shrink before charts do, and charts
    never touch. A chart that is longer than the texture is shrunk on its own; one that is smaller than a cell grows to
    nearly its size.

    Args:
        flat: (n, 2) x and y of the vertices, in one unit of length, each vertex in one chart.
        faces: (f, 3), those of one chart nowhere on top of each other.
        chart: (f,) int32, from 0 to C - 1, each with a face.
        texture_size: Texels along a side.
    """
    count = int(chart.max()) + 1
    members = np.argsort(chart, kind="stable").astype(np.int32)
    start = np.searchsorted(chart[members], np.arange(count + 1)).astype(np.int32)
    chart_of = np.empty(len(flat), np.int32)
    chart_of[faces] = chart[:, None]
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, chart_of, flat)
    np.maximum.at(high, chart_of, flat)
    extent = high - low
    flat = flat - low[chart_of]

    cell = 2.0 ** max(MIP_LEVELS - 1, int(np.ceil(np.log2(texture_size / _CELLS))))
    while count * _CELLS_A_CHART > (texture_size // cell) ** 2 and (
        2 * texture_size <= _MOST_CELLS * cell or count * _FEWEST_A_CHART > (texture_size // cell) ** 2
    ):
        cell /= 2
    side = int(texture_size // cell)

    places, scales = _search(flat, faces, members, start, extent, side)
    at = flat * scales[chart_of, None] + 1 + _MARGIN
    x, y = at[:, 0], at[:, 1]
    column, row, turn, columns, rows = (places[chart_of, i] for i in range(5))
    turned_x = np.choose(turn, (x, y, columns - x, rows - y)) + column
    turned_y = np.choose(turn, (y, columns - x, rows - y, x)) + row
    uvs = np.stack([turned_x, side - turned_y], axis=1) * (cell / texture_size)
    halvings = (texture_size & -texture_size).bit_length() - 1  # where texels no longer pair, levels blend across cells
    return Packed(uvs.astype(np.float32), min(max(int(np.log2(cell)) + 1, 0), halvings + 1))


def _search(
    flat: Floats, faces: Indices, members: Indices, start: Indices, extent: Floats, side: int
) -> tuple[Indices, Floats]:
    """Places (C, 5) as `_place` gives them and the charts' scales (C,), in cells a unit, so that all have room."""
    order = np.argsort(-extent.prod(axis=1), kind="stable").astype(np.int32)
    longest = np.maximum(extent.max(axis=1), 1e-300)
    corners = flat[faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = float(np.sum(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])) / 2
    around = 3.4 * float(extent.sum())  # what a free cell around them adds, by the unit

    def taken(scale: float) -> float:
        """About the cells that charts take up."""
        return area * scale**2 + around * scale + 6 * len(extent)

    def scale_for(cells: float) -> float:
        free = max(cells - 6 * len(extent), 0.1 * cells)
        return float(2 * free / (around + np.sqrt(around**2 + 4 * area * free) + 1e-300))

    scale, fits, fails = scale_for(_FILL * side**2), 0.0, np.inf
    best: tuple[Indices, Floats] | None = None
    tries = 0
    while best is None or (tries < _TRIES and fails > 1.004 * fits):
        scales = np.clip(scale, _SMALLEST / longest, (side - 3) / longest)
        used, places = _place(flat, faces, members, start, extent, scales, order, side, _MARGIN, _BACK, _SMALLER)
        tries += 1
        if 0 < used <= side:
            fits, best = scale, (places, scales)
            if used >= _ENOUGH * side:
                break
        else:
            fails = scale
        scale = scale_for(taken(scale) * _AIM * side / used) if used > 0 else 0.7 * scale
        if not fits < scale < fails:
            scale = 0.5 * (fits + fails) if fits > 0 else 0.97 * fails
    return best


@kernel
def _place(
    flat: Floats,
    faces: Indices,
    members: Indices,
    start: Indices,
    extent: Floats,
    scales: Floats,
    order: Indices,
    side: int,
    margin: float,
    back: float,
    smaller: float,
) -> tuple[int, Indices]:
    """Lays down the charts in their order, each where it ends lowest.

    Returns:
        How many rows of cells it took, or -1 if more than twice as many as the texture has; and for each chart (C, 5)
        its first column and row, its turn (quarters), and the columns and rows of its mask before that.
    """
    ahead = np.full((2 * side, side), side, np.int16)
    places = np.zeros((len(order), 5), np.int32)
    runs, counts = np.empty((4, 64, 3), np.int32), np.zeros(4, np.int32)
    used = highest = 0
    size_then = np.inf
    for chart in order:
        columns = int(extent[chart, 0] * scales[chart] + 2 * margin) + 3
        rows = int(extent[chart, 1] * scales[chart] + 2 * margin) + 3
        mask = np.zeros((rows, columns), np.uint8)
        for face in members[start[chart] : start[chart + 1]]:
            _mark(flat, faces[face], scales[chart], margin, mask)
        _widen(mask)
        most = max(rows * (columns // 2 + 1), columns * (rows // 2 + 1))
        if most > runs.shape[1]:
            runs = np.empty((4, most, 3), np.int32)
        if rows * columns < smaller * size_then:
            size_then = float(rows * columns)
            highest = 0
        end, best_x, best_y, best_turn = 2 * side + 1, -1, -1, -1
        for turn in range(4):
            height, width = (rows, columns) if turn % 2 == 0 else (columns, rows)
            counts[turn] = _runs(mask, turn, runs[turn])
            lowest = max(0, highest - int(back * height))
            x, y = _first_fit(ahead, runs[turn, : counts[turn]], width, lowest, end - height)
            if y >= 0:
                end, best_x, best_y, best_turn = y + height, x, y, turn
        if best_turn < 0:
            return -1, places
        _occupy(ahead, runs[best_turn, : counts[best_turn]], best_x, best_y)
        highest, used = max(highest, best_y), max(used, end)
        places[chart, 0], places[chart, 1], places[chart, 2] = best_x, best_y, best_turn
        places[chart, 3], places[chart, 4] = columns, rows
    return used, places


@kernel
def _mark(flat: Floats, face: Indices, scale: float, margin: float, mask: NDArray[np.uint8]) -> None:
    """Marks every cell that comes within the margin of a triangle, which runs from x towards y.

    A cell does so where it meets the triangle's bounding box and lies on the inner side of its three edges, each moved
    out by the margin. Cell 0 stays free.
    """
    ax, ay = flat[face[0], 0] * scale + 1 + margin, flat[face[0], 1] * scale + 1 + margin
    bx, by = flat[face[1], 0] * scale + 1 + margin, flat[face[1], 1] * scale + 1 + margin
    cx, cy = flat[face[2], 0] * scale + 1 + margin, flat[face[2], 1] * scale + 1 + margin
    left, right = int(min(ax, bx, cx) - margin), int(max(ax, bx, cx) + margin)
    low, high = int(min(ay, by, cy) - margin), int(max(ay, by, cy) + margin)
    # Of each edge what its left side has least of in the cell at the origin, and how that changes with x and y.
    abx, aby, bcx, bcy, cax, cay = by - ay, ax - bx, cy - by, bx - cx, ay - cy, cx - ax
    ab = min(abx, 0.0) + min(aby, 0.0) - margin * (abs(abx) + abs(aby)) - abx * ax - aby * ay
    bc = min(bcx, 0.0) + min(bcy, 0.0) - margin * (abs(bcx) + abs(bcy)) - bcx * bx - bcy * by
    ca = min(cax, 0.0) + min(cay, 0.0) - margin * (abs(cax) + abs(cay)) - cax * cx - cay * cy
    for y in range(low, high + 1):
        for x in range(left, right + 1):
            if abx * x + aby * y + ab <= 0 and bcx * x + bcy * y + bc <= 0 and cax * x + cay * y + ca <= 0:
                mask[y, x] = 1


@kernel
def _widen(mask: NDArray[np.uint8]) -> None:
    """Marks the eight cells around each marked one as well. None is marked on the mask's border."""
    rows, columns = mask.shape
    for y in range(1, rows - 1):
        for x in range(1, columns - 1):
            if mask[y, x] & 1:
                mask[y, x - 1] |= 2
                mask[y, x + 1] |= 2
    for y in range(1, rows - 1):
        for x in range(columns):
            if mask[y, x] & 3:
                mask[y - 1, x] |= 4
                mask[y + 1, x] |= 4


@kernel
def _runs(mask: NDArray[np.uint8], turn: int, runs: Indices) -> int:
    """Writes the runs of marked cells, each its row, first column and the column behind, of a mask that was turned.

    Every quarter turn takes +x to -y. Returns how many runs there are.
    """
    rows, columns = mask.shape
    height, width = (rows, columns) if turn % 2 == 0 else (columns, rows)
    found = 0
    for y in range(height):
        inside = False
        for x in range(width + 1):
            marked = False
            if x < width:
                if turn == 0:
                    marked = mask[y, x] != 0
                elif turn == 1:
                    marked = mask[x, columns - 1 - y] != 0
                elif turn == 2:
                    marked = mask[rows - 1 - y, columns - 1 - x] != 0
                else:
                    marked = mask[rows - 1 - x, y] != 0
            if marked and not inside:
                runs[found, 0], runs[found, 1] = y, x
            elif inside and not marked:
                runs[found, 2] = x
                found += 1
            inside = marked
    return found


@kernel
def _first_fit(ahead: NDArray[np.int16], runs: Indices, width: int, lowest: int, behind: int) -> tuple[int, int]:
    """The first x and y, by rows, at which all runs lie on free cells, or -1 and -1.

    Args:
        ahead: (rows, columns) for a free cell the next taken column, for a taken one less the next free column.
        runs: (n, 3).
        width: Of what the runs are part of.
        lowest: The first row to look at.
        behind: The row behind the last.
    """
    count, failed = len(runs), 0
    for y in range(lowest, behind):
        x = 0
        while x + width <= ahead.shape[1]:
            fits = True
            # The run that failed last is the likeliest to fail again.
            for i in range(failed, failed + count):
                run = i if i < count else i - count
                row = y + runs[run, 0]
                taken = x + runs[run, 1]
                if ahead[row, taken] >= 0:
                    taken = ahead[row, taken]
                if taken < x + runs[run, 2]:
                    x = -ahead[row, taken] - runs[run, 1]  # past the obstacle
                    failed, fits = run, False
                    break
            if fits:
                return x, y
    return -1, -1


@kernel
def _occupy(ahead: NDArray[np.int16], runs: Indices, x: int, y: int) -> None:
    """Takes the runs' cells."""
    for run in range(len(runs)):
        row = ahead[y + runs[run, 0]]
        begin, end = x + runs[run, 1], x + runs[run, 2]
        free = end
        if end < len(row) and row[end] < 0:
            free = -row[end]
        at = end - 1
        while at >= begin or (at >= 0 and row[at] < 0):
            row[at] = -free
            at -= 1
        begin = at + 1
        while at >= 0 and row[at] > begin:
            row[at] = begin
            at -= 1
