"""From the network's frames to glTF's: the one place that knows both. Knows no network.

Three frames meet here, all right-handed:

- the object's as decoded: z up, within [-0.5, 0.5]³; row vectors are multiplied from the left (`v @ R`);
- the camera's as PyTorch3D has it: x left, y up, z forward, the camera in the origin;
- glTF's: y up, for the object; for the scene x right, y up, z to the viewer, the camera in the origin looking along -z.
"""

import io
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from serve.errors import Gen3DError
from serve.mesh.meshes import DenseMesh, PerspectiveCamera, Placement

Array = NDArray[np.float64]

# Row vectors: (x, y, z) becomes (x, z, -y), as in upstream's `to_glb`.
_Z_UP_TO_Y_UP: Final = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
# Row vectors: half a turn about y takes PyTorch3D's camera frame to the scene's.
_CAMERA_TO_SCENE: Final = np.diag([-1.0, 1.0, -1.0])
# The names of the published format of 3D Gaussian splatting, https://github.com/graphdeco-inria/gaussian-splatting.
_SPLAT_FIELDS: Final = (
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)


def placement(rotation: Array, translation: Array, scale: float) -> Placement:
    """Where an object's glTF frame stands in the scene.

    Upstream's pose takes a decoded point v to `(v * scale) @ R + translation` in the camera's frame; see
    `compose_transform` there.

    Args:
        rotation: (4,), the quaternion w x y z of R.
        translation: (3,), in the camera's frame.
        scale: Scene units for one of the object's.
    """
    turn = _Z_UP_TO_Y_UP.T @ matrix_of(rotation) @ _CAMERA_TO_SCENE
    moved = translation @ _CAMERA_TO_SCENE
    w, x, y, z = quaternion_of(turn.T)  # glTF multiplies column vectors
    return Placement((x, y, z, w), float(scale), (float(moved[0]), float(moved[1]), float(moved[2])))


def matrix_of(quaternion: Array) -> Array:
    """The rotation matrix of a quaternion w x y z, as PyTorch3D's `quaternion_to_matrix` has it; (3, 3)."""
    matrix: Array = Rotation.from_quat(quaternion, scalar_first=True).as_matrix()
    return matrix


def quaternion_of(matrix: Array) -> tuple[float, float, float, float]:
    """The quaternion w x y z of a rotation matrix for column vectors; w is not negative."""
    w, x, y, z = Rotation.from_matrix(matrix).as_quat(canonical=True, scalar_first=True)
    return float(w), float(x), float(y), float(z)


def perspective(intrinsics: Array, width: int, height: int) -> PerspectiveCamera:
    """The photo's camera, in the origin of the scene.

    Args:
        intrinsics: (3, 3), as MoGe gives them: focal lengths as shares of the width and the height, the principal
            point in the middle.
        width: Of the photo, in pixels.
        height: Likewise.

    Raises:
        Gen3DError: `no_depth`, where the focal length is none.
    """
    focal = float(intrinsics[1, 1])
    if not (math.isfinite(focal) and focal > 0):
        raise Gen3DError("no_depth", "No depth could be measured in the photo: it may show nothing that has any.")
    yfov = 2 * math.atan(0.5 / focal)
    return PerspectiveCamera(position=(0.0, 0.0, 0.0), yfov=yfov, aspect=width / height)


def dense_mesh(vertices: Array, faces: NDArray[np.int64], colours: Array) -> DenseMesh:
    """A decoded mesh in its glTF frame.

    Args:
        vertices: (V, 3), z up.
        faces: (F, 3), counter-clockwise seen from outside.
        colours: (V, 3), sRGB, 0 to 1.
    """
    return DenseMesh(
        positions=(vertices @ _Z_UP_TO_Y_UP).astype(np.float32),
        faces=faces.astype(np.int32),
        colours=(colours.clip(0, 1) * 255).round().astype(np.uint8),
    )


def splats_ply(gaussians: Any) -> bytes:
    """Upstream's `Gaussian`, turned into its glTF frame, as a PLY file that 3DGS viewers read.

    A splat's own axes turn with it; its colour is the same from all sides, so that there is nothing else to turn.

    Raises:
        FloatingPointError: A number is not finite, or a rotation is none.
    """
    xyz = as_array(gaussians.get_xyz) @ _Z_UP_TO_Y_UP
    own = as_array(gaussians._rotation + gaussians.rots_bias[None])
    if not own.any(axis=1).all():
        raise FloatingPointError("a splat has no axes")
    upright = Rotation.from_quat(quaternion_of(_Z_UP_TO_Y_UP.T), scalar_first=True)
    turned = (upright * Rotation.from_quat(own, scalar_first=True)).as_quat(scalar_first=True)
    columns = (
        xyz,
        np.zeros_like(xyz),
        as_array(gaussians._features_dc)[:, 0],
        as_array(gaussians._opacity + gaussians.opacity_bias),  # before the sigmoid, as viewers expect it
        np.log(as_array(gaussians.get_scaling)),
        turned,
    )
    values = np.concatenate(columns, axis=1).astype("<f4")
    if not np.isfinite(values).all():
        raise FloatingPointError("a splat has a number that is not finite")
    file = io.BytesIO()
    properties = "".join(f"property float {name}\n" for name in _SPLAT_FIELDS)
    file.write(f"ply\nformat binary_little_endian 1.0\nelement vertex {len(values)}\n{properties}end_header\n".encode())
    file.write(values.tobytes())
    return file.getvalue()


def as_array(tensor: Any) -> Array:
    """A tensor's numbers, from wherever it is."""
    array: Array = tensor.double().cpu().numpy()
    return array
