import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from serve.mesh.finish.unwrapping.pack import MIP_LEVELS, Packed, pack
from tests.serve.mesh.finish.atlas import charts_touching, doubled_areas, least_gap

Box = tuple[float, float]


def packed(boxes: list[Box], size: int) -> tuple[Packed, NDArray[np.int32]]:
    """Wedges, aslant on one side, in boxes of these sizes: each a chart of two triangles. And these triangles."""
    corners = np.array([(0, 0), (1, 0), (0.2, 1), (0, 1)], np.float64)
    flat = np.concatenate([corners * box for box in boxes])
    starts = 4 * np.arange(len(boxes))[:, None, None]
    faces = (starts + np.array([(0, 1, 2), (0, 2, 3)])).reshape(-1, 3).astype(np.int32)
    return pack(flat, faces, np.repeat(np.arange(len(boxes), dtype=np.int32), 2), size), faces


def test_charts_are_laid_down_at_one_scale() -> None:
    boxes = [(3.0, 4.0), (6.0, 2.0), (1.0, 1.0), (2.0, 7.0), (5.0, 5.0)]
    made, faces = packed(boxes, 256)
    shares = -doubled_areas(made.uvs.astype(np.float64), faces)[::2] / [width * height for width, height in boxes]
    assert shares == pytest.approx(np.full(5, shares[0]), rel=1e-3)


def test_charts_are_turned_but_not_mirrored() -> None:
    made, faces = packed([(9.0, 1.0)] * 3 + [(1.0, 9.0)] * 3, 128)
    assert (doubled_areas(made.uvs.astype(np.float64), faces) < 0).all()


def test_a_small_chart_lies_in_the_bay_of_a_large_one() -> None:
    """A frame, open at one side, leaves room for a square within, and so both are larger."""
    flat = np.array(
        [(0, 0), (9, 0), (9, 1), (1, 1), (1, 8), (9, 8), (9, 9), (0, 9), (0, 0), (6, 0), (6, 6), (0, 6)], float
    )
    frame = [(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 7), (4, 5, 6), (4, 6, 7)]
    faces = np.array([*frame, (8, 9, 10), (8, 10, 11)], np.int32)
    made = pack(flat, faces, np.array([0] * 6 + [1] * 2, np.int32), 512)
    assert -doubled_areas(made.uvs.astype(np.float64), faces).sum() / 2 > 0.6


def test_a_large_texture_has_gutters_for_more_levels() -> None:
    boxes = [(1.0, 1.0)] * 20
    assert packed(boxes, 1024)[0].mip_levels == MIP_LEVELS
    assert packed(boxes, 4096)[0].mip_levels == 3
    assert packed(boxes, 8192)[0].mip_levels == 4


def test_a_size_that_cannot_be_halved_has_no_second_level() -> None:
    assert packed([(1.0, 1.0)] * 4, 255)[0].mip_levels == 1


sides = st.floats(0.001, 1000)


@given(boxes=st.lists(st.tuples(sides, sides), min_size=1, max_size=40), size=st.sampled_from([64, 128, 200]))
@settings(deadline=None, max_examples=60)
def test_gutters_are_as_wide_as_promised(boxes: list[Box], size: int) -> None:
    made, faces = packed(boxes, size)
    chart = np.repeat(np.arange(len(boxes), dtype=np.int32), 2)
    for level in range(made.mip_levels):
        owner = charts_touching(made.uvs.astype(np.float64) * (size >> level), faces, chart, size >> level)
        assert least_gap(owner, 2) == 2
        assert (owner[[0, -1]] == -1).all()
        assert (owner[:, [0, -1]] == -1).all()
