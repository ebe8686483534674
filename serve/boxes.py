"""Boxes as asked → boxes of whole pixels inside the photo, or a clear refusal. Knows no pixels' colours."""

import math

from serve.contract import Box, Warned
from serve.errors import Gen3DError
from serve.segment import PixelBox

SMALLEST_SIDE = 8  # pixels; below, outlines of pixels say too little about a shape


def place_box(box: Box, width: int, height: int) -> tuple[PixelBox, tuple[Warned, ...]]:
    """The whole pixels that a box touches, clipped to a photo of `width` × `height` pixels, and what was changed.

    Raises:
        Gen3DError: `box_reversed`, `box_outside_image` or `box_too_small`.
    """
    asked = f"[{box.x_min:g}, {box.y_min:g}, {box.x_max:g}, {box.y_max:g}]"
    if box.x_max <= box.x_min or box.y_max <= box.y_min:
        message = f"The box {asked} must be [x_min, y_min, x_max, y_max] with each maximum above its minimum."
        raise Gen3DError("box_reversed", message)
    if box.x_min >= width or box.y_min >= height or box.x_max <= 0 or box.y_max <= 0:
        message = f"The box {asked} lies outside the photo, which is {width} × {height} pixels once upright."
        raise Gen3DError("box_outside_image", message, width=width, height=height)
    placed = PixelBox(
        max(0, math.floor(box.x_min)),
        max(0, math.floor(box.y_min)),
        min(width, math.ceil(box.x_max)),
        min(height, math.ceil(box.y_max)),
    )
    across, down = placed.x_max - placed.x_min, placed.y_max - placed.y_min
    if min(across, down) < SMALLEST_SIDE:
        message = (
            f"The box {asked} covers {across} × {down} pixels of the photo:"
            f" make it at least {SMALLEST_SIDE} pixels wide and high."
        )
        raise Gen3DError("box_too_small", message, smallest_side=SMALLEST_SIDE)
    if box.x_min < 0 or box.y_min < 0 or box.x_max > width or box.y_max > height:
        message = f"The box {asked} reaches beyond the photo and was clipped to {list(placed)}."
        return placed, (Warned(code="box_clipped", message=message),)
    return placed, ()
