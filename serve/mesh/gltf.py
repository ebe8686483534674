"""Meshes → the bytes of a GLB (glTF 2.0, binary) that every reader knows. Knows neither files nor what the meshes show.

Section numbers below are those of the glTF 2.0 specification; see `glb`.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from serve.mesh.glb import FLOAT, INDICES, UINT16, UINT32, VERTICES, Glb, Json
from serve.mesh.meshes import OrthographicCamera, PhotoCamera, PlacedMesh, Placement, WebMesh
from serve.mesh.textures import Textures, encode_textures

CAMERA_NODE: Final = "photo_camera"

_NEAREST: Final = 1e-4  # of a perspective camera's zfar: depth buffers of 24 bits can take it
_AS_MADE: Final = Placement(rotation=(0.0, 0.0, 0.0, 1.0), scale=1.0, translation=(0.0, 0.0, 0.0))


def scene_glb(
    objects: Sequence[PlacedMesh],
    camera: PhotoCamera | None,
    *,
    generator: str,
    textures: Sequence[Textures] | None = None,
) -> bytes:
    """One GLB with a named node per object, each in its place, and a node `CAMERA_NODE` for the camera.

    The same arguments give the same bytes.

    Args:
        objects: At least one, in scene units.
        camera: The photo's camera, in scene units.
        generator: What made the file, for the asset's `generator`.
        textures: The objects' pictures in their order, encoded; made here, as JPEG, where they are not given.

    Raises:
        ValueError: There is no object (glTF allows no empty scene), or a number is not finite.
    """
    if not objects:
        raise ValueError("a scene needs at least one object")
    if textures is None:
        textures = [encode_textures(placed.mesh) for placed in objects]
    glb = Glb(generator)
    for placed, pictures in zip(objects, textures, strict=True):
        mesh = _add_mesh(glb, placed.mesh, placed.name, pictures)
        glb.add_root({"name": placed.name, "mesh": mesh, **_transform(placed.placement)})
    if camera is not None:
        glb.document["cameras"] = [_lens(camera, objects)]
        glb.add_root({"name": CAMERA_NODE, "camera": 0, **_moved(camera.position)})
    return glb.to_bytes()


def object_glb(mesh: WebMesh, name: str, *, generator: str, textures: Textures | None = None) -> bytes:
    """One GLB with one object in its own frame; see `scene_glb`."""
    return scene_glb(
        [PlacedMesh(name, mesh, _AS_MADE)],
        None,
        generator=generator,
        textures=None if textures is None else [textures],
    )


def _add_mesh(glb: Glb, mesh: WebMesh, name: str, textures: Textures) -> int:
    """Appends a mesh with its material and its pictures; returns its index."""
    # §3.7.2.1: the greatest number of a type restarts the primitive and is no vertex's index.
    narrow = len(mesh.positions) <= np.iinfo(np.uint16).max
    attributes = {
        "POSITION": _add_floats(
            glb,
            mesh.positions,
            min=mesh.positions.min(axis=0).tolist(),
            max=mesh.positions.max(axis=0).tolist(),
        ),
        "NORMAL": _add_floats(glb, _unit(mesh.normals)),
        "TEXCOORD_0": _add_floats(glb, mesh.uvs),
    }
    if mesh.tangents is not None:
        tangents = np.column_stack((_unit(mesh.tangents[:, :3]), np.sign(mesh.tangents[:, 3])))
        attributes["TANGENT"] = _add_floats(glb, tangents)
    indices = glb.add(
        "accessors",
        {
            "bufferView": glb.add_view(mesh.faces.astype("<u2" if narrow else "<u4").tobytes(), target=INDICES),
            "componentType": UINT16 if narrow else UINT32,
            "count": mesh.faces.size,
            "type": "SCALAR",
        },
    )
    primitive = {"attributes": attributes, "indices": indices, "material": glb.add_material(name, textures)}
    return glb.add("meshes", {"name": name, "primitives": [primitive]})


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rounding on the way here must not cost a vector its unit length, which §3.7.2.1 asks for."""
    return np.asarray(vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True))


def _add_floats(glb: Glb, rows: NDArray[np.floating[Any]], **bounds: list[float]) -> int:
    accessor = {
        "bufferView": glb.add_view(rows.astype("<f4").tobytes(), target=VERTICES),
        "componentType": FLOAT,
        "count": len(rows),
        "type": f"VEC{rows.shape[1]}",
        **bounds,
    }
    return glb.add("accessors", accessor)


def _transform(placement: Placement) -> Json:
    """A node's rotation, scale and translation, without those that change nothing."""
    fields: Json = _moved(placement.translation)
    if placement.rotation != _AS_MADE.rotation:
        fields["rotation"] = list(placement.rotation)
    if placement.scale != 1:
        fields["scale"] = [placement.scale] * 3
    return fields


def _moved(translation: tuple[float, float, float]) -> Json:
    return {"translation": list(translation)} if any(translation) else {}


def _lens(camera: PhotoCamera, objects: Sequence[PlacedMesh]) -> Json:
    """The camera, which sees to behind the farthest object, from its own plane (orthographic) or from near it on.

    §3.10.3.4: xmag and ymag are half the width and half the height of what an orthographic camera sees.
    """
    reaches = (
        camera.position[2] - placed.placement.translation[2] + placed.placement.scale * _radius(placed.mesh)
        for placed in objects
    )
    if isinstance(camera, OrthographicCamera):
        # Half the width keeps zfar above znear even for a camera behind everything.
        zfar = max(camera.width / 2, *reaches)
        lens = {"xmag": camera.width / 2, "ymag": camera.height / 2, "znear": 0.0, "zfar": zfar}
        return {"type": "orthographic", "orthographic": lens}
    zfar = max(reaches)
    if zfar <= 0:
        zfar = 1.0  # a camera behind everything sees nothing, however far
    lens = {"yfov": camera.yfov, "aspectRatio": camera.aspect, "znear": zfar * _NEAREST, "zfar": zfar}
    return {"type": "perspective", "perspective": lens}


def _radius(mesh: WebMesh) -> float:
    """Of the sphere around the frame's origin that holds the mesh, whichever way it is turned."""
    return float(np.linalg.norm(mesh.positions, axis=1).max())
