from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from serve.contract import Box, Format, Options, Stage
from serve.engine import Engine, Made, Missed
from serve.engines import load_engine
from serve.errors import EngineBrokenError, Gen3DError, StoppedError
from serve.mesh.meshes import PerspectiveCamera
from serve.reconstruct import Reconstruction
from serve.reconstruct.inflate import Inflate
from serve.segment import PixelBox, Segmentation
from serve.segment.grabcut import GrabCut
from serve.settings import Settings

if TYPE_CHECKING:
    from tests.serve.conftest import BallReconstructor, OvalSegmenter

DRAFT = Options(quality="draft")
CUP, SPOON = [170, 12, 410, 240], [325, 232, 408, 330]


def boxes(*corners: list[int]) -> list[Box]:
    return [Box.model_validate(box) for box in corners]


def run(*corners: list[int], engine: Engine | None = None) -> list[Made | Missed]:
    made = (engine or load_engine(Settings())).run(data.coffee(), boxes(*corners), DRAFT, lambda *_: None)
    return [rest() for rest in made]


def test_objects_come_in_the_order_of_their_boxes_with_their_self_check() -> None:
    cup, spoon = run(CUP, SPOON)
    assert isinstance(cup, Made)
    assert isinstance(spoon, Made)
    assert (cup.index, spoon.index) == (0, 1)
    assert cup.agreement is not None
    assert spoon.agreement is not None
    assert min(cup.agreement.iou, spoon.agreement.iou) > 0.97
    assert set(cup.seconds) == {"segment", "reconstruct", "finish"}


def test_one_bad_box_never_costs_the_others() -> None:
    outcomes = run([900, 0, 950, 50], CUP, [30, 30, 20, 40], [10, 10, 11, 11])
    codes = [outcome.error.code if isinstance(outcome, Missed) else None for outcome in outcomes]
    assert codes == ["box_outside_image", None, "box_reversed", "box_too_small"]


def test_objects_are_handed_over_one_at_a_time() -> None:
    seen: list[tuple[Stage, int]] = []
    outcomes = load_engine(Settings()).run(data.coffee(), boxes(CUP, SPOON), DRAFT, lambda *at: seen.append(at[:2]))
    cup = next(outcomes)
    assert seen == [("segment", 0), ("reconstruct", 0)]
    spoon = next(outcomes)
    assert seen[2:] == [("segment", 1), ("reconstruct", 1)]
    # What is left of them can be done in any order.
    assert [spoon().index, cup().index] == [1, 0]
    assert seen[4:] == [("finish", 1), ("finish", 0)]


def test_whoever_watches_can_stop_the_run() -> None:
    def stop(stage: Stage, index: int, steps: tuple[int, int] | None) -> None:
        if (stage, index) == ("reconstruct", 1):
            raise StoppedError("cancelled", "enough")

    outcomes = load_engine(Settings()).run(data.coffee(), boxes(CUP, SPOON), DRAFT, stop)
    assert isinstance(next(outcomes)(), Made)
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

    def on(self, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox]) -> Callable[[PixelBox], Segmentation]:
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
    assert isinstance(next(outcomes)(), Made)
    with pytest.raises(EngineBrokenError):
        next(outcomes)


def test_quality_sets_what_is_not_asked_for() -> None:
    engine = Engine("it", GrabCut(), Inflate(), preview=True, weights=None)
    assert engine.detail(Options(quality="draft")).faces < engine.detail(Options(quality="high")).faces
    chosen = engine.detail(Options(faces=7_000, texture_size=300))
    assert (chosen.faces, chosen.texture_size) == (7_000, 300)


def test_splats_are_refused_with_what_can_be_had() -> None:
    with pytest.raises(Gen3DError, match="glb, obj, stl, ply, usdz") as caught:
        load_engine(Settings()).detail(Options(formats=("glb", "splats")))
    assert caught.value.code == "format_unsupported"


FORMATS: tuple[tuple[Format, ...], ...] = (("glb",), ("splats",), ("glb", "splats"))


def test_what_is_asked_for_says_what_is_to_be_made() -> None:
    engine = load_engine(Settings())
    engine.reconstructor.formats = ("glb", "splats")
    wishes = {
        (formats, scene): engine.detail(Options(formats=formats, scene=scene))
        for formats in FORMATS
        for scene in (True, False)
    }
    assert [formats for (formats, scene), wish in wishes.items() if not wish.mesh] == [("splats",)]
    assert not wishes[("splats",), False].mesh
    assert all(wish.splats == ("splats" in formats) for (formats, _), wish in wishes.items())


# Objects made in groups.

THREE = boxes([10, 10, 110, 110], [120, 10, 220, 110], [230, 10, 330, 110])
OUTSIDE = Box(x_min=900, y_min=0, x_max=950, y_max=50)


def follow(engine: Engine, asked: Sequence[Box]) -> tuple[list[Made | Missed], list[tuple[Any, ...]]]:
    """What the engine made, and everything its watcher saw."""
    seen: list[tuple[Any, ...]] = []
    return [rest() for rest in engine.run(data.coffee(), asked, DRAFT, lambda *at: seen.append(at))], seen


def codes(outcomes: Sequence[Made | Missed]) -> list[str | None]:
    assert [outcome.index for outcome in outcomes] == list(range(len(outcomes)))
    return [outcome.error.code if isinstance(outcome, Missed) else None for outcome in outcomes]


def test_the_masks_of_a_group_are_found_before_any_of_it_is_made(balls: Callable[..., Engine]) -> None:
    _, seen = follow(balls(objects_at_once=2), THREE)
    assert seen == [
        ("segment", 0, None),
        ("segment", 1, None),
        ("reconstruct", 0, None),
        ("finish", 0, None),
        ("reconstruct", 1, None),
        ("finish", 1, None),
        ("segment", 2, None),
        ("reconstruct", 2, None),
        ("finish", 2, None),
    ]


def test_a_box_without_an_object_takes_no_place_in_a_group(balls: Callable[..., Engine]) -> None:
    engine = balls(masks=[None, Gen3DError("no_object_in_box", "Nothing.")], objects_at_once=2)
    outcomes, _ = follow(engine, [OUTSIDE, *THREE])
    assert codes(outcomes) == ["box_outside_image", None, "no_object_in_box", None]
    assert cast("BallReconstructor", engine.reconstructor).groups == [2]


def test_the_watcher_sees_every_step_of_every_object(balls: Callable[..., Engine]) -> None:
    _, seen = follow(balls(objects_at_once=3, steps=2), THREE)
    steps = [at for at in seen if at[2] is not None]
    assert steps == [("reconstruct", index, (done, 2)) for index in range(3) for done in (1, 2)]


def test_whoever_watches_can_stop_the_run_between_two_steps(balls: Callable[..., Engine]) -> None:
    def stop(stage: Stage, index: int, steps: tuple[int, int] | None) -> None:
        if (index, steps) == (1, (3, 8)):
            raise StoppedError("cancelled", "enough")

    outcomes = balls(steps=8).run(data.coffee(), THREE, DRAFT, stop)
    assert isinstance(next(outcomes)(), Made)
    with pytest.raises(StoppedError):
        next(outcomes)


@pytest.mark.parametrize("objects_at_once", [1, 2, 3])
def test_an_object_that_cannot_be_made_costs_no_other(balls: Callable[..., Engine], objects_at_once: int) -> None:
    engine = balls(objects=[None, Gen3DError("no_depth", "It is sky.")], objects_at_once=objects_at_once)
    assert codes(follow(engine, THREE)[0]) == [None, "no_depth", None]


@pytest.mark.parametrize(
    ("objects_at_once", "cost"),
    [
        (1, [None, "internal_error", None]),
        (2, [None, "internal_error", None]),
        (3, [None, "internal_error", "internal_error"]),
    ],
)
def test_a_defect_costs_what_its_group_has_not_made_yet(
    balls: Callable[..., Engine], objects_at_once: int, cost: list[str | None], caplog: pytest.LogCaptureFixture
) -> None:
    engine = balls(objects=[None, ZeroDivisionError("within")], objects_at_once=objects_at_once)
    assert codes(follow(engine, THREE)[0]) == cost
    assert caplog.text.count("ZeroDivisionError: within") == 1


def test_a_mask_that_the_reconstructor_leaves_out_is_a_defect(
    balls: Callable[..., Engine], caplog: pytest.LogCaptureFixture
) -> None:
    class Forgetful:
        camera = PerspectiveCamera((0.0, 0.0, 0.0), 1.0, 1.5)

        def make(self, *_: object) -> Iterator[Reconstruction | Gen3DError]:
            return iter(())

    engine = balls(objects_at_once=3)
    engine.reconstructor.on = lambda *_: Forgetful()  # type: ignore[method-assign]
    assert codes(follow(engine, THREE)[0]) == ["internal_error"] * 3
    assert "left out 3 of 3 masks" in caplog.text


def test_a_photo_without_a_usable_box_is_shown_to_no_network(balls: Callable[..., Engine]) -> None:
    engine = balls()
    assert codes(follow(engine, [OUTSIDE, OUTSIDE])[0]) == ["box_outside_image"] * 2
    assert cast("OvalSegmenter", engine.segmenter).photos == 0
    assert cast("BallReconstructor", engine.reconstructor).wishes == []


def test_the_self_check_looks_through_the_reconstructors_camera(balls: Callable[..., Engine]) -> None:
    outcomes, _ = follow(balls(), THREE)
    for made in outcomes:
        assert isinstance(made, Made)
        assert isinstance(made.camera, PerspectiveCamera)
        assert made.agreement is not None
        assert made.agreement.iou > 0.9


def test_a_reconstruction_may_differ_from_the_mask_without_remark(balls: Callable[..., Engine]) -> None:
    ((made,), _) = follow(balls(), boxes([10, 10, 200, 60]))  # the ball is as high as the box and not as wide
    assert isinstance(made, Made)
    assert made.agreement is not None
    assert made.agreement.iou < 0.5
    assert made.warnings == ()


def test_the_self_check_says_how_much_of_the_mask_is_covered(balls: Callable[..., Engine]) -> None:
    ((made,), _) = follow(balls(), boxes([10, 10, 200, 60]))  # the ball covers the middle of the long mask
    assert isinstance(made, Made)
    assert made.agreement is not None
    assert made.agreement.iou <= made.agreement.coverage < 0.5


def lost_gpu(error: Exception) -> Gen3DError | None:
    """What an engine may know of the exceptions it meets."""
    if isinstance(error, MemoryError):
        return Gen3DError("out_of_memory", "Too large.")
    return EngineBrokenError("The GPU is gone.") if isinstance(error, OSError) else None


@pytest.mark.parametrize("part", ["masks", "objects"])
def test_an_engine_may_know_what_an_exception_means_for_the_object(balls: Callable[..., Engine], part: str) -> None:
    engine = balls(**{part: [MemoryError(), None]})
    engine.diagnose = lost_gpu
    assert codes(follow(engine, THREE)[0]) == ["out_of_memory", None, None]


@pytest.mark.parametrize("part", ["masks", "objects"])
def test_an_engine_may_know_that_an_exception_is_its_end(balls: Callable[..., Engine], part: str) -> None:
    engine = balls(**{part: [OSError("device lost")]})
    engine.diagnose = lost_gpu
    with pytest.raises(EngineBrokenError, match="The GPU is gone"):
        follow(engine, THREE)


@pytest.mark.parametrize("part", ["segmenter", "reconstructor"])
def test_it_may_know_it_of_the_work_for_all_objects_too(balls: Callable[..., Engine], part: str) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    engine = balls()
    engine.diagnose = lost_gpu
    getattr(engine, part).on = fail
    with pytest.raises(Gen3DError, match="out_of_memory"):
        follow(engine, THREE)
