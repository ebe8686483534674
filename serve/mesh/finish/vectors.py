"""Vectors in space for kernels: three numbers that no array holds. Knows nothing else."""

import numpy as np

from serve.mesh.finish.kernels import kernel
from serve.mesh.meshes import Floats

Vector = tuple[float, float, float]


@kernel
def row(rows: Floats, index: int | np.int32) -> Vector:
    """The first three numbers of a row."""
    return np.float64(rows[index, 0]), np.float64(rows[index, 1]), np.float64(rows[index, 2])


@kernel
def mixed(a: Vector, b: Vector, c: Vector, of_a: float, of_b: float, of_c: float) -> Vector:
    """The sum of three in these shares."""
    return (
        of_a * a[0] + of_b * b[0] + of_c * c[0],
        of_a * a[1] + of_b * b[1] + of_c * c[1],
        of_a * a[2] + of_b * b[2] + of_c * c[2],
    )


@kernel
def minus(one: Vector, other: Vector) -> Vector:
    """From the other to the one."""
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]


@kernel
def dot(one: Vector, other: Vector) -> float:
    """Their scalar product."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


@kernel
def cross(one: Vector, other: Vector) -> Vector:
    """Their vector product."""
    return (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )
