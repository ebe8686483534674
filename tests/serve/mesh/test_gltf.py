import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.transform import Rotation

from serve.contract import TextureFormat
from serve.mesh.gltf import object_glb, scene_glb
from serve.mesh.meshes import (
    OrthographicCamera,
    PerspectiveCamera,
    PhotoCamera,
    PlacedMesh,
    Placement,
    WebMesh,
)
from serve.mesh.render import project
from serve.mesh.textures import encode_textures
from tests.serve.mesh.glb import read_glb, read_mesh

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
    return read_glb(glb).document


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


@pytest.mark.parametrize("texture_format", ["jpeg", "png", "webp"])
def test_the_pictures_may_come_encoded_in_each_format(
    texture_format: TextureFormat, embossed: WebMesh, validate_glb: Validate, tmp_path: Path
) -> None:
    textures = encode_textures(embossed, texture_format)
    path = tmp_path / "object-0.glb"
    path.write_bytes(object_glb(embossed, "object-0", generator="test", textures=textures))
    (report,) = validate_glb(path)
    assert report["issues"]["messages"] == []
    assert [resource["mimeType"] for resource in report["info"]["resources"][1:]] == [
        f"image/{texture_format}",
        "image/png" if texture_format == "png" else "image/jpeg",
    ]
    for picture in (textures.base_colour, textures.normal_map):
        assert picture is not None
        assert path.read_bytes().count(picture.data) == 1


def test_webp_is_an_extension_that_readers_must_know(cube: WebMesh) -> None:
    textures = encode_textures(cube, "webp")
    glb = read_glb(object_glb(cube, "object-0", generator="test", textures=textures))
    assert glb.document["extensionsRequired"] == glb.document["extensionsUsed"] == ["EXT_texture_webp"]
    assert glb.document["textures"] == [{"sampler": 0, "extensions": {"EXT_texture_webp": {"source": 0}}}]
    assert glb.view(glb.document["images"][0]["bufferView"]) == textures.base_colour.data


def test_the_objects_of_a_scene_have_each_its_own_pictures(cube: WebMesh, torus: WebMesh) -> None:
    dark = replace(torus, texture=torus.texture // 2)
    objects = [PlacedMesh("a", cube, AS_MADE), PlacedMesh("b", dark, AS_MADE)]
    textures = [encode_textures(cube, "jpeg"), encode_textures(dark, "png")]
    glb = read_glb(scene_glb(objects, None, generator="test", textures=textures))
    colours = [material["pbrMetallicRoughness"]["baseColorTexture"] for material in glb.document["materials"]]
    assert [glb.picture(colour) for colour in colours] == [given.base_colour.data for given in textures]
    with pytest.raises(ValueError, match="shorter"):
        scene_glb(objects, None, generator="test", textures=textures[:1])


def test_tangents_come_with_a_normal_map_alone(embossed: WebMesh, torus: WebMesh) -> None:
    plain, bumpy = (object_glb(mesh, "object-0", generator="test") for mesh in (torus, embossed))
    assert read_mesh(plain).tangents is None
    assert "normalTexture" not in document(plain)["materials"][0]
    tangents = read_mesh(bumpy).tangents
    assert tangents is not None
    assert embossed.tangents is not None
    assert embossed.normal_map is not None
    np.testing.assert_allclose(tangents, embossed.tangents, atol=1e-6)
    glb = read_glb(bumpy)
    picture = np.asarray(Image.open(io.BytesIO(glb.picture(glb.document["materials"][0]["normalTexture"]))))
    np.testing.assert_allclose(picture.astype(int), embossed.normal_map, atol=6)


@given(
    seed=st.integers(0, 2**32 - 1),
    unit=st.integers(-90, 90),
    flat=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    vertices=st.integers(3, 40),
)
@settings(deadline=None)
def test_any_triangles_read_back_to_the_bit(
    seed: int, unit: int, flat: tuple[bool, bool, bool], vertices: int, cube: WebMesh
) -> None:
    random = np.random.default_rng(seed)
    normals = random.normal(size=(vertices, 3))
    mesh = WebMesh(
        positions=(random.normal(size=(vertices, 3)) * ~np.array(flat) * 2.0**unit).astype(np.float32),
        normals=(normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32),
        uvs=random.random((vertices, 2), dtype=np.float32),
        faces=random.integers(0, vertices, (random.integers(1, 60), 3)).astype(np.uint32),
        texture=cube.texture,
    )
    read = read_mesh(object_glb(mesh, "object-0", generator="test"))
    np.testing.assert_array_equal(read.positions, mesh.positions)
    np.testing.assert_array_equal(read.uvs, mesh.uvs)
    np.testing.assert_array_equal(read.faces, mesh.faces)
    np.testing.assert_allclose(read.normals, mesh.normals, atol=1e-6)


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
