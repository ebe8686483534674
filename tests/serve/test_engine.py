from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from serve.contract import Box, Options, Stage
from serve.engine import Engine, Made, Missed
from serve.engines import load_engine
from serve.errors import EngineBrokenError, Gen3DError, StoppedError
from serve.reconstruct.inflate import Inflate
from serve.segment import PixelBox, Segmentation
from serve.segment.grabcut import GrabCut

DRAFT = Options(quality="draft")
CUP, SPOON = [170, 12, 410, 240], [325, 232, 408, 330]


def boxes(*corners: list[int]) -> list[Box]:
    return [Box.model_validate(box) for box in corners]


def run(*corners: list[int], engine: Engine | None = None) -> list[Made | Missed]:
    return list((engine or load_engine("preview")).run(data.coffee(), boxes(*corners), DRAFT, lambda *_: None))


def test_objects_come_in_the_order_of_their_boxes_with_their_self_check() -> None:
    cup, spoon = run(CUP, SPOON)
    assert isinstance(cup, Made)
    assert isinstance(spoon, Made)
    assert (cup.index, spoon.index) == (0, 1)
    assert cup.silhouette_iou > 0.97
    assert spoon.silhouette_iou > 0.97
    assert set(cup.seconds) == {"segment", "reconstruct", "finish"}


def test_one_bad_box_never_costs_the_others() -> None:
    outcomes = run([900, 0, 950, 50], CUP, [30, 30, 20, 40], [10, 10, 11, 11])
    codes = [outcome.error.code if isinstance(outcome, Missed) else None for outcome in outcomes]
    assert codes == ["box_outside_image", None, "box_reversed", "box_too_small"]


def test_objects_are_handed_over_one_at_a_time() -> None:
    seen: list[tuple[Stage, int]] = []
    outcomes = load_engine("preview").run(data.coffee(), boxes(CUP, SPOON), DRAFT, lambda *at: seen.append(at))
    next(outcomes)
    assert seen == [("segment", 0), ("reconstruct", 0), ("finish", 0)]
    next(outcomes)
    assert seen[3:] == [("segment", 1), ("reconstruct", 1), ("finish", 1)]


def test_whoever_watches_can_stop_the_run() -> None:
    def stop(stage: Stage, index: int) -> None:
        if (stage, index) == ("reconstruct", 1):
            raise StoppedError("cancelled", "enough")

    outcomes = load_engine("preview").run(data.coffee(), boxes(CUP, SPOON), DRAFT, stop)
    assert isinstance(next(outcomes), Made)
    with pytest.raises(StoppedError):
        next(outcomes)


def test_warnings_about_boxes_and_masks() -> None:
    clipped, repeated = run([-50, 12, 410, 240], [-50, 12, 410, 240])
    assert isinstance(clipped, Made)
    assert isinstance(repeated, Made)
    assert "box_clipped" in [warning.code for warning in clipped.warnings]
    assert "box_repeated" in [warning.code for warning in repeated.warnings]


class Segmenting:
    """A segmenter that does what it is told with each box in turn: it stands for a network."""

    name = "told"

    def __init__(self, *orders: float | Exception) -> None:
        self.orders = list(orders)

    def on(self, pixels: NDArray[np.uint8]) -> Callable[[PixelBox], Segmentation]:
        def segment(box: PixelBox) -> Segmentation:
            order = self.orders.pop(0)
            if isinstance(order, Exception):
                raise order
            mask = np.zeros((box.y_max - box.y_min, box.x_max - box.x_min), dtype=bool)
            mask[: round(mask.shape[0] * order)] = True
            return Segmentation(box, mask, 1.0)

        return segment


def told(*orders: float | Exception) -> Engine:
    return Engine("told", Segmenting(*orders), Inflate(), preview=True, weights="none")


@pytest.mark.parametrize(("fill", "codes"), [(0.2, ["mask_fills_little"]), (0.5, []), (1.0, ["mask_fills_box"])])
def test_a_mask_that_fills_very_little_or_all_of_its_box_is_remarked_on(fill: float, codes: list[str]) -> None:
    (made,) = run(CUP, engine=told(fill))
    assert isinstance(made, Made)
    assert [warning.code for warning in made.warnings] == codes


def test_a_defect_costs_its_own_object_alone_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    first, second = run(CUP, SPOON, engine=told(ZeroDivisionError("within"), 0.5))
    assert isinstance(first, Missed)
    assert first.error.code == "internal_error"
    assert "ZeroDivisionError" not in first.error.message
    assert isinstance(second, Made)
    assert "ZeroDivisionError: within" in caplog.text


def test_a_broken_engine_says_so_instead_of_failing_object_after_object() -> None:
    outcomes = told(0.5, EngineBrokenError("CUDA is gone"), 0.5).run(
        data.coffee(), boxes(CUP, CUP, CUP), DRAFT, lambda *_: None
    )
    assert isinstance(next(outcomes), Made)
    with pytest.raises(EngineBrokenError):
        next(outcomes)


def test_quality_sets_what_is_not_asked_for() -> None:
    engine = Engine("it", GrabCut(), Inflate(), preview=True, weights=None)
    assert engine.detail(Options(quality="draft")).faces < engine.detail(Options(quality="high")).faces
    chosen = engine.detail(Options(faces=7_000, texture_size=300))
    assert (chosen.faces, chosen.texture_size) == (7_000, 300)


def test_splats_are_refused_with_what_can_be_had() -> None:
    with pytest.raises(Gen3DError, match="glb, obj, stl, ply, usdz") as caught:
        load_engine("preview").detail(Options(formats=("glb", "splats")))
    assert caught.value.code == "format_unsupported"
