"""A texture's colours between its texels. Knows arrays alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from serve.mesh.meshes import Pixels


def sample_texture(texture: Pixels, uvs: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """(h, w, 3) texture at (N, 2) UVs → (N, 3), 0…255, interpolated between the centres of four texels."""
    height, width = texture.shape[:2]
    rows_and_columns = uvs[:, 1] * height - 0.5, uvs[:, 0] * width - 0.5
    channels = [
        ndimage.map_coordinates(channel, rows_and_columns, np.float32, order=1, mode="nearest")
        for channel in np.moveaxis(texture, -1, 0)
    ]
    return np.column_stack(channels)
