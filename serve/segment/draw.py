"""Masks as pictures, for people and programs. Knows no files' places."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from serve.resize import resize, resize_mask, size_within
from serve.segment import PixelBox

# Okabe and Ito's colours, which people who see few colours can still tell apart.
_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
LONGEST = 1600  # pixels: to be looked at, not measured
_THUMBNAIL = 320  # pixels
_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_VEIL = 0.4


class Drawn(NamedTuple):
    """One object to draw: its box in the photo, a caption, and its mask, at any size, where it has one."""

    box: PixelBox
    caption: str
    mask: NDArray[np.bool_] | None


def mask_png(mask: NDArray[np.bool_], box: PixelBox, photo_size: tuple[int, int]) -> bytes:
    """An 8-bit grey PNG of the photo's size (width, height): 255 on the object, 0 elsewhere."""
    width, height = photo_size
    picture = np.zeros((height, width), dtype=np.uint8)
    picture[box.y_min : box.y_max, box.x_min : box.x_max] = mask * np.uint8(255)
    # Long runs of one value: looking for nothing else is fast, and packs them better too.
    runs = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]
    return _encoded(picture, ".png", [*_FAST, *runs])


def png(picture: NDArray[np.uint8]) -> bytes:
    """A PNG of an sRGB (h, w, 3) picture, packed fast rather than small."""
    return _encoded(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), dtype=np.uint8), ".png", _FAST)


def thumbnail(picture: NDArray[np.uint8]) -> bytes:
    """A JPEG of an sRGB (h, w, 3) picture, no side over 320 pixels, for lists."""
    width, height = size_within(picture.shape[1], picture.shape[0], _THUMBNAIL)
    small = cv2.cvtColor(resize(picture, width, height), cv2.COLOR_RGB2BGR)
    return _encoded(np.asarray(small, dtype=np.uint8), ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 85])


def _encoded(picture: NDArray[np.uint8], kind: str, how: list[int]) -> bytes:
    done, data = cv2.imencode(kind, picture, how)
    if not done:
        raise RuntimeError(f"OpenCV could not encode a picture as {kind}")
    return data.tobytes()


def overlay(pixels: NDArray[np.uint8], objects: Sequence[Drawn]) -> NDArray[np.uint8]:
    """The photo, (h, w, 3) sRGB, at most 1600 pixels a side, under coloured masks, outlines, boxes and captions."""
    width, height = size_within(pixels.shape[1], pixels.shape[0], LONGEST)
    scale = width / pixels.shape[1]
    picture = resize(pixels, width, height).copy()
    thick = max(1, round(max(width, height) / 500))
    for number, (box, _, mask) in enumerate(objects):
        colour = _COLOURS[number % len(_COLOURS)]
        left, top, right, bottom = (round(side * scale) for side in box)
        part = picture[top:bottom, left:right]
        if mask is not None and part.size:
            inside = resize_mask(mask, part.shape[1], part.shape[0])
            part[inside] = (part[inside] * (1 - _VEIL) + np.array(colour) * _VEIL).astype(np.uint8)
            edges, _ = cv2.findContours(
                inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(left, top)
            )
            cv2.drawContours(picture, edges, -1, colour, thick, cv2.LINE_AA)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colour, thick)
    taken: list[tuple[int, int, int, int]] = []
    for number, (box, caption, _) in enumerate(objects):
        corner = (round(box.x_min * scale), round(box.y_min * scale))
        _write(picture, caption, corner, _COLOURS[number % len(_COLOURS)], taken)
    return picture


def _write(
    picture: NDArray[np.uint8],
    caption: str,
    corner: tuple[int, int],
    colour: tuple[int, int, int],
    taken: list[tuple[int, int, int, int]],
) -> None:
    """The caption on a plate of the box's colour: on top of the box or, without room there, at its upper edge.

    It stays inside the picture, and moves below the plates it would cover.
    """
    size = max(0.4, max(picture.shape[:2]) / 1600)
    (width, height), below = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    width, height = width + 6, height + below + 6
    x = max(0, min(corner[0], picture.shape[1] - width))
    y = corner[1] - height if corner[1] >= height else min(corner[1], picture.shape[0] - height)
    for left, top, right, bottom in sorted(taken, key=lambda plate: plate[1]):
        if x < right and left < x + width and y < bottom and top < y + height:
            y = bottom
    taken.append((x, y, x + width, y + height))
    cv2.rectangle(picture, (x, y), (x + width, y + height), colour, cv2.FILLED)
    ink = (0, 0, 0) if sum(colour) > 380 else (255, 255, 255)
    cv2.putText(picture, caption, (x + 3, y + height - below - 3), cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)
