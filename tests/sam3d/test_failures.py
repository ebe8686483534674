"""What happens to an object, and to the others, where something is wrong with it or with the GPU."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_loader.locate import Bundle
from serve.reconstruct import Reconstruction
from serve.reconstruct.sam3d.reconstructor import Sam3d
from serve.segment import PixelBox, Segmentation
from tests.sam3d.objects import BOXES, CPU, FULL, HEIGHT, MESH, SEED, WIDTH, codes, ellipse, ignored, make, noise


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    return noise()


def test_a_mask_without_depth_fails_alone(network: Sam3d, photo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    work = network.on(photo, BOXES, MESH, SEED)
    with torch.inference_mode():
        work._photo._pointmap[:, :80, :60] = torch.inf  # the sky, as MoGe gives it
    without, sound = ellipse(BOXES[1]), ellipse(BOXES[2])
    assert codes(list(work.make([without, sound], ignored))) == ["no_depth", "made"]
    assert codes(list(work.make([sound, without], ignored))) == ["made", "no_depth"], "in the order of the masks"
    assert codes(list(work.make([without], ignored))) == ["no_depth"]


def test_a_mask_of_a_pixel_or_two_is_no_object(network: Sam3d, photo: Any) -> None:
    thin = Segmentation(PixelBox(10, 10, 12, 60), np.ones((50, 2), np.bool_), 0.9)
    work = network.on(photo, BOXES, MESH, SEED)
    assert codes(list(work.make([thin], ignored))) == ["no_object_in_box"]


def test_an_object_without_a_voxel_fails_alone(network: Sam3d, photo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = network._pipeline.models["ss_decoder"]

    def first_is_empty(latent: torch.Tensor) -> torch.Tensor:
        occupancy: torch.Tensor = type(decoder).forward(decoder, latent)
        occupancy[0] = -1
        return occupancy

    monkeypatch.setattr(decoder, "forward", first_is_empty)
    work = network.on(photo, BOXES, MESH, SEED)
    made = list(work.make([ellipse(BOXES[0]), ellipse(BOXES[1])], ignored))
    assert codes(made) == ["reconstruction_failed", "made"]


@pytest.mark.parametrize("broken_part", ["vertices", "vertex_attrs"])
def test_numbers_that_are_not_finite_fail_the_object(
    network: Sam3d, photo: Any, broken_part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = network._stages.mesh

    def spoiled(latents: Any) -> Any:
        mesh = decode(latents)
        getattr(mesh, broken_part)[0] = torch.nan
        return mesh

    monkeypatch.setattr(network._stages, "mesh", spoiled)
    assert codes(make(network, photo, BOXES[:1])) == ["reconstruction_failed"]


def test_a_mask_that_vanishes_as_the_photo_is_shrunk_is_no_object(bundle: Bundle) -> None:
    small = Sam3d(bundle, CPU, vram="auto", objects_at_once=1, longest_side=300)
    for x in range(600, 605):  # where it falls between the pixels that are left, or not
        thin = Segmentation(PixelBox(x, 100, x + 3, 700), np.ones((600, 3), np.bool_), 0.9)
        work = small.on(noise(1500, 1000), [thin.box], MESH, SEED)
        assert codes(list(work.make([thin], ignored))) == ["no_object_in_box"]


@pytest.mark.parametrize("value", [0.0, torch.nan, torch.inf])
def test_an_object_without_a_turn_has_no_place(
    network: Sam3d, photo: Any, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = network._pipeline.pose_decoder

    def spoiled(*arguments: Any, **named: Any) -> Any:
        pose = decode(*arguments, **named)
        return pose | {"rotation": torch.full_like(pose["rotation"], value)}

    monkeypatch.setattr(network._pipeline, "pose_decoder", spoiled)
    assert codes(make(network, photo, BOXES[:1])) == ["reconstruction_failed"]


def test_latents_that_are_not_finite_never_reach_the_decoders(
    network: Sam3d, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = network._stages.latents

    def spoiled(*arguments: Any) -> Any:
        made = sample(*arguments)
        made[0].feats[0] = torch.nan
        return made

    monkeypatch.setattr(network._stages, "latents", spoiled)
    monkeypatch.setattr(network._stages, "mesh", lambda latents: pytest.fail("decoded"))
    assert codes(make(network, photo, BOXES[:1])) == ["reconstruction_failed"]


def test_splats_that_are_not_finite_fail_the_object(
    network: Sam3d, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = network._stages.gaussians

    def spoiled(latents: Any) -> Any:
        splats = decode(latents)
        splats._rotation[0] = -splats.rots_bias  # no axis to turn about
        return splats

    monkeypatch.setattr(network._stages, "gaussians", spoiled)
    assert codes(make(network, photo, BOXES[:1], FULL)) == ["reconstruction_failed"]


def test_a_defect_in_decoding_costs_no_other_object_of_the_batch(
    network: Sam3d, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, turns = network._stages.mesh, iter([True, False])

    def spoiled(latents: Any) -> Any:
        return 1 / 0 if next(turns) else decode(latents)

    monkeypatch.setattr(network._stages, "mesh", spoiled)
    work = network.on(photo, BOXES, MESH, SEED)
    assert codes(list(work.make([ellipse(box) for box in BOXES[:2]], ignored))) == ["ZeroDivisionError", "made"]


class ShortOfMemory:
    """A block of the genuine network that has no room, the first few times; as much as the test says is made before."""

    def __init__(self, network: Sam3d, times: int) -> None:
        self.block = network._pipeline.models["slat_generator"].reverse_fn.backbone.blocks[0]
        self.times = times

    def __enter__(self) -> None:
        forward = self.block.forward

        def short(*arguments: Any) -> Any:
            if self.times:
                self.times -= 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return forward(*arguments)

        self.block.forward = short

    def __exit__(self, *_: object) -> None:
        del self.block.forward


def warned(made: list[Any]) -> list[list[str]]:
    return [[warning.code for warning in one.warnings] for one in made if isinstance(one, Reconstruction)]


def test_short_of_memory_a_batch_is_made_one_by_one(network: Sam3d, photo: Any) -> None:
    work = network.on(photo, BOXES, MESH, SEED)
    with ShortOfMemory(network, 1):
        made = list(work.make([ellipse(box) for box in BOXES[:2]], ignored))
    assert codes(made) == ["made", "made"]
    assert warned(made) == [["gpu_memory_short"]] * 2


def test_short_of_memory_again_the_stages_take_turns(
    network: Sam3d, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    can_economise = iter([True])  # the CPU has no room to win
    monkeypatch.setattr(network, "economise", lambda: next(can_economise, False))
    work = network.on(photo, BOXES, MESH, SEED)
    with ShortOfMemory(network, 2):
        made = list(work.make([ellipse(box) for box in BOXES[:2]], ignored))
    assert codes(made) == ["made", "made"]
    assert next(can_economise, None) is None, "it was asked to"


def test_short_of_memory_at_the_last_the_object_fails_and_the_next_has_its_chance(network: Sam3d, photo: Any) -> None:
    work = network.on(photo, BOXES, MESH, SEED)
    with ShortOfMemory(network, 2):  # once as a batch, once alone; on the CPU there are no stages to take turns
        made = list(work.make([ellipse(box) for box in BOXES[:2]], ignored))
    assert codes(made) == ["out_of_memory", "made"]


def test_after_a_shortage_the_network_is_as_it_was(network: Sam3d, photo: Any) -> None:
    (before,) = make(network, photo, BOXES[:1])
    with ShortOfMemory(network, 1):
        assert codes(make(network, photo, BOXES[:1])) == ["out_of_memory"]
    (after,) = make(network, photo, BOXES[:1])
    assert np.array_equal(before.mesh.positions, after.mesh.positions)


@pytest.mark.parametrize("can_economise", [True, False])
def test_short_of_memory_for_the_depth_the_stages_take_turns(
    network: Sam3d, photo: Any, can_economise: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer, turns = network._pipeline.depth_model.model.infer, iter([True, False])

    def short(*arguments: Any, **named: Any) -> Any:
        if next(turns):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return infer(*arguments, **named)

    monkeypatch.setattr(network._pipeline.depth_model.model, "infer", short)
    monkeypatch.setattr(network, "economise", lambda: can_economise)
    if can_economise:
        assert network.on(photo, BOXES, MESH, SEED).camera.aspect == pytest.approx(WIDTH / HEIGHT)
    else:
        with pytest.raises(torch.OutOfMemoryError):
            network.on(photo, BOXES, MESH, SEED)
