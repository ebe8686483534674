"""Compact files are read by glTF Transform here: what knows nothing of how they were made."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from serve.contract import TextureFormat
from serve.mesh.compact import compact_glb
from serve.mesh.gltf import object_glb
from serve.mesh.measure import is_closed, weld
from serve.mesh.meshes import WebMesh
from serve.mesh.textures import encode_textures
from tests.serve.mesh.glb import ReadMesh, read_glb, read_mesh

Array = NDArray[Any]
Validate = Callable[..., list[dict[str, Any]]]
Unpack = Callable[[bytes], bytes]
COMPRESSED = "EXT_meshopt_compression"


def packed(mesh: WebMesh) -> bytes:
    return compact_glb(mesh, "object-0", generator="test")


def step_of(positions: Array) -> float:
    """A 65535th of the longest side of the box around the positions."""
    return float(np.ptp(positions.astype(np.float64), axis=0).max()) / 65535


def degrees_between(first: Array, second: Array) -> Array:
    """The angles between rows of vectors."""
    a, b = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (first.astype(float), second.astype(float)))
    return np.asarray(np.degrees(2 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=1) / 2, 0, 1))))


def turned(faces: Array) -> Array:
    """Triangles, (F, 3) or (F, 3, k), each begun at its least corner, and sorted: what is the same reads the same."""
    corners = faces.reshape(len(faces), 3, -1)
    turns = np.stack([np.roll(corners, turn, axis=1).reshape(len(faces), -1) for turn in range(3)], axis=1)
    least: Array = np.array([min(map(tuple, each)) for each in turns.tolist()])
    return least[np.lexsort(least.T[::-1])]


def assert_same(read: ReadMesh, mesh: WebMesh) -> None:
    """The same vertices within the steps, and the same triangles in whatever order."""
    step = step_of(mesh.positions)
    scaled = [np.column_stack((one.positions / step, one.uvs * 65535.0, one.normals * 100)) for one in (read, mesh)]
    source = np.asarray(cKDTree(scaled[1]).query(scaled[0])[1])
    assert np.abs(read.positions - mesh.positions[source]).max() <= 0.51 * step
    assert np.abs(read.uvs - mesh.uvs[source]).max() <= 0.51 / 65535
    assert degrees_between(read.normals, mesh.normals[source]).max() < 0.3
    np.testing.assert_array_equal(turned(source[read.faces]), turned(mesh.faces))
    if mesh.tangents is None:
        assert read.tangents is None
    else:
        assert read.tangents is not None
        assert degrees_between(read.tangents[:, :3], mesh.tangents[source, :3]).max() < 0.3
        np.testing.assert_array_equal(read.tangents[:, 3], mesh.tangents[source, 3])


def test_the_validator_has_nothing_to_say_but_that_it_cannot_decompress(
    mesh: WebMesh, validate_glb: Validate, unpack_glb: Unpack, tmp_path: Path
) -> None:
    compact, plain = tmp_path / "compact.glb", tmp_path / "plain.glb"
    compact.write_bytes(packed(mesh))
    plain.write_bytes(unpack_glb(packed(mesh)))
    of_compact, of_plain = validate_glb(compact, plain)
    (told,) = of_compact["issues"]["messages"]
    assert told["code"] == "UNSUPPORTED_EXTENSION"
    assert COMPRESSED in told["message"]
    assert of_plain["issues"]["messages"] == []
    assert of_plain["info"]["totalTriangleCount"] == len(mesh.faces)


def test_an_independent_reader_sees_the_same_mesh(mesh: WebMesh, unpack_glb: Unpack) -> None:
    assert_same(read_mesh(unpack_glb(packed(mesh))), mesh)


def test_tangents_and_their_signs_survive(
    embossed: WebMesh, unpack_glb: Unpack, validate_glb: Validate, tmp_path: Path
) -> None:
    plain = unpack_glb(packed(embossed))
    assert_same(read_mesh(plain), embossed)
    path = tmp_path / "plain.glb"
    path.write_bytes(plain)
    (report,) = validate_glb(path)
    assert report["issues"]["messages"] == []
    assert "normalTexture" in read_glb(plain).document["materials"][0]


def test_a_closed_mesh_stays_closed(mesh: WebMesh, unpack_glb: Unpack) -> None:
    read = read_mesh(unpack_glb(packed(mesh)))
    assert is_closed(weld(read.positions.astype(np.float32), read.faces.astype(np.uint32)))


@pytest.mark.parametrize(("rows", "columns", "component_type"), [(255, 257, 5123), (256, 256, 5125)])
def test_indices_are_as_narrow_as_the_vertices_allow(
    rows: int, columns: int, component_type: int, torus_of: Callable[[int, int], WebMesh], unpack_glb: Unpack
) -> None:
    torus = torus_of(rows, columns)
    document = read_glb(packed(torus)).document
    (primitive,) = document["meshes"][0]["primitives"]
    indices = document["accessors"][primitive["indices"]]
    assert (indices["componentType"], indices["count"]) == (component_type, torus.faces.size)
    assert_same(read_mesh(unpack_glb(packed(torus))), torus)


def test_the_file_is_laid_out_as_the_extension_wants_it(embossed: WebMesh) -> None:
    glb = read_glb(packed(embossed))
    document = glb.document
    assert document["extensionsRequired"] == document["extensionsUsed"] == ["KHR_mesh_quantization", COMPRESSED]
    stored, unpacked = document["buffers"]
    assert stored["byteLength"] <= len(glb.binary)
    assert unpacked["extensions"] == {COMPRESSED: {"fallback": True}}
    assert "uri" not in unpacked
    end = 0
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        how = view["extensions"][COMPRESSED]
        assert (view["buffer"], how["buffer"]) == (1, 0)
        assert view["byteLength"] == how["byteStride"] * how["count"]
        assert how["count"] == accessor["count"]
        assert view["byteOffset"] % 4 == how["byteOffset"] % 4 == 0
        assert view["byteOffset"] >= end, "views lie one after the other"
        end = view["byteOffset"] + view["byteLength"]
        assert how["byteOffset"] + how["byteLength"] <= stored["byteLength"]
        if how["mode"] == "TRIANGLES":
            assert "byteStride" not in view
        else:
            assert view["byteStride"] == how["byteStride"]
            assert how["byteStride"] % 4 == 0
    assert end <= unpacked["byteLength"]
    filters = [
        document["bufferViews"][a["bufferView"]]["extensions"][COMPRESSED].get("filter") for a in document["accessors"]
    ]
    assert filters == [None, "OCTAHEDRAL", None, "OCTAHEDRAL", None]


def test_the_file_says_between_which_numbers_its_positions_lie(mesh: WebMesh, unpack_glb: Unpack) -> None:
    numbers = read_glb(unpack_glb(packed(mesh)))
    (primitive,) = numbers.document["meshes"][0]["primitives"]
    positions = numbers.rows(primitive["attributes"]["POSITION"])
    told = read_glb(packed(mesh)).document["accessors"][0]
    assert (told["min"], told["max"]) == (positions.min(axis=0).tolist(), positions.max(axis=0).tolist())
    assert max(told["max"]) == 65535


@pytest.mark.parametrize("texture_format", ["jpeg", "png", "webp"])
def test_the_pictures_may_come_encoded_in_each_format(
    texture_format: TextureFormat, embossed: WebMesh, unpack_glb: Unpack
) -> None:
    textures = encode_textures(embossed, texture_format)
    glb = compact_glb(embossed, "object-0", generator="test", textures=textures)
    assert textures.normal_map is not None
    for file in (glb, unpack_glb(glb)):
        assert file.count(textures.base_colour.data) == file.count(textures.normal_map.data) == 1


def test_geometry_takes_less_than_a_third_of_what_the_plain_file_takes(
    torus_of: Callable[[int, int], WebMesh],
) -> None:
    torus = torus_of(120, 120)
    pictures = len(encode_textures(torus).base_colour.data)
    plain = len(object_glb(torus, "object-0", generator="test"))
    assert len(packed(torus)) - pictures < (plain - pictures) / 3


def test_the_same_mesh_gives_the_same_bytes(mesh: WebMesh) -> None:
    assert packed(mesh) == packed(mesh)


def test_vertices_without_a_triangle_are_left_out(cube: WebMesh, unpack_glb: Unpack) -> None:
    stray = WebMesh(
        positions=np.concatenate((np.full((1, 3), 100, np.float32), cube.positions)),
        normals=np.concatenate((cube.normals[:1], cube.normals)),
        uvs=np.concatenate((cube.uvs[:1], cube.uvs)),
        faces=cube.faces + np.uint32(1),
        texture=cube.texture,
    )
    assert_same(read_mesh(unpack_glb(packed(stray))), cube)


def test_uvs_slightly_off_the_picture_are_taken_to_its_edge(cube: WebMesh, unpack_glb: Unpack) -> None:
    uvs = np.where(cube.uvs == 1, np.float32(1.0001), np.where(cube.uvs == 0, np.float32(-1e-5), cube.uvs))
    assert_same(read_mesh(unpack_glb(packed(replace(cube, uvs=uvs)))), cube)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_no_file_with_numbers_that_are_none(wrong: float, cube: WebMesh) -> None:
    positions = cube.positions.copy()
    positions[3, 1] = wrong
    with pytest.raises(ValueError, match="not finite"):
        packed(replace(cube, positions=positions))


DIRECTIONS = np.array([d for d in np.ndindex(3, 3, 3) if d != (1, 1, 1)]) - 1  # the 26 around the middle of a cube


@given(
    seed=st.integers(0, 2**32 - 1),
    unit=st.integers(-90, 80),
    origin=st.tuples(*[st.integers(-(2**20), 2**20)] * 3),
    flat=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    vertices=st.integers(3, 60),
    triangles=st.integers(1, 80),
)
@settings(deadline=None, max_examples=60)
def test_any_triangles_read_back_within_the_step(
    seed: int,
    unit: int,
    origin: tuple[int, int, int],
    flat: tuple[bool, bool, bool],
    vertices: int,
    triangles: int,
    cube: WebMesh,
    unpack_glb: Unpack,
) -> None:
    """Vertices on a coarse grid, so that each can be told from the file's numbers: flat, tiny, huge, far away."""
    random = np.random.default_rng(seed)
    grid = random.integers(-100, 101, (vertices, 3)) * ~np.array(flat) + origin
    uvs = random.integers(0, 65, (vertices, 2))
    directions = DIRECTIONS[random.integers(0, len(DIRECTIONS), vertices)]
    mesh = WebMesh(
        positions=(grid * 2.0**unit).astype(np.float32),
        normals=(directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32),
        uvs=(uvs / 64).astype(np.float32),
        faces=random.integers(0, vertices, (triangles, 3)).astype(np.uint32),
        texture=cube.texture[:2, :2],
    )
    read = read_mesh(unpack_glb(packed(mesh)))
    read_grid = np.rint(read.positions / 2.0**unit)
    read_uvs = np.rint(read.uvs * 64)
    read_directions = np.sign(np.rint(2 * read.normals))
    assert np.abs(read.positions - read_grid * 2.0**unit).max() <= 0.51 * step_of(mesh.positions[np.unique(mesh.faces)])
    assert np.abs(read.uvs - read_uvs / 64).max() <= 0.51 / 65535
    assert degrees_between(read.normals, read_directions).max() < 0.3
    np.testing.assert_array_equal(
        turned(np.column_stack((read_grid, read_uvs, read_directions))[read.faces]),
        turned(np.column_stack((grid, uvs, directions))[mesh.faces]),
    )
