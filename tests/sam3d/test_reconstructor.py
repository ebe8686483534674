"""The genuine network from masks to meshes, against upstream's own `run` for every box."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model_loader.locate import Bundle
from serve.errors import Gen3DError, StoppedError
from serve.mesh.meshes import DenseMesh
from serve.reconstruct import Detail, Reconstruction
from serve.reconstruct.sam3d import guidance
from serve.reconstruct.sam3d.frames import dense_mesh, placement
from serve.reconstruct.sam3d.reconstructor import Sam3d
from serve.reconstruct.sam3d.upstream import gaussians_on, upstream_module
from serve.segment import PixelBox
from tests.sam3d.objects import BOXES, CPU, FULL, HEIGHT, MESH, SEED, WIDTH, codes, ellipse, ignored, make, noise


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    return noise()


def run_upstream(pipeline: Any, photo: Any, box: PixelBox, seed: int = SEED) -> dict[str, Any]:
    """What Meta's own code makes of the same."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[box.y_min : box.y_max, box.x_min : box.x_max] = 255 * ellipse(box).mask
    with warnings.catch_warnings(), gaussians_on(CPU):
        warnings.simplefilter("ignore", UserWarning)  # there is no CUDA to switch to half precision
        made: dict[str, Any] = pipeline.run(
            np.dstack([photo, mask]),
            seed=seed,
            with_mesh_postprocess=False,
            with_texture_baking=False,
            use_vertex_color=True,
        )
    return made


def mesh_of(made: dict[str, Any]) -> DenseMesh:
    mesh = made["mesh"][0]
    return dense_mesh(mesh.vertices.double().numpy(), mesh.faces.numpy(), mesh.vertex_attrs[:, :3].double().numpy())


def place_of(made: dict[str, Any]) -> Any:
    rotation, translation = (made[name][0].double().numpy() for name in ("rotation", "translation"))
    return placement(rotation, translation, float(made["scale"][0, 0]))


@pytest.fixture(scope="module")
def expected(upstream: Any, photo: NDArray[np.uint8]) -> list[dict[str, Any]]:
    return [run_upstream(upstream, photo, box) for box in BOXES[:2]]


@pytest.fixture(scope="module")
def sharing(repacked: Bundle) -> Sam3d:
    """With one DINOv2 for all."""
    return Sam3d(repacked, CPU, vram="auto", objects_at_once=1, longest_side=3072)


def with_all_zero_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The unguided branch as upstream has it."""
    monkeypatch.setattr(
        guidance, "_one_zero_token", upstream_module("model.backbone.generator.classifier_free_guidance").add_flag
    )


def test_what_boxes_share_changes_no_bit(
    network: Sam3d, photo: Any, expected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_all_zero_tokens(monkeypatch)
    for made, theirs in zip(make(network, photo, BOXES[:2], FULL), expected, strict=True):
        mesh = mesh_of(theirs)
        for name in ("positions", "faces", "colours"):
            assert np.array_equal(getattr(made.mesh, name), getattr(mesh, name)), name
        assert made.placement == place_of(theirs)
        assert not made.depth_is_guess


def test_one_zero_token_does_for_thousands(network: Sam3d, photo: Any, expected: list[dict[str, Any]]) -> None:
    for made, theirs in zip(make(network, photo, BOXES[:2]), expected, strict=True):
        mesh = mesh_of(theirs)
        assert made.mesh.positions.shape == mesh.positions.shape
        assert np.abs(made.mesh.positions - mesh.positions).max() < 1e-4, "where the surface itself is the criterion"
        assert made.placement.translation == pytest.approx(place_of(theirs).translation, abs=1e-5)


def test_the_latents_are_equal_within_a_hundred_thousandth(
    network: Sam3d, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sampled() -> Any:
        work = network.on(photo, BOXES, MESH, SEED)
        prepared = network.prepare(work._photo, ellipse(BOXES[0]))
        (outcome,) = network.sample([prepared], SEED, network.sampling("standard"), lambda: None)
        return outcome

    structure, latents = sampled()
    with_all_zero_tokens(monkeypatch)
    their_structure, their_latents = sampled()
    assert torch.equal(structure.coords, their_structure.coords)
    torch.testing.assert_close(structure.translation, their_structure.translation, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(latents.feats, their_latents.feats, atol=1e-5, rtol=1e-5)


@contextmanager
def counted(module: Any, name: str) -> Iterator[list[int]]:
    """How often a method was called."""
    calls: list[int] = []
    original = getattr(module, name)

    def count(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        return original(*arguments, **named)

    setattr(module, name, count)
    try:
        yield calls
    finally:
        delattr(module, name) if name not in type(module).__dict__ else setattr(module, name, original)


def backbone_calls(network: Sam3d, work: Callable[[], object]) -> int:
    """How often a DINOv2 looked at a picture."""
    calls = []
    blocks = {
        id(dino.backbone): dino.backbone.blocks[0]
        for embedder in network._pipeline.condition_embedders.values()
        for dino, _ in embedder.embedder_list
        if hasattr(dino, "backbone")
    }
    hooks = [block.register_forward_hook(lambda *_: calls.append(1)) for block in blocks.values()]
    work()
    for hook in hooks:
        hook.remove()
    return len(calls)


@pytest.mark.parametrize("boxes", [1, 3])
def test_one_dinov2_looks_three_times_a_box_and_once_a_photo(sharing: Sam3d, photo: Any, boxes: int) -> None:
    assert backbone_calls(sharing, lambda: make(sharing, photo, BOXES[:boxes])) == 3 * boxes + 1


@pytest.mark.parametrize("boxes", [1, 3])
def test_four_dinov2s_look_six_times_a_box_and_twice_a_photo(network: Sam3d, photo: Any, boxes: int) -> None:
    assert backbone_calls(network, lambda: make(network, photo, BOXES[:boxes])) == 6 * boxes + 2


def test_depth_is_measured_once_a_photo(network: Sam3d, photo: Any) -> None:
    with counted(network._pipeline.depth_model.model, "infer") as calls:
        make(network, photo, BOXES)
    assert len(calls) == 1


def test_one_dinov2_for_all_changes_no_bit(network: Sam3d, sharing: Sam3d, photo: Any) -> None:
    """On the CPU the repacked halves are float32 again, so both are compared after the rounding to halves."""
    one, other = (
        [dino for dino, _ in each._pipeline.condition_embedders["slat_condition_embedder"].embedder_list]
        for each in (network, sharing)
    )
    seen = torch.rand(1, 3, 112, 112)
    with torch.inference_mode():
        for mine, shared in zip(one, other, strict=True):
            assert torch.equal(mine(seen), shared(seen))
    assert other[0].backbone is other[1].backbone


def test_a_seed_gives_the_same_object_whatever_else_is_in_the_job(network: Sam3d, photo: Any) -> None:
    (alone,) = make(network, photo, BOXES[1:2])
    among = make(network, photo, [BOXES[2], BOXES[1], BOXES[0]])[1]
    assert np.array_equal(alone.mesh.positions, among.mesh.positions)
    assert alone.placement == among.placement


def test_another_seed_gives_another_object(network: Sam3d, photo: Any) -> None:
    (one,), (other,) = (make(network, photo, BOXES[:1], seed=seed) for seed in (1, 2))
    assert one.placement != other.placement


def test_a_batch_gives_what_its_objects_give_alone(network: Sam3d, photo: Any) -> None:
    work = network.on(photo, BOXES, MESH, SEED)
    prepared = [network.prepare(work._photo, ellipse(box)) for box in BOXES]
    sampling = network.sampling("standard")
    together = network.sample(prepared, SEED, sampling, lambda: None)
    for one, batched in zip(prepared, together, strict=True):
        (alone,) = network.sample([one], SEED, sampling, lambda: None)
        assert not isinstance(alone, Gen3DError)
        assert not isinstance(batched, Gen3DError)
        assert torch.equal(alone[0].coords, batched[0].coords)
        for name in ("rotation", "translation", "scale"):
            torch.testing.assert_close(
                getattr(alone[0], name), getattr(batched[0], name), atol=1e-5, rtol=1e-5, check_dtype=True
            )
        torch.testing.assert_close(alone[1].feats, batched[1].feats, atol=1e-5, rtol=1e-5)
        assert torch.equal(alone[1].coords, batched[1].coords)


def test_a_batch_is_made_in_order(network: Sam3d, photo: Any) -> None:
    work = network.on(photo, BOXES, MESH, SEED)
    together = list(work.make([ellipse(box) for box in BOXES[:2]], ignored))
    for made, alone in zip(together, make(network, photo, BOXES[:2]), strict=True):
        assert isinstance(made, Reconstruction)
        assert made.placement.translation == pytest.approx(alone.placement.translation, abs=1e-5)


class Shells(torch.nn.Module):  # type: ignore[misc]  # torch is Any where types are checked
    """An occupancy of hollow balls, 64 voxels wide, as large objects have."""

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        axis = torch.linspace(-1, 1, 64)
        radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
        shell = ((radius < 0.95) & (radius > 0.86)).float() - 0.5
        return shell.expand(len(latent), 1, 64, 64, 64)


def test_many_large_objects_lose_no_voxel_to_each_other(
    network: Sam3d, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(network._pipeline.models._modules, "ss_decoder", Shells())
    work = network.on(photo, BOXES, MESH, SEED)
    prepared = [network.prepare(work._photo, ellipse(box)) for box in BOXES]
    noises = [torch.Generator().manual_seed(SEED) for _ in prepared]
    with torch.inference_mode():
        found = network._stages.structures(
            [first for first, _ in prepared], noises, network.sampling("draft"), lambda: None
        )
    voxels = [len(structure.coords) for structure in found]  # type: ignore[union-attr]
    assert sum(voxels) > 42_000, "more than upstream lets a whole batch have"
    assert voxels[0] == voxels[1] == voxels[2] > 14_000


def test_steps_are_told_of_one_by_one(network: Sam3d, photo: Any) -> None:
    told: list[tuple[int, ...]] = []
    work = network.on(photo, BOXES, MESH, SEED)
    list(work.make([ellipse(BOXES[0])], lambda *step: told.append(step)))
    assert told == [(0, done, 6) for done in range(1, 7)], "3 of the structure, 2 of the latents, 1 for decoding"


def test_the_work_can_be_stopped_between_two_steps(network: Sam3d, photo: Any) -> None:
    def stop(which: int, done: int, of: int) -> None:
        if done == 2:
            raise StoppedError("cancelled", "The client went away.")

    work = network.on(photo, BOXES, MESH, SEED)
    with pytest.raises(StoppedError):
        list(work.make([ellipse(BOXES[0])], stop))
    assert len(make(network, photo, BOXES[:1])) == 1, "and the network is as it was"


@pytest.mark.parametrize(("quality", "structure", "latent"), [("draft", 4, 1), ("standard", 3, 2), ("high", 6, 4)])
def test_qualities_are_steps(network: Sam3d, quality: Any, structure: int, latent: int) -> None:
    sampling = network.sampling(quality)
    assert (sampling.structure_steps, sampling.latent_steps) == (structure, latent)
    assert sampling.distilled == (quality == "draft"), "the second stage is never distilled"


def test_the_draft_is_upstreams_distilled_structure(upstream: Any, network: Sam3d, photo: Any) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    box = BOXES[0]
    mask[box.y_min : box.y_max, box.x_min : box.x_max] = 255 * ellipse(box).mask
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        theirs = upstream.run(
            np.dstack([photo, mask]),
            seed=SEED,
            stage1_only=True,
            stage1_inference_steps=4,
            use_stage1_distillation=True,
        )
    work = network.on(photo, BOXES, MESH, SEED)
    prepared = network.prepare(work._photo, ellipse(box))
    (outcome,) = network.sample([prepared], SEED, network.sampling("draft"), lambda: None)
    assert not isinstance(outcome, Gen3DError)
    structure, _ = outcome
    assert torch.equal(structure.coords, theirs["coords"])
    assert torch.equal(structure.translation, theirs["translation"])


def test_decoders_run_only_for_what_is_asked(network: Sam3d, photo: Any) -> None:
    splats_alone = Detail("standard", 1_000_000, 8192, mesh=False, splats=True)
    with counted(network._stages, "mesh") as meshes, counted(network._stages, "gaussians") as splats:
        (made,) = make(network, photo, BOXES[:1], splats_alone)
        assert (len(meshes), len(splats)) == (0, 1)
        assert made.mesh is None
        assert made.splats.startswith(b"ply\n")
        make(network, photo, BOXES[:1], MESH)
        assert (len(meshes), len(splats)) == (1, 1)


def test_a_large_photo_is_shrunk_and_the_mask_with_it(bundle: Bundle) -> None:
    small = Sam3d(bundle, CPU, vram="auto", objects_at_once=1, longest_side=518)
    photo = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    box = PixelBox(300, 200, 900, 800)
    work = small.on(photo, [box], MESH, SEED)
    first, _ = small.prepare(work._photo, ellipse(box))
    assert work._photo._pointmap.shape == (3, 388, 518)
    whole = first["rgb_image_mask"][0, 0] > 0.5
    assert float(whole.float().mean()) == pytest.approx(np.pi / 4 * 600 * 600 / (1200 * 1200), rel=0.03)
    assert work.camera.aspect == pytest.approx(4 / 3)


@pytest.mark.usefixtures("offline")
def test_no_network_is_needed_to_run(network: Sam3d, photo: Any) -> None:
    assert codes(make(network, photo, BOXES[:1])) == ["made"]
