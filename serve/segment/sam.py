"""Box → mask with Meta's SAM 2.1 or SAM 3, prompted by the box. Knows neither meshes nor where weights come from.

The network sees a picture at a fixed size (1024 × 1024 pixels for SAM 2.1, 1008 × 1008 for SAM 3), and answers with a
quarter of its resolution. What the boxes share is done once: one embedding of the photo, one decoder batch.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import Sam2ImageProcessor, Sam2Model, Sam3ImageProcessor, Sam3TrackerModel
from transformers.utils import logging as transformers_logging

from serve.errors import Gen3DError
from serve.segment import PixelBox, Segmentation
from serve.segment.clean import above_zero, clean

# A box whose longer side is under a quarter of the photo's gets a crop of its own, so that its outline is never drawn
# on fewer than 64 of SAM 2.1's 256 cells, nor described by fewer than 16 of its 64 tokens. The crop is twice the box:
# half of it is context, as SAM knows objects in their surroundings. It is no smaller than a quarter of the network's
# input, where each cell of the answer is a pixel of the photo already.
_CONTEXT = 2.0  # of the box's longer side
_SMALLEST_GAIN = 2.0  # of the photo's longer side to the crop's: what an embedding more must be worth
_SMALLEST_CROP = 0.25  # of the network's input
_CROPS_AT_ONCE = 4  # so that the memory of many small boxes is bounded; what is kept of each is its logits

_Kind = Literal["sam2", "sam3"]
_NAMES = {"sam2": "SAM 2.1", "sam3": "SAM 3"}
# What `config.json` may call itself: the part for pictures alone, or, as published, the whole that also takes videos.
_CONFIGURATIONS = {"sam2": ("sam2", "sam2_video"), "sam3": ("sam3_tracker", "sam3_video")}
_PREPROCESSING = ("preprocessor_config.json", "processor_config.json")


class _Answer(NamedTuple):
    """What the network says of one box: logits, (h, w) over a window of the photo, and the IoU it expects of them."""

    window: PixelBox
    logits: NDArray[np.float32]
    iou: float


class Sam:
    """A promptable segmenter, ready to work. Deterministic on a CPU.

    Its predicted IoU is the confidence of a mask.

    Attributes:
        name: Which SAM it is.
        side: Pixels on each side of what the network sees.
    """

    def __init__(self, name: str, model: Any, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """Takes a Sam2Model or a Sam3TrackerModel, where it is to run, and the colours' mean and deviation, 0 to 1."""
        self.name = name
        self.side: int = model.prompt_encoder.input_image_size
        self._model = model
        self._device = model.device
        self._mean, self._deviation = (
            255 * torch.tensor(each, device=model.device)[:, None, None] for each in (mean, deviation)
        )

    def on(self, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox]) -> Callable[[PixelBox], Segmentation]:
        """See `Segmenter.on`. The network runs here, for all boxes; what is returned enlarges and cleans one mask.

        Whatever the number of boxes, the photo is embedded once, if any box is large enough in it, and each small box's
        crop once. Boxes do not influence each other.
        """
        with torch.inference_mode():  # it holds for this thread alone
            answers = dict(self._answers(pixels, list(dict.fromkeys(boxes))))

        def segment(box: PixelBox) -> Segmentation:
            window, logits, iou = answers[box]
            if not np.isfinite(logits).all():
                raise RuntimeError(f"{self.name} answered with numbers that are not finite")
            size = (window.x_max - window.x_min, window.y_max - window.y_min)
            mask = clean(above_zero(logits, size, _within(box, window)))
            return Segmentation(box, mask, confidence=min(max(iou, 0.0), 1.0))

        return segment

    def _answers(self, pixels: NDArray[np.uint8], boxes: list[PixelBox]) -> Iterator[tuple[PixelBox, _Answer]]:
        height, width = pixels.shape[:2]
        windows = {box: window_of(box, width, height, self.side) for box in boxes}
        photo = PixelBox(0, 0, width, height)
        large = [box for box in boxes if windows[box] == photo]
        if large:
            yield from zip(large, self._ask(pixels, [photo], [large]), strict=True)
        small = [box for box in boxes if windows[box] != photo]
        for start in range(0, len(small), _CROPS_AT_ONCE):
            some = small[start : start + _CROPS_AT_ONCE]
            yield from zip(
                some, self._ask(pixels, [windows[box] for box in some], [[box] for box in some]), strict=True
            )

    def _ask(
        self, pixels: NDArray[np.uint8], windows: list[PixelBox], boxes: list[list[PixelBox]]
    ) -> Iterator[_Answer]:
        """One answer for each box, in order. As many boxes in one window as in another."""
        seen = torch.stack([self._seen(pixels, window) for window in windows])
        with self._half_precision():
            embeddings = self._model.get_image_embeddings(seen)
        # The decoder is light, and would lose the boxes' corners by pixels in bfloat16: it runs in float32.
        embeddings = [each.float() for each in embeddings]
        prompts = torch.tensor(
            [
                [_scaled(_within(box, window), window, self.side) for box in inside]
                for window, inside in zip(windows, boxes, strict=True)
            ],
            device=self._device,
        )
        # A box is no ambiguous prompt: one mask.
        said = self._model(image_embeddings=embeddings, input_boxes=prompts, multimask_output=False)
        logits, ious = said.pred_masks[:, :, 0].cpu().numpy(), said.iou_scores[:, :, 0].cpu().numpy()
        for number, window in enumerate(windows):
            for place in range(len(boxes[number])):
                yield _Answer(window, logits[number, place], float(ious[number, place]))

    def _seen(self, pixels: NDArray[np.uint8], window: PixelBox) -> torch.Tensor:
        """(3, side, side): a part of the photo as the network takes it, stretched to a square.

        By the steps of transformers' image processor (bytes are averaged to bytes, then normalised), without its
        copies of a photo that may have 64 megapixels.
        """
        part = pixels[window.y_min : window.y_max, window.x_min : window.x_max]
        part = np.require(part, requirements="W")  # torch takes no array that is read-only
        picture = torch.from_numpy(part).permute(2, 0, 1)[None]
        picture = torch.nn.functional.interpolate(picture, (self.side, self.side), mode="bilinear", antialias=True)[0]
        return (picture.to(self._device).float() - self._mean) / self._deviation

    def _half_precision(self) -> Any:
        """bfloat16 where the GPU computes in it, as SAM's authors run it; float16 could overflow. Else float32."""
        if self._device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return nullcontext()


def window_of(box: PixelBox, width: int, height: int, side: int) -> PixelBox:
    """The part of a photo of `width` × `height` pixels that a network with `side` pixels a side sees for a box.

    It is the whole photo, or a square around a box that is small in it, moved and, where it must be, cut to lie inside.
    """
    longest = max(box.x_max - box.x_min, box.y_max - box.y_min)
    across = round(max(_CONTEXT * longest, _SMALLEST_CROP * side))
    if across * _SMALLEST_GAIN > max(width, height):
        return PixelBox(0, 0, width, height)
    x_min, x_max = _span(box.x_min, box.x_max, across, width)
    y_min, y_max = _span(box.y_min, box.y_max, across, height)
    return PixelBox(x_min, y_min, x_max, y_max)


def _span(start: int, stop: int, wanted: int, limit: int) -> tuple[int, int]:
    """`wanted` pixels, or all that there are, around those from `start` to `stop` - 1."""
    length = min(wanted, limit)
    first = min(max(0, (start + stop - length) // 2), limit - length)
    return first, first + length


def _within(box: PixelBox, window: PixelBox) -> PixelBox:
    """The box in pixels of the window."""
    return PixelBox(
        box.x_min - window.x_min, box.y_min - window.y_min, box.x_max - window.x_min, box.y_max - window.y_min
    )


def _scaled(box: PixelBox, window: PixelBox, side: int) -> list[float]:
    """A box in pixels of the window → in pixels of what the network sees."""
    across, down = side / (window.x_max - window.x_min), side / (window.y_max - window.y_min)
    return [box.x_min * across, box.y_min * down, box.x_max * across, box.y_max * down]


def load_sam(folder: Path, kind: _Kind, device: torch.device) -> Sam:
    """Loads a segmenter from a bundle of weights, and from nowhere else.

    Args:
        folder: The bundle. What is read is its folder `sam2` or `sam3`: `config.json`, `model.safetensors`, and
            `preprocessor_config.json` or `processor_config.json`, as published for transformers. The published files
            also hold what only videos and prompts in words need; it is not loaded.
        kind: SAM 2.1, or SAM 3's tracker, the part of it that takes boxes.
        device: Where it is to run.

    Raises:
        Gen3DError: `weights_damaged`, where a file or a tensor is missing, of another shape, or not known.
    """
    model_class, processor_class = {
        "sam2": (Sam2Model, Sam2ImageProcessor),
        "sam3": (Sam3TrackerModel, Sam3ImageProcessor),
    }[kind]
    here = folder / kind
    transformers_logging.disable_progress_bar()  # what a server writes are lines of JSON, and what it would warn of
    transformers_logging.set_verbosity_error()  # is expected here or refused below
    try:
        configuration = json.loads((here / "config.json").read_bytes())
        if not isinstance(configuration, dict):
            raise ValueError("config.json describes nothing")
        if configuration.get("model_type") not in _CONFIGURATIONS[kind]:
            raise ValueError(f"config.json describes a model of type {configuration.get('model_type')}")
        if not any((here / name).exists() for name in _PREPROCESSING):
            raise ValueError(f"neither {' nor '.join(_PREPROCESSING)} is there")
        processor = processor_class.from_pretrained(here, local_files_only=True)
        # Mismatched sizes are reported, as the rest is, rather than raised without a name.
        model, report = model_class.from_pretrained(
            here,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        for trouble, keys in report.items():
            if keys:
                names = sorted(key if isinstance(key, str) else str(key[0]) for key in keys)
                raise ValueError(f"{trouble.replace('_', ' ')}: {names[0]}, {len(names)} in all")
        side = model.prompt_encoder.input_image_size
        if (processor.size["height"], processor.size["width"]) != (side, side):
            raise ValueError(
                f"the network takes {side} × {side} pixels, its preprocessing makes {dict(processor.size)}"
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        why = str(error).strip().partition("\n")[0]
        message = f"{_NAMES[kind]} cannot be loaded from {here}: {why}. Run `gen3d weights fetch --to {folder}` again."
        raise Gen3DError("weights_damaged", message, folder=str(here)) from error
    return Sam(_NAMES[kind], model.to(device), processor.image_mean, processor.image_std)
