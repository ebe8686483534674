import io
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from plyfile import PlyData, PlyElement
from pytorch3d.transforms import matrix_to_quaternion, quaternion_to_matrix
from scipy.spatial.transform import Rotation

from serve.errors import Gen3DError
from serve.reconstruct.sam3d.frames import (
    dense_mesh,
    matrix_of,
    perspective,
    placement,
    quaternion_of,
    splats_ply,
)
from serve.reconstruct.sam3d.upstream import gaussians_on, upstream_module

CPU = torch.device("cpu")
finite = st.floats(-3, 3, width=32)
vectors = arrays(np.float64, 3, elements=finite)
quaternions = arrays(np.float64, 4, elements=finite).filter(lambda q: np.linalg.norm(q) > 0.1)


def in_scene(point: Any, place: Any) -> Any:
    """As a glTF viewer places a point: rotate, scale, translate."""
    return Rotation.from_quat(place.rotation).apply(point) * place.scale + place.translation


@given(quaternions, vectors, st.floats(0.05, 5), vectors)
def test_a_placed_object_is_where_upstream_puts_it(rotation: Any, translation: Any, scale: float, point: Any) -> None:
    compose = upstream_module("data.dataset.tdfy.transforms_3d").compose_transform
    composed = compose(
        scale=torch.full((1, 3), scale, dtype=torch.float64),
        rotation=quaternion_to_matrix(torch.from_numpy(rotation / np.linalg.norm(rotation)))[None],
        translation=torch.from_numpy(translation)[None],
    )
    x, y, z = composed.transform_points(torch.from_numpy(point)[None])[0].tolist()
    y_up = (point[0], point[2], -point[1])  # the decoders have z up
    # PyTorch3D's camera has x to the left and z forward, glTF's x to the right and z backward.
    assert in_scene(y_up, placement(rotation, translation, scale)) == pytest.approx((-x, y, -z), abs=1e-6)


@given(quaternions)
def test_quaternions_become_matrices_as_in_pytorch3d(quaternion: Any) -> None:
    matrix = quaternion_to_matrix(torch.from_numpy(quaternion / np.linalg.norm(quaternion)))
    assert matrix_of(quaternion) == pytest.approx(matrix.numpy(), abs=1e-9)


@given(quaternions)
def test_matrices_become_unit_quaternions_of_the_same_turn(quaternion: Any) -> None:
    matrix = matrix_of(quaternion)
    found = quaternion_of(matrix)
    assert np.linalg.norm(found) == pytest.approx(1)
    assert matrix_of(np.array(found)) == pytest.approx(matrix, abs=1e-9)


def test_the_mesh_stands_upright() -> None:
    vertices = np.array([[0, 0, 0.5], [0.1, 0, 0.2], [0, 0.1, 0.2]])
    mesh = dense_mesh(vertices, np.array([[0, 1, 2]]), np.zeros((3, 3)))
    assert mesh.positions[0].tolist() == [0, 0.5, 0]  # what was up in z is up in y


def test_colours_are_held_to_what_a_byte_can_be() -> None:
    mesh = dense_mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), np.array([[2.0, 0.5, -1.0]] * 3))
    assert mesh.colours.tolist() == [[255, 128, 0]] * 3


def test_upstream_extracts_surfaces_that_face_outward() -> None:
    """A ball as the decoder would describe it, through the genuine extractor: the volume must come out positive."""
    resolution = 16
    extractor = upstream_module("model.backbone.tdfy_dit.representations.mesh.cube2mesh")
    extract = extractor.SparseFeatures2Mesh(device="cpu", res=resolution, use_color=True)
    cells = torch.stack(torch.meshgrid(*[torch.arange(resolution)] * 3, indexing="ij"), -1).reshape(-1, 3)
    corners = upstream_module("model.backbone.tdfy_dit.representations.mesh.utils_cube").cube_corners
    points = (cells[:, None] + corners) / resolution - 0.5
    features = torch.zeros(len(cells), extract.feats_channels)
    features[:, :8] = points.norm(dim=-1) - 0.3 + 1 / resolution  # upstream takes a cell's width off
    coords = torch.cat([torch.zeros(len(cells), 1), cells], dim=1).int()
    made = extract(SimpleNamespace(coords=coords, feats=features))
    mesh = dense_mesh(made.vertices.double().numpy(), made.faces.numpy(), np.zeros((len(made.vertices), 3)))
    a, b, c = (mesh.positions[mesh.faces[:, corner]].astype(float) for corner in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    assert volume == pytest.approx(4 / 3 * math.pi * 0.3**3, rel=0.1)


def gaussians(count: int) -> Any:
    """Random splats, as upstream's decoder makes them."""
    make = upstream_module("model.backbone.tdfy_dit.representations.gaussian.gaussian_model").Gaussian
    with gaussians_on(CPU):
        splats = make(
            aabb=[-0.5, -0.5, -0.5, 1, 1, 1],
            mininum_kernel_size=0.0009,
            scaling_bias=0.004,
            opacity_bias=0.1,
            scaling_activation="softplus",
        )
    noise = torch.Generator().manual_seed(0)
    for name, shape in {
        "_xyz": (3,),
        "_features_dc": (1, 3),
        "_scaling": (3,),
        "_rotation": (4,),
        "_opacity": (1,),
    }.items():
        setattr(splats, name, torch.randn(count, *shape, generator=noise))
    return splats


def test_splats_are_those_that_upstream_writes_turned_upright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What upstream writes with, and Gen3D does without: see serve/reconstruct/sam3d/upstream.py.
    writer = upstream_module("model.backbone.tdfy_dit.representations.gaussian.gaussian_model")
    monkeypatch.setattr(writer, "PlyData", PlyData)
    monkeypatch.setattr(writer, "PlyElement", PlyElement)
    splats = gaussians(50)
    splats.save_ply(tmp_path / "upstream.ply")
    theirs = PlyData.read(tmp_path / "upstream.ply")["vertex"]
    ours = PlyData.read(io.BytesIO(splats_ply(splats)))["vertex"]
    assert [field.name for field in ours.properties] == [field.name for field in theirs.properties]
    assert ours["x"] == pytest.approx(theirs["x"])
    assert ours["y"] == pytest.approx(theirs["z"])
    assert ours["z"] == pytest.approx(-theirs["y"])
    for name in ("f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-4)


def test_the_axes_of_a_splat_turn_with_it() -> None:
    splats = gaussians(20)
    ply = PlyData.read(io.BytesIO(splats_ply(splats)))["vertex"]
    turned = Rotation.from_quat(np.stack([ply[f"rot_{i}"] for i in (1, 2, 3, 0)], axis=1))
    own = Rotation.from_quat(np.roll((splats._rotation + splats.rots_bias).numpy(), -1, axis=1))
    for axis in np.eye(3):
        x, y, z = own.apply(axis).T
        assert turned.apply(axis) == pytest.approx(np.stack([x, z, -y], axis=1), abs=1e-5)


def test_the_camera_sees_what_moge_measured() -> None:
    intrinsics = np.array([[0.6, 0, 0.5], [0, 0.8, 0.5], [0, 0, 1]])
    camera = perspective(intrinsics, width=400, height=300)
    assert camera.yfov == pytest.approx(2 * math.atan(0.5 / 0.8))
    assert camera.aspect == pytest.approx(4 / 3)


@pytest.mark.parametrize("focal", [-0.5, 0.0, math.nan, math.inf])
def test_without_a_focal_length_there_is_no_depth(focal: float) -> None:
    with pytest.raises(Gen3DError, match="no_depth"):
        perspective(np.diag([focal, focal, 1.0]), 4, 3)


def test_pytorch3d_agrees_on_what_a_quaternion_is() -> None:
    matrix = torch.from_numpy(matrix_of(np.array([0.5, 0.5, -0.5, 0.5])))
    assert matrix_to_quaternion(matrix).abs().tolist() == pytest.approx([0.5] * 4)
