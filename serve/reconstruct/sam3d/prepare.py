"""A photo and masks → what the network looks at: the pointmap once, crops by object. Knows no network but MoGe.

Prepares what upstream's `compute_pointmap` and `preprocess_image` prepare, to the same bits, but computes once what
all objects of a photo, or both stages, have in common.
"""

import warnings
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from serve.errors import Gen3DError
from serve.reconstruct.sam3d.frames import perspective
from serve.reconstruct.sam3d.reuse import Reuse
from serve.reconstruct.sam3d.stages import Prepared
from serve.reconstruct.sam3d.upstream import upstream_module
from serve.resize import resize_mask
from serve.segment import Segmentation

# Upstream divides in float64 and rounds to float32: 256 values, looked up instead of a float64 copy of the photo.
_TO_FLOAT: Final = (np.arange(256) / 255).astype(np.float32)
_LEAST_EXTENT: Final = 3  # pixels; upstream refuses a mask whose last column or row is less than 2 from its first


class PreparedPhoto:
    """What all objects of a photo share.

    Args:
        pipeline: See `build_pipeline`; MoGe must be on the device.
        reuse: Remembers, for this photo, what is made of the tensors here.
        pixels: (H, W, 3) uint8 sRGB.
        longest_side: A larger photo is shrunk to it first; masks follow.
        alike: Whether both stages preprocess alike.
        device: Where inference runs.
    """

    def __init__(
        self,
        pipeline: Any,
        reuse: Reuse,
        pixels: NDArray[np.uint8],
        *,
        longest_side: int,
        alike: bool,
        device: torch.device,
    ) -> None:
        self._pipeline, self._reuse, self._alike, self._device = pipeline, reuse, alike, device
        height, width = pixels.shape[:2]
        self._shrunk = min(1.0, longest_side / max(width, height))
        self._photo_size = width, height
        if self._shrunk < 1:
            size = max(1, round(width * self._shrunk)), max(1, round(height * self._shrunk))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        self._rgb = torch.from_numpy(_TO_FLOAT[np.ascontiguousarray(pixels.transpose(2, 0, 1))])
        reuse.begin_photo(self._rgb)
        self._send = reuse.once(lambda tensor: tensor[None].to(device), "device")
        with warnings.catch_warnings():
            # MoGe asks for float32 autocast, which CPUs do not have and do not need.
            warnings.filterwarnings("ignore", "In CPU autocast", UserWarning)
            found = pipeline.depth_model(self._rgb)
        self.camera = perspective(found["intrinsics"].double().cpu().numpy(), width, height)
        self._pointmap = _to_pytorch3d(found["pointmaps"].to(device))

    def prepare(self, segmentation: Segmentation) -> tuple[Prepared, Prepared]:
        """What the first stage and the second look at.

        Raises:
            Gen3DError: `no_object_in_box`, where the mask is too small; `no_depth`, where MoGe saw none in it.
        """
        mask = torch.from_numpy(self._full_mask(segmentation))
        rows, columns = (torch.nonzero(mask.any(dim=axis)) for axis in (1, 0))
        # Shrinking the photo may leave nothing of a thin one.
        if not len(rows) or min(_extent(rows), _extent(columns)) < _LEAST_EXTENT:
            raise Gen3DError("no_object_in_box", "The object is too thin in the photo to be reconstructed.")
        if not bool(self._pointmap[:, mask.to(self._device)].isfinite().all(dim=0).any()):
            message = (
                "No depth could be measured on the object (sky, glass and mirrors have none), so it cannot be placed."
            )
            raise Gen3DError("no_depth", message)
        alpha = mask.float()[None]
        first = self._of(self._pipeline.ss_preprocessor, alpha, self._pointmap)
        if self._alike:
            return first, {name: first[name] for name in ("mask", "image", "rgb_image", "rgb_image_mask")}
        return first, self._of(self._pipeline.slat_preprocessor, alpha, None)

    def _of(self, preprocessor: Any, alpha: torch.Tensor, pointmap: torch.Tensor | None) -> Prepared:
        transform = preprocessor.img_transform
        preprocessor.img_transform = self._reuse.once(transform, ("img_transform", id(preprocessor)))
        try:
            made = preprocessor._process_image_mask_pointmap_mess(self._rgb, alpha, pointmap)
        finally:
            preprocessor.img_transform = transform
        return {name: self._send(tensor) for name, tensor in made.items()}

    def _full_mask(self, segmentation: Segmentation) -> NDArray[np.bool_]:
        """The mask in the working photo, (height, width)."""
        box, width, height = segmentation.box, *self._photo_size
        mask = np.zeros((height, width), np.bool_)
        mask[box.y_min : box.y_max, box.x_min : box.x_max] = segmentation.mask
        return mask if self._shrunk == 1 else resize_mask(mask, self._rgb.shape[2], self._rgb.shape[1])


def _extent(indices: torch.Tensor) -> int:
    return int(indices.max() - indices.min()) + 1


def _to_pytorch3d(points: torch.Tensor) -> torch.Tensor:
    """MoGe's points, (H, W, 3), x right, y down, in PyTorch3D's camera frame, (3, H, W); by upstream's transform."""
    pointmap = upstream_module("pipeline.inference_pipeline_pointmap")
    turn = pointmap.camera_to_pytorch3d_camera(device=points.device).rotation
    turned = pointmap.Transform3d().rotate(turn).to(points.device).transform_points(points)
    frame: torch.Tensor = turned.permute(2, 0, 1)
    return frame
