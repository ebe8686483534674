import io
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin
from scipy.spatial.transform import Rotation

from serve.mesh.gltf import object_glb, scene_glb
from serve.mesh.meshes import (
    ColouredMesh,
    OrthographicCamera,
    PerspectiveCamera,
    PhotoCamera,
    PlacedMesh,
    Placement,
    WebMesh,
)
from serve.mesh.render import project

Validate = Callable[..., list[dict[str, Any]]]
AS_MADE = Placement((0.0, 0.0, 0.0, 1.0), 1.0, (0.0, 0.0, 0.0))


def placements() -> st.SearchStrategy[Placement]:
    number = st.floats(-1, 1, width=16)
    quaternions = st.tuples(number, number, number, number).filter(lambda q: np.linalg.norm(q) > 0.1)
    return st.builds(
        lambda q, scale, translation: Placement(tuple(q / np.linalg.norm(q)), scale, translation),
        quaternions.map(np.array),
        st.floats(0.1, 10),
        st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5)),
    )


def document(glb: bytes) -> dict[str, Any]:
    """A GLB's JSON chunk, which begins after two headers of 12 and 8 bytes."""
    (length,) = struct.unpack_from("<I", glb, 12)
    parsed: dict[str, Any] = json.loads(glb[20 : 20 + length])
    return parsed


def load(glb: bytes) -> trimesh.Scene:
    return trimesh.load_scene(io.BytesIO(glb), file_type="glb", process=False)


def test_the_validator_has_nothing_to_say(mesh: WebMesh, validate_glb: Validate, tmp_path: Path) -> None:
    alone, scene = tmp_path / "alone.glb", tmp_path / "scene.glb"
    alone.write_bytes(object_glb(mesh, "object-0", generator="test"))
    placed = PlacedMesh("object-0", mesh, Placement((0.6, 0.0, 0.0, 0.8), 2.0, (1.0, -2.0, -3.0)))
    camera = OrthographicCamera((0.0, 0.0, 1.0), 4.0, 3.0)
    scene.write_bytes(scene_glb([placed, replace(placed, name="object-1")], camera, generator="test"))
    for report in validate_glb(alone, scene):
        assert report["issues"]["messages"] == []


def test_an_independent_reader_sees_the_same_mesh_in_its_colours(mesh: WebMesh) -> None:
    scene = load(object_glb(mesh, "object-0", generator="test"))
    read: Any = scene.geometry["object-0"]
    np.testing.assert_array_equal(read.vertices, mesh.positions)
    np.testing.assert_array_equal(read.faces, mesh.faces)
    np.testing.assert_allclose(read.vertex_normals, mesh.normals, atol=1e-6)
    red, green, blue, _ = read.visual.to_color().vertex_colors.T.astype(float)
    # Within the width of a texel and JPEG's rounding.
    np.testing.assert_allclose(red, 255 * mesh.uvs[:, 0], atol=5)
    np.testing.assert_allclose(green, 255 * mesh.uvs[:, 1], atol=7)
    np.testing.assert_allclose(blue, 64, atol=5)


def test_the_material_is_rough_and_not_metallic_and_its_picture_ends_at_its_edges(cube: WebMesh) -> None:
    glb = document(object_glb(cube, "object-0", generator="Gen3D 1.2.3"))
    assert glb["asset"] == {"version": "2.0", "generator": "Gen3D 1.2.3"}
    (material,) = glb["materials"]
    assert "doubleSided" not in material
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0
    assert material["pbrMetallicRoughness"]["roughnessFactor"] == 0.8
    (sampler,) = glb["samplers"]
    assert sampler == {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}


def test_the_picture_is_a_jpeg_with_full_chroma(cube: WebMesh) -> None:
    glb = object_glb(cube, "object-0", generator="test")
    picture = Image.open(io.BytesIO(glb[glb.index(b"\xff\xd8\xff") :]))
    assert picture.size == (128, 64)
    assert JpegImagePlugin.get_sampling(picture) == 0  # 4:4:4


@given(first=placements(), second=placements())
@settings(max_examples=15, deadline=None)
def test_every_object_is_where_its_placement_says(
    first: Placement, second: Placement, cube: WebMesh, torus: WebMesh
) -> None:
    objects = [PlacedMesh("object-0", cube, first), PlacedMesh('a "mug", ☕', torus, second)]
    scene = load(scene_glb(objects, None, generator="test"))
    everything = []
    for placed in objects:
        matrix, geometry = scene.graph[placed.name]
        read: Any = scene.geometry[geometry]
        place = placed.placement
        expected = Rotation.from_quat(place.rotation).apply(placed.mesh.positions) * place.scale + place.translation
        np.testing.assert_allclose(trimesh.transform_points(read.vertices, matrix), expected, atol=1e-4)
        everything.append(expected)
    corners = np.concatenate(everything)
    np.testing.assert_allclose(scene.bounds, [corners.min(axis=0), corners.max(axis=0)], atol=1e-4)


def test_what_changes_nothing_is_left_out(cube: WebMesh) -> None:
    turned = Placement((0.0, 1.0, 0.0, 0.0), 1.0, (0.0, 0.0, 0.0))
    objects = [PlacedMesh("a", cube, AS_MADE), PlacedMesh("b", cube, turned)]
    assert document(scene_glb(objects, None, generator="test"))["nodes"] == [
        {"name": "a", "mesh": 0},
        {"name": "b", "mesh": 1, "rotation": [0.0, 1.0, 0.0, 0.0]},
    ]


def test_the_photo_camera_sees_what_the_photo_shows(cube: WebMesh) -> None:
    behind = PlacedMesh("object-0", cube, Placement((0.0, 0.0, 0.0, 1.0), 2.0, (0.0, 0.0, -7.0)))
    glb = document(scene_glb([behind], OrthographicCamera((1.0, 0.5, 3.0), 4.0, 3.0), generator="test"))
    assert glb["nodes"][1] == {"name": "photo_camera", "camera": 0, "translation": [1.0, 0.5, 3.0]}
    (camera,) = glb["cameras"]
    lens = camera["orthographic"]
    assert (camera["type"], lens["xmag"], lens["ymag"], lens["znear"]) == ("orthographic", 2, 1.5, 0)
    assert 11 <= lens["zfar"] < 12  # The cube's back is at z = -8; its corners reach further if it is turned.


def test_a_camera_behind_everything_is_still_valid(cube: WebMesh, validate_glb: Validate, tmp_path: Path) -> None:
    path = tmp_path / "scene.glb"
    camera = OrthographicCamera((0.0, 0.0, -100.0), 4.0, 3.0)
    path.write_bytes(scene_glb([PlacedMesh("object-0", cube, AS_MADE)], camera, generator="test"))
    validate_glb(path)


@pytest.mark.parametrize(("rows", "columns", "component_type"), [(255, 257, 5123), (256, 256, 5125), (266, 266, 5125)])
def test_indices_are_as_narrow_as_the_vertices_allow(
    rows: int,
    columns: int,
    component_type: int,
    torus_of: Callable[[int, int], WebMesh],
    validate_glb: Validate,
    tmp_path: Path,
) -> None:
    torus = torus_of(rows, columns)
    glb = object_glb(torus, "object-0", generator="test")
    indices = document(glb)["accessors"][3]
    assert (indices["type"], indices["componentType"]) == ("SCALAR", component_type)
    path = tmp_path / "torus.glb"
    path.write_bytes(glb)
    (report,) = validate_glb(path)
    assert report["info"]["totalVertexCount"] == rows * columns
    read: Any = load(glb).geometry["object-0"]
    np.testing.assert_array_equal(read.faces, torus.faces)


def test_normals_of_slightly_wrong_length_are_put_right(
    sphere: WebMesh, validate_glb: Validate, tmp_path: Path
) -> None:
    path = tmp_path / "sphere.glb"
    rounded = replace(sphere, normals=sphere.normals.astype(np.float16).astype(np.float32) * np.float32(1.01))
    path.write_bytes(object_glb(rounded, "object-0", generator="test"))
    validate_glb(path)


def test_the_same_mesh_gives_the_same_bytes(mesh: WebMesh) -> None:
    first, second = (object_glb(mesh, "object-0", generator="test") for _ in range(2))
    assert first == second


def test_no_glb_without_objects_or_with_numbers_that_are_none(cube: WebMesh) -> None:
    with pytest.raises(ValueError, match="at least one object"):
        scene_glb([], None, generator="test")
    nowhere = Placement((0.0, 0.0, 0.0, 1.0), 1.0, (float("nan"), 0.0, 0.0))
    with pytest.raises(ValueError, match="JSON"):
        scene_glb([PlacedMesh("object-0", cube, nowhere)], None, generator="test")


# Colours by vertex.


def test_the_validator_has_nothing_to_say_of_coloured_vertices(
    coloured: ColouredMesh, cube: WebMesh, validate_glb: Validate, tmp_path: Path
) -> None:
    alone, scene = tmp_path / "alone.glb", tmp_path / "scene.glb"
    alone.write_bytes(object_glb(coloured, "object-0", generator="test"))
    objects = [PlacedMesh("a", coloured, AS_MADE), PlacedMesh("b", cube, AS_MADE)]
    camera = PerspectiveCamera((0.0, 0.0, 4.0), 0.8, 1.5)
    scene.write_bytes(scene_glb(objects, camera, generator="test"))
    for report in validate_glb(alone, scene):
        assert report["issues"]["messages"] == []


def test_an_independent_reader_sees_the_same_coloured_mesh(coloured: ColouredMesh) -> None:
    read: Any = load(object_glb(coloured, "object-0", generator="test")).geometry["object-0"]
    np.testing.assert_array_equal(read.vertices, coloured.positions)
    np.testing.assert_array_equal(read.faces, coloured.faces)
    np.testing.assert_allclose(read.vertex_normals, coloured.normals, atol=1e-6)


def test_coloured_vertices_are_linear_light_fine_enough_to_come_back_to_the_bit(coloured: ColouredMesh) -> None:
    read: Any = load(object_glb(coloured, "object-0", generator="test")).geometry["object-0"]
    stored = read.visual.vertex_attributes["color"]
    assert stored.dtype == np.uint16
    assert (stored[:, 3] == 65535).all()
    linear = stored[:, :3] / 65535
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal(np.rint(255 * srgb), coloured.colours)


def test_a_mesh_without_a_texture_brings_no_picture_and_no_tint(coloured: ColouredMesh) -> None:
    told = document(object_glb(coloured, "object-0", generator="test"))
    assert not {"images", "textures", "samplers"} & set(told)
    assert told["materials"][0]["pbrMetallicRoughness"] == {"metallicFactor": 0.0, "roughnessFactor": 0.8}


# Perspective cameras.


def test_a_perspective_camera_sees_to_behind_the_farthest_object(cube: WebMesh) -> None:
    behind = PlacedMesh("object-0", cube, Placement((0.0, 0.0, 0.0, 1.0), 2.0, (0.0, 0.0, -7.0)))
    glb = document(scene_glb([behind], PerspectiveCamera((1.0, 0.5, 3.0), 0.8, 1.5), generator="test"))
    assert glb["nodes"][1] == {"name": "photo_camera", "camera": 0, "translation": [1.0, 0.5, 3.0]}
    (camera,) = glb["cameras"]
    lens = camera["perspective"]
    assert (camera["type"], lens["yfov"], lens["aspectRatio"]) == ("perspective", 0.8, 1.5)
    assert 0 < lens["znear"] < 0.01
    assert 11 <= lens["zfar"] < 12


def test_a_perspective_camera_behind_everything_is_still_valid(
    cube: WebMesh, validate_glb: Validate, tmp_path: Path
) -> None:
    path = tmp_path / "scene.glb"
    camera = PerspectiveCamera((0.0, 0.0, -100.0), 0.8, 1.5)
    path.write_bytes(scene_glb([PlacedMesh("object-0", cube, AS_MADE)], camera, generator="test"))
    validate_glb(path)


somewhere = st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5))
cameras = st.one_of(
    st.builds(OrthographicCamera, somewhere, st.floats(0.1, 10), st.floats(0.1, 10)),
    st.builds(PerspectiveCamera, somewhere, st.floats(0.1, 2.5), st.floats(0.3, 3)),
)


@given(camera=cameras, ahead=st.floats(0.2, 30), aside=st.tuples(st.floats(-9, 9), st.floats(-9, 9)))
@settings(deadline=None)
def test_a_point_is_in_the_photo_where_the_cameras_matrices_put_it(
    camera: PhotoCamera, ahead: float, aside: tuple[float, float], cube: WebMesh
) -> None:
    """The specification's projection matrices (appendix "Projection Matrices"), filled in from the file's camera."""
    told = document(scene_glb([PlacedMesh("object-0", cube, AS_MADE)], camera, generator="test"))
    (lens,) = (told["cameras"][0][kind] for kind in ("perspective", "orthographic") if kind in told["cameras"][0])
    near, far = lens["znear"], lens["zfar"]
    matrix = np.zeros((4, 4))
    if "yfov" in lens:
        top = np.tan(0.5 * lens["yfov"])
        np.fill_diagonal(matrix, [1 / (lens["aspectRatio"] * top), 1 / top, (far + near) / (near - far), 0])
        matrix[2, 3], matrix[3, 2] = 2 * far * near / (near - far), -1
    else:
        np.fill_diagonal(matrix, [1 / lens["xmag"], 1 / lens["ymag"], 2 / (near - far), 1])
        matrix[2, 3] = (far + near) / (near - far)
    position = np.array(told["nodes"][1].get("translation", [0, 0, 0]))
    point = position + np.array([*aside, -ahead])
    clip = matrix @ (*(point - position), 1)
    expected = (clip[:2] / clip[3] * (1, -1) + 1) / 2 * (600, 400)
    in_photo, _ = project(point[None], camera, (600, 400))
    np.testing.assert_allclose(in_photo[0], expected, rtol=1e-9, atol=1e-6)
