"""The genuine networks are run through once before the engine counts as loaded, and forget it."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model_loader.locate import Bundle
from serve.engine import Engine
from serve.engines import load_engine, load_warm_engine
from serve.errors import EngineBrokenError, Gen3DError
from serve.reconstruct.sam3d import residence
from serve.reconstruct.sam3d.reconstructor import Sam3d
from serve.reconstruct.sam3d.stages import Stages
from serve.segment.sam import load_sam
from serve.settings import Settings
from serve.warm_up import warm_up
from tests.sam3d.objects import BOXES, CPU, FULL, codes, make, noise


@pytest.fixture
def on_cuda(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings for a GPU, where a CPU stands for it."""
    monkeypatch.setattr(residence, "open_device", lambda name: CPU)
    return Settings(engine="sam3d", weights=weights, device="cuda")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.getMessage() for line in caplog.records if line.name == "serve.warm_up"]


def test_the_same_request_gives_the_same_bits_with_and_without(bundle: Bundle) -> None:
    fresh = Sam3d(bundle, CPU, vram="auto", objects_at_once=1, longest_side=3072)
    (expected,) = make(fresh, noise(), BOXES[:1], FULL)
    warmed = Sam3d(bundle, CPU, vram="auto", objects_at_once=1, longest_side=3072)
    segmenter = load_sam(bundle.folder, bundle.segmenter, CPU)
    before = torch.get_rng_state()
    warm_up(Engine("sam3d", segmenter, warmed, preview=False, weights=None))
    assert torch.equal(torch.get_rng_state(), before), "nor is anything drawn from what all share"
    (made,) = make(warmed, noise(), BOXES[:1], FULL)
    for name in ("positions", "faces", "colours"):
        assert np.array_equal(getattr(made.mesh, name), getattr(expected.mesh, name)), name
    assert made.splats == expected.splats
    assert made.placement == expected.placement
    assert made.warnings == expected.warnings


def test_a_step_with_guidance_is_taken_and_then_everything_is_run(
    bundle: Bundle, network: Sam3d, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []
    models = network._pipeline.models
    watched = {
        "structure": models["ss_generator"].reverse_fn.backbone.blocks[0],
        "occupancy": models["ss_decoder"],
        "latents": models["slat_generator"].reverse_fn.backbone.blocks[0],
        "mesh": models["slat_decoder_mesh"].blocks[0],
        "splats": models["slat_decoder_gs"].blocks[0],
    }
    hooks = [module.register_forward_hook(lambda *_, name=name: ran.append(name)) for name, module in watched.items()]
    with caplog.at_level(logging.INFO, "serve.warm_up"):
        warm_up(Engine("sam3d", load_sam(bundle.folder, bundle.segmenter, CPU), network, preview=False, weights=None))
    for hook in hooks:
        hook.remove()
    # Both branches of one step; four steps of the distilled stage; both branches of the one step of the latents.
    assert ran == ["structure"] * 2 + ["structure"] * 4 + ["occupancy", "latents", "latents", "mesh", "splats"]
    assert said(caplog) == ["warming up", "warmed up"], "and the ball was made, without a warning"


def test_on_a_gpu_it_is_part_of_loading(on_cuda: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "serve.warm_up"):
        engine = load_warm_engine(on_cuda)
    assert said(caplog) == ["warming up", "warmed up"]
    assert isinstance(engine.reconstructor, Sam3d)
    assert codes(make(engine.reconstructor, noise(), BOXES[:1])) == ["made"]


def test_who_makes_one_photo_and_ends_need_not_wait_for_a_drawing(
    on_cuda: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "serve.warm_up"):
        load_engine(on_cuda)
    assert not said(caplog)


def test_attention_is_not_built_for_every_number_of_voxels() -> None:
    assert not torch.backends.cuda.cudnn_sdp_enabled(), "since upstream was imported"


def test_on_the_cpu_there_is_nothing_to_warm_up(weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "serve.warm_up"):
        load_warm_engine(Settings(engine="sam3d", weights=weights, device="cpu"))
    assert not said(caplog)


@pytest.mark.parametrize("stage", ["structures", "latents", "mesh", "gaussians"])
def test_a_gpu_that_fails_in_any_stage_fails_the_load(
    stage: str, on_cuda: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nCompile with …")

    monkeypatch.setattr(Stages, stage, fail)
    with pytest.raises(EngineBrokenError, match="The GPU failed: CUDA error: no kernel image is available"):
        load_warm_engine(on_cuda)


def test_a_gpu_too_small_for_the_ball_fails_the_load(on_cuda: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Stages, "latents", fail)
    with pytest.raises(Gen3DError, match=r"out_of_memory: .* one object in a photo of 512 × 512 pixels"):
        load_warm_engine(on_cuda)
