"""Runs an engine through everything once, so that no request waits for a kernel to be compiled, loaded or chosen.

Knows neither which engine it is nor what a GPU is.
"""

import logging
import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serve.contract import Options, Quality
from serve.engine import Engine
from serve.errors import Gen3DError, StoppedError
from serve.reconstruct import Reconstruction
from serve.segment import PixelBox, Segmentation

log = logging.getLogger(__name__)

_SIDE: Final = 512  # pixels of the drawing, both ways
_CENTRE: Final = 256.0, 280.0
_RADIUS: Final = 150.0
_BOX: Final = PixelBox(104, 128, 408, 432)  # the ball and two pixels around it
_LIGHT: Final = -0.48, -0.6, 0.64  # towards it: from the upper left, in front; its length is 1
_BALL, _GROUND = (0.80, 0.32, 0.20), (0.72, 0.68, 0.62)
# What may come of a drawing that no network has learnt from. What else goes wrong would go wrong with photos too.
_OF_THE_DRAWING: Final = ("no_object_in_box", "no_depth", "reconstruction_failed")


def warm_up(engine: Engine) -> None:
    """Makes an object of a drawing, in all that it can be made as, and throws it away. Later results are the same.

    An object of the quality `draft` goes through all networks. The first stage of a draft is without guidance, so an
    object of the quality `standard` is begun before, and stopped after the first step, which has it. Not covered are
    the sizes that other objects have, and those of several at once: for these, libraries may still choose among the
    kernels that they brought.

    Args:
        engine: Loaded, and used by nobody else meanwhile.

    Raises:
        Gen3DError: `out_of_memory`, `engine_failed`, or what else keeps the engine from making any object.
        Exception: Any other is a defect, which a photo would have met too.
    """
    log.info("warming up", extra={"engine": engine.name})
    began = time.perf_counter()
    try:
        _make_once(engine)
    except Exception as error:
        meant = error if isinstance(error, Gen3DError) else engine.diagnose(error)
        if meant is not None and meant.code == "out_of_memory":
            meant = _too_small()
        if meant is None or meant is error:
            raise
        raise meant from error
    log.info("warmed up", extra={"engine": engine.name, "seconds": round(time.perf_counter() - began, 3)})


def drawing() -> tuple[NDArray[np.uint8], Segmentation]:
    """A shaded ball on a plain ground, (512, 512, 3) sRGB, and its mask."""
    y, x = np.mgrid[:_SIDE, :_SIDE] + 0.5
    across, down = (x - _CENTRE[0]) / _RADIUS, (y - _CENTRE[1]) / _RADIUS
    ball = across**2 + down**2 <= 1
    outwards = np.sqrt(np.clip(1 - across**2 - down**2, 0, None))
    lit = np.clip(_LIGHT[0] * across + _LIGHT[1] * down + _LIGHT[2] * outwards, 0, None)
    # The ground is lighter at the far end, and dark where the ball keeps the light off.
    shadow = 0.5 * np.exp(-(((across - 0.3) / 0.9) ** 2) - ((down - 0.95) / 0.25) ** 2)
    ground = (1.1 - 0.25 * y / _SIDE) * (1 - shadow)
    colours = np.where(ball[..., None], np.multiply.outer(0.2 + 0.8 * lit, _BALL), np.multiply.outer(ground, _GROUND))
    pixels = np.round(255 * np.clip(colours, 0, 1)).astype(np.uint8)
    mask = ball[_BOX.y_min : _BOX.y_max, _BOX.x_min : _BOX.x_max]
    return pixels, Segmentation(_BOX, mask, confidence=1.0)


def _make_once(engine: Engine) -> None:
    pixels, ball = drawing()
    try:
        engine.segmenter.on(pixels, [ball.box])(ball.box)
    except Gen3DError as error:
        _expect(error)
    # With the mask that is known, so that nothing hangs on what the segmenter makes of a drawing.
    _reconstruct(engine, pixels, ball, "standard", steps=1)
    # The whole one comes last: its result is waited for, and with it whatever a GPU had not yet come to, or failed at.
    _reconstruct(engine, pixels, ball, "draft", steps=None)


def _reconstruct(
    engine: Engine, pixels: NDArray[np.uint8], ball: Segmentation, quality: Quality, *, steps: int | None
) -> None:
    """Makes the ball, or goes as many steps towards it, where the making has steps."""
    reconstructor = engine.reconstructor
    detail = engine.detail(Options(quality=quality, formats=reconstructor.formats))

    def step(which: int, done: int, of: int) -> None:  # noqa: ARG001
        if done == steps:
            raise StoppedError("cancelled", "The warm-up needs no more of this object.")

    try:
        for outcome in reconstructor.on(pixels, [ball.box], detail, seed=0).make([ball], step):
            if not isinstance(outcome, Reconstruction):
                _expect(outcome)
    except StoppedError:
        return
    except Gen3DError as error:
        _expect(error)


def _expect(outcome: Exception) -> None:
    """Raises what would be the trouble of every photo; of what is the drawing's own, a warning is logged.

    That a network sees no shape in a drawing says nothing of photos, and what ran until then is warm: an engine that
    refused to start for it would serve nobody for a picture that nobody sent.
    """
    if not isinstance(outcome, Gen3DError) or outcome.code not in _OF_THE_DRAWING:
        raise outcome
    log.warning("the warm-up made no object", extra={"code": outcome.code, "reason": outcome.message})


def _too_small() -> Gen3DError:
    """The error of a load: whoever reads it has sent no photo."""
    message = (
        f"The GPU's memory does not suffice for one object in a photo of {_SIDE} × {_SIDE} pixels: end what else uses"
        " the GPU, or take one with more memory."
    )
    return Gen3DError("out_of_memory", message)
