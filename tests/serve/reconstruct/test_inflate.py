from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from trimesh import Trimesh

from serve.errors import Gen3DError
from serve.mesh.measure import component_count, is_closed, weld
from serve.mesh.meshes import WebMesh
from serve.reconstruct import Detail, Fineness, Reconstruction
from serve.reconstruct.inflate import FEWEST_FACES, MOST_FACES, Inflate, guess_depths
from serve.segment import PixelBox, Segmentation

Mask = NDArray[np.bool_]
STANDARD = Inflate.details["standard"]


def inflate(mask: Mask, fineness: Fineness = STANDARD, photo_size: tuple[int, int] = (600, 600)) -> Reconstruction:
    """A mask that lies in the upper left corner of a photo whose red grows to the right and green downwards."""
    width, height = photo_size
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    photo = np.dstack([x, y, np.full_like(x, 60)]).astype(np.uint8)
    box = PixelBox(0, 0, mask.shape[1], mask.shape[0])
    detail = Detail("standard", fineness.faces, fineness.texture_size, mesh=True, splats=False)
    (made,) = Inflate().on(photo, [box], detail, 0).make([Segmentation(box, mask, 1.0)], lambda *_: None)
    if isinstance(made, Exception):
        raise made
    return made


def mesh_of(made: Reconstruction) -> WebMesh:
    assert isinstance(made.mesh, WebMesh)
    return made.mesh


def as_trimesh(made: Reconstruction) -> Trimesh:
    return Trimesh(mesh_of(made).positions, mesh_of(made).faces, process=False)


def test_the_body_is_closed_and_faces_outward(mask: Mask) -> None:
    made = inflate(mask)
    mesh = mesh_of(made)
    welded = weld(mesh.positions, mesh.faces)
    assert is_closed(welded)
    body = as_trimesh(made)
    assert body.is_watertight
    assert body.is_winding_consistent
    assert body.volume > 0
    # At rest in single precision too: no triangle has shrunk to a line.
    assert body.area_faces.min() > 0
    assert np.abs(np.linalg.norm(mesh.normals, axis=1) - 1).max() < 1e-5
    facing = np.einsum("fi,fi->f", body.face_normals, mesh.normals[mesh.faces].mean(axis=1))
    assert np.mean(facing > 0) > 0.99


@pytest.mark.parametrize("faces", [FEWEST_FACES, 20_000, MOST_FACES])
def test_it_has_about_as_many_faces_as_wished(shape: Callable[[str], Mask], faces: int) -> None:
    for name in ("disc", "bar", "ring", "star"):
        made = inflate(shape(name), Fineness(faces, 512))
        assert len(mesh_of(made).faces) == pytest.approx(faces, rel=0.08)
        assert made.warnings == ()


@pytest.mark.parametrize(("faces", "becomes"), [(1_000, FEWEST_FACES), (500_000, MOST_FACES)])
def test_faces_beyond_what_it_makes_are_clipped_with_a_warning(
    shape: Callable[[str], Mask], faces: int, becomes: int
) -> None:
    made = inflate(shape("disc"), Fineness(faces, 512))
    assert len(mesh_of(made).faces) == pytest.approx(becomes, rel=0.08)
    assert [warning.code for warning in made.warnings] == ["faces_clipped"]


def test_thin_parts_that_take_more_faces_than_wished_are_remarked_on(shape: Callable[[str], Mask]) -> None:
    made = inflate(shape("wires"), Fineness(FEWEST_FACES, 512))
    assert len(mesh_of(made).faces) > 1.15 * FEWEST_FACES
    assert [warning.code for warning in made.warnings] == ["faces_exceeded"]


def test_holes_stay_holes_and_pieces_stay_pieces(shape: Callable[[str], Mask]) -> None:
    ring = as_trimesh(inflate(shape("ring")))
    assert ring.euler_number == 0, "a ring is a torus"
    assert as_trimesh(inflate(shape("disc"))).euler_number == 2
    pieces = mesh_of(inflate(shape("two pieces")))
    assert component_count(weld(pieces.positions, pieces.faces)) == 2


def test_front_and_back_mirror_each_other(shape: Callable[[str], Mask]) -> None:
    positions = mesh_of(inflate(shape("star"))).positions
    front = positions[positions[:, 2] > 0]
    back = positions[positions[:, 2] < 0] * (1, 1, -1)
    assert np.array_equal(np.unique(front, axis=0), np.unique(back, axis=0))


def test_units_axes_and_origin(shape: Callable[[str], Mask]) -> None:
    """The photo's longer side is a metre, y is up, the object's own frame begins in its middle."""
    mask = np.zeros((100, 300), dtype=bool)
    mask[20:60, 100:200] = True  # 100 × 40 pixels, the middle at (150, 40)
    made = inflate(mask, photo_size=(1000, 500))
    low, high = mesh_of(made).positions.min(axis=0), mesh_of(made).positions.max(axis=0)
    assert (high - low)[:2] == pytest.approx((0.1, 0.04), abs=1e-3)
    assert low + high == pytest.approx((0, 0, 0), abs=1e-6)
    assert made.placement.translation == pytest.approx(((150 - 500) / 1000, (250 - 40) / 1000, 0), abs=1e-3)
    assert made.depth_is_guess


def test_each_point_wears_the_colour_it_has_in_the_photo(shape: Callable[[str], Mask]) -> None:
    """Red grows to the right and green downwards in the photo, so along x and against y on the mesh."""
    from serve.mesh.sample import sample_texture

    mesh = mesh_of(inflate(shape("disc")))
    colours = sample_texture(mesh.texture, mesh.uvs)
    inner = np.hypot(*mesh.positions[:, :2].T) < 0.13
    expected_red = (mesh.positions[inner, 0] * 600 + 120) / 600 * 255
    expected_green = (120 - mesh.positions[inner, 1] * 600) / 600 * 255
    assert np.abs(colours[inner, 0] - expected_red).max() < 2
    assert np.abs(colours[inner, 1] - expected_green).max() < 2


def test_the_texture_is_never_larger_than_asked_nor_than_the_photo(shape: Callable[[str], Mask]) -> None:
    assert max(mesh_of(inflate(shape("disc"), Fineness(5_000, 64))).texture.shape) == 64
    assert max(mesh_of(inflate(shape("disc"), Fineness(5_000, 8192))).texture.shape) <= 240


def test_a_mask_of_hairs_is_refused() -> None:
    mask = np.zeros((50, 50), dtype=bool)
    mask[:, 20] = True
    with pytest.raises(Gen3DError, match="nowhere 3 pixels wide") as caught:
        inflate(mask)
    assert caught.value.code == "reconstruction_failed"


boxes = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(4, 400), st.integers(4, 400)).map(
        lambda b: PixelBox(b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    max_size=8,
)


@given(boxes=boxes)
def test_depths_do_not_depend_on_the_order_of_the_boxes(boxes: list[PixelBox]) -> None:
    boxes = list(dict.fromkeys(boxes))
    depth = dict(zip(boxes, guess_depths(boxes), strict=True))
    assert guess_depths(boxes[::-1]) == pytest.approx([depth[box] for box in boxes[::-1]])
    assert all(value >= 0 for value in depth.values())


def test_lower_and_larger_things_are_nearer_and_contained_ones_stand_before_their_container() -> None:
    back, front = guess_depths([PixelBox(0, 0, 100, 100), PixelBox(50, 50, 250, 250)])
    assert front > back
    saucer, cup = guess_depths([PixelBox(75, 12, 484, 394), PixelBox(170, 12, 410, 240)])
    assert cup > saucer
    assert guess_depths([PixelBox(0, 0, 50, 50), PixelBox(100, 0, 150, 50)]) == [0, 0]
    assert guess_depths([]) == []
