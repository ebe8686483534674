import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from serve.mesh.finish.texels import texels_of

SIZE = 16

coordinates = st.floats(-0.25, 1.25, width=32)
triangles = st.lists(st.lists(coordinates, min_size=6, max_size=6), min_size=1, max_size=4)


@given(triangles)
@settings(deadline=None)
def test_every_texel_that_a_triangle_touches_is_there(corners: list[list[float]]) -> None:
    uvs, faces = _mesh(corners)
    there = np.zeros((SIZE, SIZE), dtype=bool)
    there.reshape(-1)[texels_of(uvs, faces, SIZE).texel] = True
    for triangle in uvs[faces]:
        assert there[_touched(triangle.astype(np.float64) * SIZE)].all()


@given(triangles)
@example([[0, 0, 0, 0, 0, 0], [0, 0, 0.3984375, 0.625, 0, 0], [1.25, 0, 0, 1.125, 1, 1]])
@settings(deadline=None)
def test_every_texel_has_one_face_and_its_nearest_point(corners: list[list[float]]) -> None:
    uvs, faces = _mesh(corners)
    texels = texels_of(uvs, faces, SIZE)
    assert len(np.unique(texels.texel)) == len(texels.texel)
    assert (np.diff(texels.face) >= 0).all()
    assert (texels.weights >= 0).all()
    assert np.allclose(texels.weights.sum(axis=1), 1, atol=1e-6)
    there = _on(uvs, faces, texels.face, texels.weights)
    distance = np.linalg.norm(there - _centres(texels.texel), axis=1)
    for face in range(len(faces)):
        # No sample of any face comes nearer, whichever has the texel.
        for weights in np.random.default_rng(0).dirichlet((0.5, 0.5, 0.5), 50):
            sample = weights @ uvs[faces[face]] * SIZE
            assert (np.linalg.norm(sample - _centres(texels.texel), axis=1) >= distance - 1e-4).all()


def test_a_texel_belongs_to_the_triangle_that_holds_its_centre_whatever_else_is_near() -> None:
    uvs, faces = _mesh([[0, 0, 1, 0, 0, 1], [1, 1, 0, 1, 1, 0]])
    for order in (faces, faces[::-1]):
        texels = texels_of(uvs, order, SIZE)
        assert len(texels.texel) == SIZE**2
        column, row = texels.texel % SIZE, texels.texel // SIZE
        first = order[texels.face, 0] == 0
        assert first[column + row + 1 < SIZE].all()
        assert not first[column + row + 1 > SIZE].any()


def test_filtering_anywhere_on_a_triangle_reads_its_own_texels() -> None:
    uvs, faces = _mesh([[0.21, 0.2, 0.77, 0.33, 0.4, 0.84]])
    there = np.zeros((SIZE, SIZE), dtype=bool)
    there.reshape(-1)[texels_of(uvs, faces, SIZE).texel] = True
    weights = np.random.default_rng(1).dirichlet((0.3, 0.3, 0.3), 20000)
    corner = np.floor(weights @ uvs * SIZE - 0.5).astype(int)
    for right in (0, 1):
        for down in (0, 1):
            assert there[corner[:, 1] + down, corner[:, 0] + right].all()


def test_triangles_without_area_have_the_texels_that_nothing_holds() -> None:
    uvs, faces = _mesh([[0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [0.1, 0.1, 0.1, 0.9, 0.1, 0.4], [0.5, 0, 1, 0, 1, 1]])
    texels = texels_of(uvs, faces, SIZE)
    assert set(texels.face) == {0, 1, 2}
    held = texels_of(uvs, faces[2:], SIZE)
    in_it = np.all(held.weights > 0, axis=1)
    assert set(held.texel[in_it]) <= set(texels.texel[texels.face == 2])


def test_a_long_sliver_is_followed() -> None:
    uvs, faces = _mesh([[0.001, 0.001, 0.999, 0.998, 0.998, 0.999]])
    texels = texels_of(uvs, faces, 1024)
    assert set(np.arange(1, 1023) * 1025) <= set(texels.texel)
    assert len(texels.texel) < 6 * 1024


def _mesh(corners: list[list[float]]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    uvs = np.array(corners, dtype=np.float32).reshape(-1, 2)
    return uvs, np.arange(len(uvs), dtype=np.int32).reshape(-1, 3)


def _centres(texel: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.column_stack((texel % SIZE, texel // SIZE)).astype(np.float64) + 0.5


def _on(
    uvs: NDArray[np.float32], faces: NDArray[np.int32], face: NDArray[np.int32], weights: NDArray[np.float32]
) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ni,nij->nj", weights.astype(np.float64), uvs[faces[face]].astype(np.float64) * SIZE))


def _touched(triangle: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(SIZE, SIZE) the squares of the grid that a triangle, (3, 2), meets: no axis comes between the two."""
    low = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1).astype(np.float64)
    squares = low[:, :, None] + [(0, 0), (1, 0), (0, 1), (1, 1)]
    sides = triangle - np.roll(triangle, 1, axis=0)
    meets = np.ones((SIZE, SIZE), dtype=bool)
    for axis in np.concatenate(([(1.0, 0.0), (0.0, 1.0)], np.column_stack((-sides[:, 1], sides[:, 0])))):
        of_square, of_triangle = squares @ axis, triangle @ axis
        apart = (of_square.min(axis=-1) > of_triangle.max()) | (of_square.max(axis=-1) < of_triangle.min())
        meets &= ~apart
    return meets
