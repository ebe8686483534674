import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from serve.mesh.finish.gutters import fill

sides = st.integers(1, 21)
pictures = st.tuples(sides, sides).flatmap(
    lambda size: st.tuples(arrays(np.uint8, (*size, 3)), arrays(np.bool_, size, elements=st.booleans()))
)


@given(pictures)
@settings(deadline=None)
def test_what_is_known_stays_and_the_rest_lies_between_its_colours(
    pair: tuple[NDArray[np.uint8], NDArray[np.bool_]],
) -> None:
    picture, known = pair
    given_picture, given_known = picture.copy(), known.copy()
    filled = fill(picture, known)
    assert np.array_equal(picture, given_picture)
    assert np.array_equal(known, given_known)
    assert np.array_equal(filled[known], picture[known])
    if known.any():
        assert (filled >= picture[known].min(axis=0)).all()
        assert (filled <= picture[known].max(axis=0)).all()
    else:
        assert np.array_equal(filled, picture)


def test_one_known_texel_fills_the_picture() -> None:
    picture, known = np.zeros((9, 14, 3), dtype=np.uint8), np.zeros((9, 14), dtype=bool)
    picture[6, 11], known[6, 11] = (10, 200, 30), True
    assert (fill(picture, known) == (10, 200, 30)).all()


def test_an_unknown_texel_has_the_mean_of_the_known_ones_in_its_smallest_block() -> None:
    picture, known = np.zeros((4, 4, 3), dtype=np.uint8), np.zeros((4, 4), dtype=bool)
    picture[0, 0], picture[0, 1], picture[3, 3] = 100, 200, 50
    known[0, 0] = known[0, 1] = known[3, 3] = True
    filled = fill(picture, known)[:, :, 0]
    assert filled.tolist() == [[100, 200, 100, 100], [150, 150, 100, 100], [100, 100, 50, 50], [100, 100, 50, 50]]


def test_every_mip_level_has_the_charts_colours_alone() -> None:
    random = np.random.default_rng(0)
    known = np.zeros((64, 64), dtype=bool)
    known[3:17, 5:30] = known[40:61, 44:59] = True
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    picture[known] = random.integers(100, 256, (known.sum(), 3))
    filled = fill(picture, known)
    colour, share = np.where(known[..., None], picture, 0).astype(float), known.astype(float)
    level = filled.astype(float)
    while len(level) > 1:
        level, colour, share = (_halved(each) for each in (level, colour, share))
        texel = share > 0
        assert (level >= 100).all()
        if len(level) == 32:
            mean = colour[texel] / share[texel][:, None]
            assert np.abs(level[texel] - mean).max() <= 0.5  # nothing of what was black comes in


def test_pictures_of_one_channel_and_of_four_are_filled_too() -> None:
    for channels in (1, 4):
        picture = np.full((5, 5, channels), 9, dtype=np.uint8)
        known = np.eye(5, dtype=bool)
        assert (fill(np.where(known[..., None], picture, 0).astype(np.uint8), known) == 9).all()


def _halved(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    return (picture[::2, ::2] + picture[1::2, ::2] + picture[::2, 1::2] + picture[1::2, 1::2]) / 4
