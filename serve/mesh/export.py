"""One mesh → one file in the format a person asked for. Knows neither scenes nor where files go.

All formats keep the object's own frame (y up), and all but the compact one the exact float32 positions. Vertices that
a mesh repeats along the seams of its UVs become one again in OBJ and PLY; elsewhere they stay equal to the bit. So a
closed mesh stays closed.
"""

import io
import struct
import tempfile
import threading
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import trimesh
from numpy.typing import NDArray
from trimesh.exchange.stl import export_stl

from serve.contract import MeshFormat, TextureFormat
from serve.mesh.compact import compact_glb
from serve.mesh.glb import ROUGHNESS
from serve.mesh.gltf import object_glb
from serve.mesh.measure import shared_points
from serve.mesh.meshes import Floats, WebMesh
from serve.mesh.sample import sample_texture
from serve.mesh.textures import Textures, encode_textures

_GLB: Final = "model/gltf-binary"
_ROWS_AT_ONCE: Final = 10_000
# The fields of a vertex and of a face in a PLY file, in the order of its header.
_PLY_VERTEX: Final = np.dtype([("position", "<f4", 3), ("normal", "<f4", 3), ("colour", "u1", 3)])
_PLY_FACE: Final = np.dtype([("count", "u1"), ("vertices", "<i4", 3)])
_PLY_HEADER: Final = """\
ply
format binary_little_endian 1.0
comment {generator}
element vertex {vertices}
property float x
property float y
property float z
property float nx
property float ny
property float nz
property uchar red
property uchar green
property uchar blue
element face {faces}
property list uchar int vertex_indices
end_header
"""


# USD loads parts of itself as they are used: two threads that do so at once may wait for each other for ever.
_USD: Final = threading.Lock()


@dataclass(frozen=True)
class File:
    """A file's name, its media type and its content."""

    name: str
    media_type: str
    data: bytes


def load_writers(formats: Iterable[str]) -> None:
    """Loads what writing these formats needs, while no other thread computes.

    Loaded beside a thread that does, USD and that thread sometimes wait for each other for ever.
    """
    if "usdz" in formats:
        with _USD:
            from pxr import Gf, Kind, Sdf, Tf, Usd, UsdGeom, UsdShade, Vt  # noqa: F401


def object_file(
    mesh: WebMesh,
    name: str,
    format: MeshFormat,  # noqa: A002
    *,
    generator: str,
    textures: Textures | None = None,
) -> File:
    """The mesh as one file. The same arguments give the same bytes.

    Args:
        mesh: What to write.
        name: The file's name without its ending: ASCII letters, digits, `-` and `_`, because the files inside
            OBJ's and USDZ's archives refer to each other by it.
        format: `obj` is a zip of obj, mtl and png; `stl` holds the shape alone, `ply` colours by vertex.
        generator: What made the file: one line of ASCII.
        textures: The mesh's pictures, encoded; made here where they are not given or the format cannot hold them: as
            JPEG, or as PNG for `obj`.
    """
    match format:
        case "glb":
            return File(f"{name}.glb", _GLB, object_glb(mesh, name, generator=generator, textures=textures))
        case "obj":
            pictures = _held(mesh, textures, "png")
            return File(f"{name}.obj.zip", "application/zip", _obj_zip(mesh, name, generator, pictures))
        case "stl":
            return File(f"{name}.stl", "model/stl", _stl(mesh))
        case "ply":
            # IANA lists no media type for PLY.
            return File(f"{name}.ply", "application/octet-stream", _ply(mesh, generator))
        case "usdz":
            pictures = _held(mesh, textures, "jpeg", "png")
            with _USD:
                return File(f"{name}.usdz", "model/vnd.usdz+zip", _usdz(mesh, name, generator, pictures))


def compact_file(mesh: WebMesh, name: str, *, generator: str, textures: Textures | None = None) -> File:
    """The mesh as a GLB for the page; see `compact.compact_glb` and `object_file`."""
    return File(f"{name}.web.glb", _GLB, compact_glb(mesh, name, generator=generator, textures=textures))


def splats_file(splats: bytes, name: str) -> File:
    """A PLY of 3D Gaussians as a file; see `object_file`."""
    return File(f"{name}.splats.ply", "application/octet-stream", splats)


def _held(mesh: WebMesh, given: Textures | None, *known: TextureFormat) -> Textures:
    """The given pictures where a file's readers know their format, else others in the first that these know."""
    if given is not None and given.base_colour.format in known:
        return given
    return encode_textures(mesh, known[0])


def _obj_zip(mesh: WebMesh, name: str, generator: str, textures: Textures) -> bytes:
    """OBJ, MTL and pictures, referring to each other by their bare names.

    OBJ has separate indices for positions, UVs and normals, so points are shared and seams are kept. MTL has no word
    for a normal map that all know: three.js and Assimp read `norm`, which Blender leaves aside; Blender reads
    `map_Bump`, in which the others see heights. So it is `norm`, which misleads nobody.
    """
    points, point_of = shared_points(mesh.positions)
    at, own = point_of[mesh.faces] + 1, mesh.faces.astype(np.int64) + 1  # OBJ counts from 1.
    corners = np.stack((at, own, own), axis=-1)
    obj = "".join(
        (
            f"# {generator}\nmtllib {name}.mtl\no {name}\n",
            _lines("v %.9g %.9g %.9g\n", points),  # Nine digits bring back a float32 to the bit.
            _lines("vt %.7g %.7g\n", _from_lower_left(mesh.uvs)),
            _lines("vn %.5g %.5g %.5g\n", mesh.normals),
            f"usemtl {name}\n",
            _lines("f %d/%d/%d %d/%d/%d %d/%d/%d\n", corners.reshape(-1, 9)),
        )
    )
    pictures = _named(textures, name)
    words = zip(("map_Kd", "norm"), pictures, strict=False)
    maps = "".join(f"{word} {file}\n" for word, (file, _) in words)
    mtl = f"newmtl {name}\nKd 1 1 1\nKs 0 0 0\nillum 1\n{maps}"
    return _zip([(f"{name}.obj", obj.encode()), (f"{name}.mtl", mtl.encode()), *pictures], zipfile.ZIP_DEFLATED)


def _named(textures: Textures, name: str) -> list[tuple[str, bytes]]:
    """The pictures' names in an archive, and their bytes: the base colour, then the normal map where there is one."""
    colour, normals = textures.base_colour, textures.normal_map
    named = [(f"{name}{colour.suffix}", colour.data)]
    return named if normals is None else [*named, (f"{name}.normals{normals.suffix}", normals.data)]


def _stl(mesh: WebMesh) -> bytes:
    """Binary STL: three positions a triangle; equal points are equal to the bit, so readers can join them."""
    return export_stl(trimesh.Trimesh(mesh.positions, mesh.faces, process=False))


def _ply(mesh: WebMesh, generator: str) -> bytes:
    """Binary PLY, normals and sRGB colours by vertex; where vertices share a point, these are their means."""
    points, point_of = shared_points(mesh.positions)
    vertices = np.zeros(len(points), _PLY_VERTEX)
    vertices["position"] = points
    vertices["normal"] = _shared_normals(mesh.normals, point_of)
    vertices["colour"] = _mean_by_point(sample_texture(mesh.texture, mesh.uvs), point_of).round()
    faces = np.zeros(len(mesh.faces), _PLY_FACE)
    faces["count"] = 3
    faces["vertices"] = point_of[mesh.faces]
    header = _PLY_HEADER.format(generator=generator, vertices=len(vertices), faces=len(faces))
    return header.encode("ascii") + vertices.tobytes() + faces.tobytes()


def _usdz(mesh: WebMesh, name: str, generator: str, textures: Textures) -> bytes:
    """A USDZ package that iOS Quick Look opens: one mesh with a UsdPreviewSurface.

    The package's rules are those of https://openusd.org/release/spec_usdz.html: the layer first, nothing
    compressed, every file's data at a multiple of 64 bytes. The packager that comes with USD keeps them
    too, but writes the time of day into the archive.
    """
    # Imported here: it takes 0.4 s, which a server that is never asked for USDZ need not spend at its start.
    from pxr import Gf, Kind, Sdf, Tf, Usd, UsdGeom, UsdShade, Vt

    stage = Usd.Stage.CreateInMemory()
    stage.GetRootLayer().customLayerData = {"creator": generator}
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, f"/{Tf.MakeValidIdentifier(name)}")
    root.GetPrim().SetDisplayName(name)
    Usd.ModelAPI(root).SetKind(Kind.Tokens.component)
    stage.SetDefaultPrim(root.GetPrim())
    path = root.GetPath()

    shape = UsdGeom.Mesh.Define(stage, path.AppendChild("Mesh"))
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    shape.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(mesh.positions))
    shape.CreateExtentAttr([Gf.Vec3f(*map(float, edge(mesh.positions, axis=0))) for edge in (np.min, np.max)])
    shape.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    shape.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(mesh.faces.astype(np.int32).ravel()))
    shape.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(mesh.normals))
    shape.SetNormalsInterpolation(UsdGeom.Tokens.vertex)

    material = UsdShade.Material.Define(stage, path.AppendChild("Material"))
    types = Sdf.ValueTypeNames

    def shader(child: str, identifier: str) -> UsdShade.Shader:
        made = UsdShade.Shader.Define(stage, material.GetPath().AppendChild(child))
        made.CreateIdAttr(identifier)
        return made

    st = UsdGeom.PrimvarsAPI(shape).CreatePrimvar("st", types.TexCoord2fArray, UsdGeom.Tokens.vertex)
    st.Set(Vt.Vec2fArray.FromNumpy(_from_lower_left(mesh.uvs)))
    reader = shader("Coordinates", "UsdPrimvarReader_float2")
    reader.CreateInput("varname", types.String).Set("st")
    coordinates = reader.CreateOutput("result", types.Float2)

    def picture(child: str, file: str, space: str) -> UsdShade.Shader:
        made = shader(child, "UsdUVTexture")
        made.CreateInput("file", types.Asset).Set(file)
        made.CreateInput("sourceColorSpace", types.Token).Set(space)
        for axis in ("wrapS", "wrapT"):
            made.CreateInput(axis, types.Token).Set("clamp")
        made.CreateInput("st", types.Float2).ConnectToSource(coordinates)
        return made

    pictures = _named(textures, name)
    surface = shader("Surface", "UsdPreviewSurface")
    colour = picture("Picture", pictures[0][0], "sRGB").CreateOutput("rgb", types.Float3)
    surface.CreateInput("diffuseColor", types.Color3f).ConnectToSource(colour)
    surface.CreateInput("metallic", types.Float).Set(0.0)
    surface.CreateInput("roughness", types.Float).Set(ROUGHNESS)
    if textures.normal_map is not None:
        # USD's tangent space is glTF's: x along +s, and y up in the picture, as t is counted from its lower edge.
        normals = picture("Normals", pictures[1][0], "raw")
        normals.CreateInput("scale", types.Float4).Set(Gf.Vec4f(2, 2, 2, 1))
        normals.CreateInput("bias", types.Float4).Set(Gf.Vec4f(-1, -1, -1, 0))
        turns = normals.CreateOutput("rgb", types.Float3)
        surface.CreateInput("normal", types.Normal3f).ConnectToSource(turns)
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    UsdShade.MaterialBindingAPI.Apply(shape.GetPrim()).Bind(material)

    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder, f"{name}.usdc")  # USD writes its binary layers to files alone.
        stage.GetRootLayer().Export(str(layer))
        files = [(layer.name, layer.read_bytes()), *pictures]
    return _zip(files, zipfile.ZIP_STORED, alignment=64)


def _mean_by_point(values: NDArray[Any], point_of: NDArray[np.int64]) -> NDArray[np.float64]:
    """(V, k) values by vertex → (P, k) means over the vertices at each point."""
    sums = np.column_stack([np.bincount(point_of, column) for column in values.T])
    return sums / np.bincount(point_of)[:, None]


def _shared_normals(normals: Floats, point_of: NDArray[np.int64]) -> NDArray[np.float64]:
    """(V, 3) → (P, 3) unit normals: the mean direction at each point, or any one where they cancel out."""
    mean = _mean_by_point(normals, point_of)
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    shared = np.empty_like(mean)
    shared[point_of] = normals
    np.divide(mean, length, out=shared, where=length > 1e-6)
    return shared


def _from_lower_left(uvs: Floats) -> Floats:
    """UVs counted from the texture's lower left corner, as OBJ and USD do."""
    return np.column_stack((uvs[:, 0], 1 - uvs[:, 1]))


def _lines(line: str, rows: NDArray[Any]) -> str:
    """`line` filled in with every row: ten times as fast as np.savetxt.

    Some rows at a time: one call for all would keep other threads waiting a tenth of a second.
    """
    parts = (rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))
    return "".join(line * len(part) % tuple(part.ravel().tolist()) for part in parts)


def _zip(files: Iterable[tuple[str, bytes]], compression: int, *, alignment: int = 1) -> bytes:
    """A zip archive without dates or owners. Every file's data begins at a multiple of `alignment` bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files:
            entry = zipfile.ZipInfo(name)  # dated 1980-01-01, the archive format's earliest day
            entry.create_system = 3  # Unix, wherever this runs
            entry.external_attr = 0o644 << 16
            if alignment > 1:
                # A local header is 30 bytes, the name and the extra field, whose own header is 4 bytes.
                # 0x1986 is the field that USD's packager pads with.
                padding = -(buffer.tell() + 30 + len(name) + 4) % alignment
                entry.extra = struct.pack("<HH", 0x1986, padding) + bytes(padding)
            archive.writestr(entry, data, compress_type=compression, compresslevel=1)
    return buffer.getvalue()
