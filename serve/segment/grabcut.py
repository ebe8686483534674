"""Box → mask with OpenCV's GrabCut, on any CPU, with nothing to download. Knows nothing of meshes.

Good where the object fills about half of its box or more; poor for thin or hollow things.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from serve.errors import Gen3DError
from serve.resize import resize
from serve.segment import PixelBox, Segmentation

_CONTEXT = 0.25  # of the box, looked at on each side of it
_LARGEST_GRID, _SMALLEST_GRID = 256, 64  # pixels on the longer side of what GrabCut sees
_CORE = 0.6  # of the box: the ellipse that is surely object
_REACH = 1.1  # of the box: the ellipse beyond which its corners are probably background
_ITERATIONS = 2
_SMALLEST_PIECE = 0.05  # of the largest piece
_LARGEST_PINHOLE = 0.005  # of the box
_SMOOTHING = 1.5  # pixels of the grid: parts of three survive it, notches of one do not
# The colour step across the outline, as a distance in CIELAB. Measured over twenty boxes on photographs, its median is
# 0.2 to 0.8 on plain sky and walls, 4 to 40 on things. An edge that one sees is a step of 4 or more.
_NO_STEP, _SEEN_STEP = 2.0, 4.0
_GRAIN = 2.0  # standard deviation, of 255: flat colours would leave GrabCut's mixtures without a width
_STEP_REACH = 3.0  # pixels of the grid on each side of the outline that are compared


class GrabCut:
    """Core-seeded GrabCut (Rother, Kolmogorov, Blake, "GrabCut", SIGGRAPH 2004). Deterministic."""

    name = "GrabCut"

    def on(
        self,
        pixels: NDArray[np.uint8],
        boxes: Sequence[PixelBox],  # noqa: ARG002
    ) -> Callable[[PixelBox], Segmentation]:
        """See `Segmenter.on`; the boxes share nothing."""
        return lambda box: _segment(pixels, box)


def _segment(pixels: NDArray[np.uint8], box: PixelBox) -> Segmentation:
    window = _around(box, pixels.shape[1], pixels.shape[0])
    seen = pixels[window.y_min : window.y_max, window.x_min : window.x_max]
    longest = max(seen.shape[:2])
    scale = min(max(longest, _SMALLEST_GRID), _LARGEST_GRID) / longest
    size = (max(1, round(seen.shape[1] * scale)), max(1, round(seen.shape[0] * scale)))
    grid = resize(seen, *size)

    seeds = _seeds(window, box, size)
    box_pixels = int(np.count_nonzero(seeds != cv2.GC_BGD))
    if not (seeds == cv2.GC_BGD).any():
        seeds[seeds == cv2.GC_PR_BGD] = cv2.GC_BGD  # the box is the whole photo: its corners must do
    coarse = _tidied(_grab_cut(grid, seeds), box_pixels)
    steps = _colour_steps(grid, coarse)
    step = float(np.median(steps)) if len(steps) else 0.0
    if step < _NO_STEP:
        message = "Nothing in the box stands out from its surroundings: draw the box close around one object."
        raise Gen3DError("no_object_in_box", message, colour_step=round(step, 2))

    soft = cv2.GaussianBlur(coarse.astype(np.float32), (0, 0), _SMOOTHING)  # so that enlarging it gives no staircase
    mask = resize(np.asarray(soft, dtype=np.float32), seen.shape[1], seen.shape[0]) > 0.5
    left, top = box.x_min - window.x_min, box.y_min - window.y_min
    mask = mask[top : top + box.y_max - box.y_min, left : left + box.x_max - box.x_min]
    if not mask.any():
        raise Gen3DError("no_object_in_box", "What stands out in the box is smaller than a pixel: use a larger photo.")
    return Segmentation(box, mask, confidence=float(np.mean(steps >= _SEEN_STEP)))


def _around(box: PixelBox, width: int, height: int) -> PixelBox:
    """The box and its context, inside the photo."""
    margin_x = max(1, round(_CONTEXT * (box.x_max - box.x_min)))
    margin_y = max(1, round(_CONTEXT * (box.y_max - box.y_min)))
    return PixelBox(
        max(0, box.x_min - margin_x),
        max(0, box.y_min - margin_y),
        min(width, box.x_max + margin_x),
        min(height, box.y_max + margin_y),
    )


def _seeds(window: PixelBox, box: PixelBox, size: tuple[int, int]) -> NDArray[np.uint8]:
    """What GrabCut is told: sure background outside the box, sure object in its core, likely either between."""
    width, height = size
    # The grid's pixel centres, in the box's own frame: -1 to 1 from side to side.
    x = window.x_min + (np.arange(width) + 0.5) * (window.x_max - window.x_min) / width
    y = window.y_min + (np.arange(height) + 0.5) * (window.y_max - window.y_min) / height
    u = (2 * x - box.x_min - box.x_max)[None, :] / (box.x_max - box.x_min)
    v = (2 * y - box.y_min - box.y_max)[:, None] / (box.y_max - box.y_min)
    in_box = (np.abs(u) <= 1) & (np.abs(v) <= 1)
    radius = np.hypot(u, v)
    seeds = np.full((height, width), cv2.GC_BGD, dtype=np.uint8)
    seeds[in_box] = cv2.GC_PR_BGD
    seeds[in_box & (radius <= _REACH)] = cv2.GC_PR_FGD
    seeds[in_box & (radius <= _CORE)] = cv2.GC_FGD
    return seeds


def _grab_cut(grid: NDArray[np.uint8], seeds: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(h, w) true where GrabCut sees the object."""
    labels = seeds.copy()
    grain = np.random.default_rng(0).normal(0, _GRAIN, grid.shape)
    grained = np.clip(grid + grain + 0.5, 0, 255).astype(np.uint8)
    cv2.setRNGSeed(0)  # its first clusters are drawn at random
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        # The rectangle is not used in this mode.
        cv2.grabCut(grained, labels, (0, 0, 1, 1), background, foreground, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    except cv2.error as error:  # fewer pixels of one kind than it has clusters
        raise Gen3DError("no_object_in_box", "The box holds too few pixels to tell object from background.") from error
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _tidied(mask: NDArray[np.bool_], box_pixels: int) -> NDArray[np.bool_]:
    """The mask without hairs, without pieces far smaller than the largest, and without pinholes."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    tidy = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc)
    count, label, stats, _ = cv2.connectedComponentsWithStats(tidy, connectivity=8)
    if count > 1:
        areas = stats[:, cv2.CC_STAT_AREA]
        keep = areas >= _SMALLEST_PIECE * areas[1:].max()
        keep[0] = False
        tidy = keep[label].astype(np.uint8)
    _, label, stats, _ = cv2.connectedComponentsWithStats(1 - tidy, connectivity=4)
    pinhole = stats[:, cv2.CC_STAT_AREA] < _LARGEST_PINHOLE * box_pixels
    pinhole[0] = False
    return np.asarray((tidy > 0) | pinhole[label])


def _colour_steps(grid: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(N,) along the mask's outline, the distance in CIELAB between the colours just inside and just outside.

    Empty where there is no outline to look at: an empty mask, or one that fills the grid.
    """
    lab = cv2.cvtColor(grid.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    object_, ground = mask.astype(np.uint8), (~mask).astype(np.uint8)
    inner = object_ * np.asarray(cv2.dilate(ground, reach), dtype=np.uint8)
    outer = ground * np.asarray(cv2.dilate(object_, reach), dtype=np.uint8)

    def mean_near(side: NDArray[np.uint8]) -> NDArray[np.float32]:
        weight = side.astype(np.float32)
        total = cv2.GaussianBlur(lab * weight[..., None], (0, 0), _STEP_REACH)
        return np.asarray(total / np.maximum(cv2.GaussianBlur(weight, (0, 0), _STEP_REACH), 1e-3)[..., None])

    steps = np.linalg.norm(mean_near(inner) - mean_near(outer), axis=2)[outer > 0]
    return np.asarray(steps, dtype=np.float32)
