import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image
from pxr import Usd, UsdGeom, UsdShade, UsdValidation

from serve.contract import MeshFormat, TextureFormat
from serve.mesh.compact import compact_glb
from serve.mesh.export import compact_file, object_file, splats_file
from serve.mesh.gltf import object_glb
from serve.mesh.meshes import WebMesh
from serve.mesh.textures import encode_textures

FORMATS: tuple[MeshFormat, ...] = ("glb", "obj", "stl", "ply", "usdz")
Array = NDArray[Any]


def made(mesh: WebMesh, format: MeshFormat) -> bytes:  # noqa: A002
    return object_file(mesh, "object-0", format, generator="test").data


def expected_colours(uvs: Array) -> Array:
    """The test picture's colours: see conftest.py."""
    return np.column_stack((255 * uvs[:, 0], 255 * uvs[:, 1], np.full(len(uvs), 64.0)))


def is_closed(vertices: Array, faces: Array) -> bool:
    """Whether the triangles close, by the indices as they stand, and face outward."""
    body = trimesh.Trimesh(vertices, faces, process=False)
    return bool(body.is_watertight and body.is_winding_consistent and body.volume > 0)


def read_by_trimesh(file: Path | bytes, file_type: str) -> Any:
    """The file's one mesh as it stands: nothing joined, nothing computed anew."""
    scene = trimesh.load_scene(
        io.BytesIO(file) if isinstance(file, bytes) else file, file_type=file_type, process=False
    )
    (read,) = scene.geometry.values()
    return read


@pytest.mark.parametrize(
    ("format", "name", "media_type", "begins"),
    [
        ("glb", "object-0.glb", "model/gltf-binary", b"glTF"),
        ("obj", "object-0.obj.zip", "application/zip", b"PK"),
        ("stl", "object-0.stl", "model/stl", bytes(80)),
        (
            "ply",
            "object-0.ply",
            "application/octet-stream",
            b"ply\nformat binary_little_endian 1.0\ncomment test\n",
        ),
        ("usdz", "object-0.usdz", "model/vnd.usdz+zip", b"PK"),
    ],
)
def test_every_format_has_its_name_and_type(
    format: MeshFormat,  # noqa: A002
    name: str,
    media_type: str,
    begins: bytes,
    cube: WebMesh,
) -> None:
    file = object_file(cube, "object-0", format, generator="test")
    assert (file.name, file.media_type) == (name, media_type)
    assert file.data.startswith(begins)


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_mesh_gives_the_same_bytes(format: MeshFormat, torus: WebMesh) -> None:  # noqa: A002
    assert made(torus, format) == made(torus, format)


def test_the_compact_file_has_a_name_of_its_own(cube: WebMesh) -> None:
    file = compact_file(cube, "object-0", generator="test")
    assert (file.name, file.media_type) == ("object-0.web.glb", "model/gltf-binary")
    assert file.data == compact_glb(cube, "object-0", generator="test")


def test_splats_keep_their_bytes_and_have_a_name_that_is_no_meshs() -> None:
    file = splats_file(b"ply\n...", "object-0")
    assert (file.name, file.media_type) == ("object-0.splats.ply", "application/octet-stream")
    assert file.data == b"ply\n..."


def test_glb_is_the_object_alone_in_its_own_frame(cube: WebMesh) -> None:
    assert made(cube, "glb") == object_glb(cube, "object-0", generator="test")


def test_obj_reads_back_with_its_colours(mesh: WebMesh, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(made(mesh, "obj"))) as archive:
        assert archive.namelist() == ["object-0.obj", "object-0.mtl", "object-0.png"]
        archive.extractall(tmp_path)
    read = read_by_trimesh(tmp_path / "object-0.obj", "obj")
    corners = read.faces.ravel()
    own_corners = mesh.faces.ravel()
    np.testing.assert_array_equal(read.vertices[corners].astype(np.float32), mesh.positions[own_corners])
    np.testing.assert_allclose(read.vertex_normals[corners], mesh.normals[own_corners], atol=1e-4)
    colours = read.visual.to_color().vertex_colors[corners, :3].astype(float)
    np.testing.assert_allclose(colours, expected_colours(mesh.uvs[own_corners]), atol=5)  # the width of a texel


def test_obj_shares_its_points_and_keeps_its_seams(mesh: WebMesh) -> None:
    with zipfile.ZipFile(io.BytesIO(made(mesh, "obj"))) as archive:
        lines = [line.split() for line in archive.read("object-0.obj").decode().splitlines()]
    points = np.array([line[1:] for line in lines if line[0] == "v"], float)
    corners = np.array([[c.split("/") for c in line[1:]] for line in lines if line[0] == "f"], int) - 1
    assert is_closed(points, corners[:, :, 0])
    assert sum(line[0] == "vt" for line in lines) == len(mesh.uvs) > len(points)


def test_a_long_obj_is_complete(torus_of: Callable[[int, int], WebMesh]) -> None:
    """More rows than are written at a time."""
    mesh = torus_of(105, 105)
    with zipfile.ZipFile(io.BytesIO(made(mesh, "obj"))) as archive:
        lines = [line.split() for line in archive.read("object-0.obj").decode().splitlines()]
    points = np.array([line[1:] for line in lines if line[0] == "v"], np.float32)
    corners = np.array([[c.split("/") for c in line[1:]] for line in lines if line[0] == "f"], int) - 1
    np.testing.assert_array_equal(points[corners[:, :, 0]], mesh.positions[mesh.faces])
    np.testing.assert_array_equal(corners[:, :, 1], mesh.faces)


def test_stl_reads_back_closed(mesh: WebMesh) -> None:
    soup = read_by_trimesh(made(mesh, "stl"), "stl")
    np.testing.assert_array_equal(soup.triangles, mesh.positions[mesh.faces])
    joined = trimesh.load_mesh(io.BytesIO(made(mesh, "stl")), file_type="stl")
    assert is_closed(joined.vertices, joined.faces)


def test_ply_reads_back_closed_with_normals_and_colours(mesh: WebMesh) -> None:
    read = read_by_trimesh(made(mesh, "ply"), "ply")
    assert is_closed(read.vertices, read.faces)
    np.testing.assert_array_equal(read.triangles, mesh.positions[mesh.faces])
    is_at = (mesh.positions[:, None] == read.vertices).all(axis=-1)  # (vertex, point)
    share = is_at / is_at.sum(axis=0)
    np.testing.assert_allclose(read.visual.vertex_colors[:, :3], share.T @ expected_colours(mesh.uvs), atol=2)
    normals = share.T @ mesh.normals
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.testing.assert_allclose(read.vertex_normals, normals, atol=1e-5)


def test_ply_normals_that_cancel_out_are_still_unit_length() -> None:
    """Two triangles back to back: every point has two opposite normals."""
    front = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    sheet = WebMesh(
        positions=np.concatenate((front, front)),
        normals=np.repeat(np.array([[0, 0, 1], [0, 0, -1]], np.float32), 3, axis=0),
        uvs=np.zeros((6, 2), np.float32),
        faces=np.array([[0, 1, 2], [5, 4, 3]], np.uint32),
        texture=np.zeros((1, 1, 3), np.uint8),
    )
    read = read_by_trimesh(made(sheet, "ply"), "ply")
    np.testing.assert_allclose(np.abs(read.vertex_normals), [[0, 0, 1]] * 3)


def test_ply_colours_lie_between_texels() -> None:
    """Two texels, black and white: their centres are at a quarter and at three quarters of the width."""
    black_and_white = np.array([[[0] * 3, [255] * 3]], np.uint8)
    u = np.array([0, 0.25, 0.4, 0.5, 0.75, 1], np.float32)
    row = WebMesh(
        positions=np.column_stack((np.arange(6), np.arange(6) % 2, np.zeros(6))).astype(np.float32),
        normals=np.tile(np.array([[0, 0, 1]], np.float32), (6, 1)),
        uvs=np.column_stack((u, np.full(6, 0.5, np.float32))),
        faces=np.array([[0, 1, 2], [3, 4, 5]], np.uint32),
        texture=black_and_white,
    )
    read = read_by_trimesh(made(row, "ply"), "ply")
    assert read.visual.vertex_colors[:, 0].tolist() == [0, 0, 76, 128, 255, 255]


def test_usdz_reads_back_with_its_colours(mesh: WebMesh, tmp_path: Path) -> None:
    path = tmp_path / "object-0.usdz"
    path.write_bytes(made(mesh, "usdz"))
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert stage.GetDefaultPrim().GetDisplayName() == "object-0"
    (shape,) = [UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
    assert shape.GetSubdivisionSchemeAttr().Get() == "none"
    points = np.array(shape.GetPointsAttr().Get())
    assert set(shape.GetFaceVertexCountsAttr().Get()) == {3}
    faces = np.array(shape.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)
    np.testing.assert_array_equal(points, mesh.positions)
    np.testing.assert_array_equal(faces, mesh.faces)
    joined = trimesh.Trimesh(points, faces)
    assert is_closed(joined.vertices, joined.faces)
    np.testing.assert_array_equal(np.array(shape.GetNormalsAttr().Get()), mesh.normals)
    np.testing.assert_array_equal(np.array(shape.GetExtentAttr().Get()), [points.min(axis=0), points.max(axis=0)])

    st = np.array(UsdGeom.PrimvarsAPI(shape).GetPrimvar("st").Get())
    material, _ = UsdShade.MaterialBindingAPI(shape.GetPrim()).ComputeBoundMaterial()
    surface, _, _ = material.ComputeSurfaceSource()
    assert surface.GetIdAttr().Get() == "UsdPreviewSurface"
    assert surface.GetInput("metallic").Get() == 0
    (source,), _ = surface.GetInput("diffuseColor").GetConnectedSources()
    texture = UsdShade.Shader(source.source.GetPrim())
    asset = texture.GetInput("file").Get()
    assert asset.resolvedPath == f"{path}[{asset.path}]"
    with zipfile.ZipFile(path) as archive, Image.open(archive.open(asset.path)) as opened:
        picture = np.asarray(opened, float)
    height, width, _ = picture.shape
    columns = np.clip(st[:, 0] * width, 0, width - 1).astype(int)
    rows = np.clip((1 - st[:, 1]) * height, 0, height - 1).astype(int)  # USD's rows are counted from below.
    np.testing.assert_allclose(picture[rows, columns], expected_colours(mesh.uvs), atol=6)


def test_usdz_keeps_the_rules_of_its_packages(mesh: WebMesh, tmp_path: Path) -> None:
    path = tmp_path / "object-0.usdz"
    path.write_bytes(made(mesh, "usdz"))
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == ["object-0.usdc", "object-0.jpg"]
    for entry in entries:
        assert entry.compress_type == zipfile.ZIP_STORED
        assert path.read_bytes()[entry.header_offset :].startswith(b"PK\x03\x04")
        assert (entry.header_offset + 30 + len(entry.filename) + len(entry.extra)) % 64 == 0
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert "usdUtilsValidators:RootPackageValidator" in {v.GetMetadata().name for v in validators}
    errors = UsdValidation.ValidationContext(validators).Validate(Usd.Stage.Open(str(path)))
    assert [error.GetMessage() for error in errors] == []


def test_usdz_takes_a_name_that_is_no_identifier(cube: WebMesh, tmp_path: Path) -> None:
    path = tmp_path / "object.usdz"
    path.write_bytes(object_file(cube, "0-mug", "usdz", generator="test").data)
    stage = Usd.Stage.Open(str(path))
    assert stage.GetDefaultPrim().GetDisplayName() == "0-mug"


# Textures.

Known = dict[TextureFormat, str]
IN_OBJ: Known = {"jpeg": ".png", "png": ".png", "webp": ".png"}
IN_USDZ: Known = {"jpeg": ".jpg", "png": ".png", "webp": ".jpg"}


@pytest.mark.parametrize("given", ["jpeg", "png", "webp"])
@pytest.mark.parametrize(("format", "suffixes"), [("obj", IN_OBJ), ("usdz", IN_USDZ)])
def test_archives_hold_the_given_pictures_or_ones_that_their_readers_know(
    format: MeshFormat,  # noqa: A002
    suffixes: Known,
    given: TextureFormat,
    embossed: WebMesh,
) -> None:
    textures = encode_textures(embossed, given)
    file = object_file(embossed, "object-0", format, generator="test", textures=textures)
    with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
        held = {name: archive.read(name) for name in archive.namelist()[-2:]}
    names = [f"object-0{suffixes[given]}", f"object-0.normals{suffixes[given]}"]
    assert list(held) == names
    for name, picture in zip(names, (embossed.texture, embossed.normal_map), strict=True):
        assert picture is not None
        assert Image.open(io.BytesIO(held[name])).size == (picture.shape[1], picture.shape[0])
    if suffixes[given] == textures.base_colour.suffix:
        assert textures.normal_map is not None
        assert list(held.values()) == [textures.base_colour.data, textures.normal_map.data]


def test_objs_material_names_its_pictures(embossed: WebMesh) -> None:
    with zipfile.ZipFile(io.BytesIO(made(embossed, "obj"))) as archive:
        lines = archive.read("object-0.mtl").decode().splitlines()
    assert lines[-2:] == ["map_Kd object-0.png", "norm object-0.normals.png"]


def test_stl_and_ply_know_nothing_of_normal_maps(embossed: WebMesh, torus: WebMesh) -> None:
    assert made(embossed, "stl") == made(torus, "stl")
    assert made(embossed, "ply") == made(torus, "ply")


def test_usdz_has_its_normal_map_as_usd_wants_it(embossed: WebMesh, tmp_path: Path) -> None:
    path = tmp_path / "object-0.usdz"
    path.write_bytes(made(embossed, "usdz"))
    stage = Usd.Stage.Open(str(path))
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert "usdShadeValidators:NormalMapTextureValidator" in {v.GetMetadata().name for v in validators}
    errors = UsdValidation.ValidationContext(validators).Validate(stage)
    assert [error.GetMessage() for error in errors] == []
    surface = UsdShade.Shader(stage.GetPrimAtPath("/object_0/Material/Surface"))
    (source,), _ = surface.GetInput("normal").GetConnectedSources()
    normals = UsdShade.Shader(source.source.GetPrim())
    assert normals.GetInput("sourceColorSpace").Get() == "raw"
    asset = normals.GetInput("file").Get()
    assert asset.resolvedPath == f"{path}[object-0.normals.jpg]"


def test_two_threads_may_write_the_first_usdz_of_a_process_at_once() -> None:
    program = """
import threading
import numpy as np
from serve.mesh.export import object_file
from serve.mesh.meshes import WebMesh
corners = np.eye(3, dtype=np.float32)
mesh = WebMesh(corners, corners, corners[:, :2], np.array([[0, 1, 2]], np.uint32), np.zeros((4, 4, 3), np.uint8))
threads = [threading.Thread(target=lambda: object_file(mesh, "a", "usdz", generator="test")) for _ in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)
