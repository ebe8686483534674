"""An engine is run through everything before it counts as loaded; what cannot make an object never becomes ready."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from serve.engine import Engine
from serve.engines import load_engine, load_warm_engine
from serve.errors import EngineBrokenError, Gen3DError
from serve.segment.grabcut import GrabCut
from serve.settings import Settings
from serve.warm_up import drawing, warm_up

if TYPE_CHECKING:
    from tests.serve.conftest import Server

GUIDED, WHOLE = "standard", "draft"  # in the order in which they are made
LOST = RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with …")
SHORT = Gen3DError("out_of_memory", "The GPU's memory does not suffice for the object.")


def test_the_drawing_shows_what_its_mask_says() -> None:
    pixels, ball = drawing()
    assert pixels.shape == (512, 512, 3)
    assert pixels.dtype == np.uint8
    box = ball.box
    assert ball.mask.shape == (box.y_max - box.y_min, box.x_max - box.x_min)
    found = GrabCut().on(pixels, [box])(box).mask
    assert np.count_nonzero(found & ball.mask) > 0.98 * np.count_nonzero(found | ball.mask)


def test_an_object_is_begun_with_guidance_and_another_made_whole(balls: Callable[..., Engine]) -> None:
    engine: Any = balls(steps=5)
    told: list[tuple[str, int]] = []
    on = engine.reconstructor.on

    def watched(pixels: Any, boxes: Any, detail: Any, seed: int) -> Any:
        photo = on(pixels, boxes, detail, seed)
        make = photo.make

        def make_watched(masks: Any, step: Callable[[int, int, int], None]) -> Iterator[Any]:
            def tell(which: int, done: int, of: int) -> None:
                told.append((detail.quality, done))
                step(which, done, of)

            return make(masks, tell)  # type: ignore[no-any-return]

        photo.make = make_watched
        return photo

    engine.reconstructor.on = watched
    warm_up(engine)
    assert told == [(GUIDED, 1), *((WHOLE, done) for done in range(1, 6))]
    assert engine.segmenter.photos == 1
    for detail in engine.reconstructor.wishes:
        assert detail.mesh
        assert detail.splats


def test_the_preview_can_be_warmed_up_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "serve.warm_up"):
        warm_up(load_engine(Settings()))
    begun, ended = (record for record in caplog.records if record.name == "serve.warm_up")
    assert (begun.getMessage(), ended.getMessage()) == ("warming up", "warmed up")
    assert vars(ended)["engine"] == "preview"
    assert vars(ended)["seconds"] > 0


def test_the_preview_is_not_as_it_has_nothing_to_compile(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        load_warm_engine(Settings())
    # A stage that other tests share may be talking meanwhile.
    assert not [record for record in caplog.records if record.name.startswith("serve.")]


@pytest.mark.parametrize("code", ["no_depth", "reconstruction_failed"])
def test_a_drawing_in_which_the_network_sees_nothing_does_not_stop_the_engine(
    code: str, balls: Callable[..., Engine], caplog: pytest.LogCaptureFixture
) -> None:
    warm_up(balls(objects=[None, Gen3DError(code, "Nothing is there.")]))
    (warned,) = [line for line in caplog.records if line.levelno == logging.WARNING]
    assert warned.getMessage() == "the warm-up made no object"
    assert (vars(warned)["code"], vars(warned)["reason"]) == (code, "Nothing is there.")


def test_nor_does_a_drawing_in_which_the_segmenter_finds_nothing(
    balls: Callable[..., Engine], caplog: pytest.LogCaptureFixture
) -> None:
    engine: Any = balls(masks=[Gen3DError("no_object_in_box", "Nothing stands out.")])
    warm_up(engine)
    assert [vars(line)["code"] for line in caplog.records if line.levelno == logging.WARNING] == ["no_object_in_box"]
    assert engine.reconstructor.groups == [1, 1], "with the mask that is known"


# What stops it.


def diagnose(error: Exception) -> Gen3DError | None:
    """Of a GPU, as far as these tests go."""
    return EngineBrokenError("The GPU failed.") if error is LOST else None


@pytest.mark.parametrize("orders", [[LOST], [None, LOST]], ids=["guided", "whole"])
def test_a_gpu_that_fails_is_named_as_the_reason(orders: list[Any], balls: Callable[..., Engine]) -> None:
    engine = balls(objects=orders)
    engine.diagnose = diagnose
    with pytest.raises(EngineBrokenError, match="The GPU failed"):
        warm_up(engine)


def test_a_gpu_that_fails_the_segmenter_is_too(balls: Callable[..., Engine]) -> None:
    engine = balls(masks=[LOST])
    engine.diagnose = diagnose
    with pytest.raises(EngineBrokenError, match="The GPU failed"):
        warm_up(engine)


def test_a_broken_engine_says_so_itself(balls: Callable[..., Engine]) -> None:
    broken = EngineBrokenError("The GPU fell off the bus.")
    with pytest.raises(EngineBrokenError) as caught:
        warm_up(balls(objects=[broken]))
    assert caught.value is broken


@pytest.mark.parametrize("diagnosed", [False, True])
def test_a_gpu_too_small_for_a_drawing_is_too_small(diagnosed: bool, balls: Callable[..., Engine]) -> None:
    memory = RuntimeError("CUDA out of memory")
    engine = balls(objects=[memory if diagnosed else SHORT])
    engine.diagnose = lambda error: SHORT if error is memory else None
    with pytest.raises(Gen3DError, match=r"out_of_memory: .* 512 × 512 pixels: .* more memory") as caught:
        warm_up(engine)
    assert not isinstance(caught.value, EngineBrokenError)


def test_a_defect_is_no_engines_secret(balls: Callable[..., Engine]) -> None:
    with pytest.raises(ZeroDivisionError):
        warm_up(balls(objects=[ZeroDivisionError("inside the engine")]))


def test_an_object_that_is_handed_over_as_a_defect_is_one_too(balls: Callable[..., Engine]) -> None:
    engine: Any = balls()

    class Photo:
        def make(self, masks: Any, step: Any) -> Iterator[Exception]:
            yield LOST

    engine.reconstructor.on = lambda *_, **__: Photo()
    engine.diagnose = diagnose
    with pytest.raises(EngineBrokenError, match="The GPU failed"):
        warm_up(engine)


# As the server sees it.


def test_until_it_is_warm_the_server_is_not_ready(
    balls: Callable[..., Engine], serve_engine: Callable[..., "Server"]
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def load() -> Engine:
        engine: Any = balls()
        on = engine.reconstructor.on

        def wait(*arguments: Any, **named: Any) -> Any:
            begun.set()
            assert may_end.wait(60)
            return on(*arguments, **named)

        engine.reconstructor.on = wait
        warm_up(engine)
        return engine  # type: ignore[no-any-return]

    server = serve_engine(load)
    assert begun.wait(60)
    answer = server.http.get("/ping")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "loading")
    may_end.set()
    while server.http.get("/ping").status_code != 200:
        pass
    messages = [line["message"] for line in server.log()]
    assert messages.index("warming up") < messages.index("warmed up") < messages.index("engine ready")


@pytest.mark.parametrize(
    ("order", "cause", "reason"),
    [
        (LOST, "engine_failed", "The GPU failed."),
        (SHORT, "out_of_memory", "The GPU's memory does not suffice for one object in a photo of 512 × 512"),
        (ZeroDivisionError("in a network"), "internal_error", "ZeroDivisionError: in a network"),
    ],
    ids=["lost", "short", "defect"],
)
def test_what_cannot_be_warmed_up_never_becomes_ready(
    order: Exception,
    cause: str,
    reason: str,
    balls: Callable[..., Engine],
    serve_engine: Callable[..., "Server"],
) -> None:
    def load() -> Engine:
        engine = balls(objects=[order])
        engine.diagnose = diagnose
        warm_up(engine)
        return engine

    server = serve_engine(load)
    while (answer := server.http.get("/ping")).json()["error"]["code"] == "loading":
        pass
    for _ in range(2):  # for good
        error = server.http.get("/ping").json()["error"]
        assert (answer.status_code, error["code"], error["details"]) == (503, "engine_failed", {"cause": cause})
        assert error["message"].startswith(f"The engine could not be loaded: {reason}")
    assert "warmed up" not in [line["message"] for line in server.log()]
