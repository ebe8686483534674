"""SAM 3D Objects as a `Reconstructor`. Knows the order of the work; what is done in each step, its neighbours know."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from model_loader.locate import Bundle
from serve.contract import Format, Quality, Warned
from serve.errors import Gen3DError
from serve.mesh.meshes import PerspectiveCamera
from serve.reconstruct import Detail, Fineness, Reconstruction
from serve.reconstruct.sam3d.build import build_pipeline, same_preprocessing
from serve.reconstruct.sam3d.frames import as_array, dense_mesh, placement, splats_ply
from serve.reconstruct.sam3d.prepare import PreparedPhoto
from serve.reconstruct.sam3d.residence import Residence, Vram
from serve.reconstruct.sam3d.reuse import Reuse
from serve.reconstruct.sam3d.stages import Prepared, Sampling, Stages, Structure
from serve.segment import PixelBox, Segmentation

log = logging.getLogger(__name__)
Result = TypeVar("Result")

_DRAFT_STRUCTURE_STEPS: Final = 4  # what the distilled structure stage was made for


class Sam3d:
    """The network, loaded once.

    Args:
        bundle: See `model_loader.locate`.
        device: Where inference runs; see `open_device`.
        vram: See `Residence`.
        objects_at_once: How many objects go through the generators together.
        longest_side: The working photo's longer side at most, in pixels.

    Raises:
        Gen3DError: See `build_pipeline`.
    """

    name = "sam-3d-objects"
    units = "the unit of MoGe's depth: true in proportion within a scene, not metres"
    formats: tuple[Format, ...] = ("glb", "obj", "stl", "ply", "usdz", "splats")
    # Of the 200,000 to 1,000,000 triangles that are decoded. Their vertices are the colours' grain: a texture of 2048
    # pixels has more texels than they are.
    details: Mapping[Quality, Fineness] = {
        "draft": Fineness(10_000, 1024),
        "standard": Fineness(50_000, 2048),
        "high": Fineness(200_000, 2048),
    }

    def __init__(
        self, bundle: Bundle, device: torch.device, *, vram: Vram, objects_at_once: int, longest_side: int
    ) -> None:
        self.objects_at_once = objects_at_once
        self._device, self._longest_side = device, longest_side
        self._pipeline = pipeline = build_pipeline(bundle, device)
        self._alike = same_preprocessing(bundle)
        self._reuse = Reuse()
        embedders = pipeline.condition_embedders
        for embedder in embedders.values():
            _look_once(embedder, self._reuse)
        self._stages = Stages(pipeline, device)
        models = pipeline.models
        modules = {
            "depth": [pipeline.depth_model.model],
            "structure": [embedders["ss_condition_embedder"], models["ss_generator"], models["ss_decoder"]],
            "latents": [embedders["slat_condition_embedder"], models["slat_generator"]],
            "mesh": [models["slat_decoder_mesh"]],
            "splats": [models["slat_decoder_gs"]],
        }
        pipeline.depth_model.device = device
        self._residence = Residence(device, modules, vram)

    def sampling(self, quality: Quality) -> Sampling:
        """The steps of a quality: `standard` is as released, `high` twice that.

        `draft` has the distilled structure stage, with the few steps it needs; the second stage has no distilled form
        worth the name (upstream's merely drops the guidance), so it takes half its steps.
        """
        structure, latent = self._pipeline.ss_inference_steps, self._pipeline.slat_inference_steps
        match quality:
            case "draft":
                return Sampling(_DRAFT_STRUCTURE_STEPS, max(1, latent // 2), distilled=True)
            case "standard":
                return Sampling(structure, latent, distilled=False)
            case "high":
                return Sampling(2 * structure, 2 * latent, distilled=False)

    def on(self, pixels: NDArray[np.uint8], boxes: Sequence[PixelBox], detail: Detail, seed: int) -> "_Photo":  # noqa: ARG002
        """See `Reconstructor.on`."""
        photo = None
        try:
            photo = self._prepared(pixels)
        except torch.OutOfMemoryError:
            if not self.economise():
                raise
        # Again where it failed, with what was in the way gone.
        return _Photo(self, photo or self._prepared(pixels), detail, seed)

    def _prepared(self, pixels: NDArray[np.uint8]) -> PreparedPhoto:
        with self._inference(), self._residence.stage("depth"):
            return PreparedPhoto(
                self._pipeline,
                self._reuse,
                pixels,
                longest_side=self._longest_side,
                alike=self._alike,
                device=self._device,
            )

    def prepare(self, photo: PreparedPhoto, mask: Segmentation) -> tuple[Prepared, Prepared]:
        """See `PreparedPhoto.prepare`."""
        with self._inference():
            return photo.prepare(mask)

    def sample(
        self, objects: Sequence[tuple[Prepared, Prepared]], seed: int, sampling: Sampling, tick: Callable[[], None]
    ) -> list[tuple[Structure, Any] | Gen3DError]:
        """Each object's structure and latents, in order. A seed gives the same object whatever else is in the list."""
        noises = [torch.Generator(self._device).manual_seed(seed) for _ in objects]
        self._reuse.begin_objects()
        if not objects:
            return []
        with self._inference():
            with self._residence.stage("structure"):
                found = self._stages.structures([first for first, _ in objects], noises, sampling, tick)
            good = [index for index, structure in enumerate(found) if isinstance(structure, Structure)]
            structures = [structure for structure in found if isinstance(structure, Structure)]
            latents: list[Any] = []
            if good:
                with self._residence.stage("latents"):
                    seconds = [objects[index][1] for index in good]
                    latents = self._stages.latents(
                        seconds, structures, [noises[index] for index in good], sampling, tick
                    )
        made = zip(structures, latents, strict=True)
        return [outcome if isinstance(outcome, Gen3DError) else next(made) for outcome in found]

    def decode(self, structure: Structure, latents: Any, detail: Detail) -> Reconstruction | Gen3DError:
        """What was asked for of one object, in glTF's frames."""
        turn, place, scale = (
            as_array(each[0]) for each in (structure.rotation, structure.translation, structure.scale)
        )
        if not _are_finite(turn, place, scale, as_array(latents.feats)) or not turn.any() or scale[0] <= 0:
            return _failed("gave the object no place or no shape")
        mesh = splats = None
        with self._inference():
            if detail.mesh:
                with self._residence.stage("mesh"):
                    decoded = self._stages.mesh(latents)
                vertices, colours = as_array(decoded.vertices), as_array(decoded.vertex_attrs[:, :3])
                if not len(vertices) or not len(decoded.faces):
                    return _failed("found no surface on the object")
                if not _are_finite(vertices, colours):
                    return _failed("gave numbers that are not finite")
                mesh = dense_mesh(vertices, decoded.faces.cpu().numpy(), colours)
            if detail.splats:
                with self._residence.stage("splats"):
                    gaussians = self._stages.gaussians(latents)
                try:
                    splats = splats_ply(gaussians)
                except FloatingPointError:
                    return _failed("gave numbers that are not finite")
        return Reconstruction(mesh, splats, placement(turn, place, float(scale[0])), depth_is_guess=False)

    @contextmanager
    def _inference(self) -> Iterator[None]:
        """As upstream runs: what is made without naming a device is made on the GPU."""
        with torch.inference_mode(), self._device:
            yield

    def economise(self) -> bool:
        """See `Residence.economise`."""
        return self._residence.economise()


def _look_once(embedder: Any, reuse: Reuse) -> None:
    """Each DINOv2 looks at a picture once, whichever box or stage shows it, and its tokens are projected once."""
    for (dino, _), projection in zip(embedder.embedder_list, embedder.projection_nets, strict=True):
        if not hasattr(dino, "backbone"):
            continue
        # Stages share the backbone, where it is one; each makes its own tokens of what it found.
        key = ("dinov2 input", dino.resize_input_size, dino.normalize_images)
        dino._preprocess_input = reuse.once(dino._preprocess_input, key)
        if "forward_features" not in vars(dino.backbone):  # a shared backbone is there twice
            dino.backbone.forward_features = reuse.once(dino.backbone.forward_features, id(dino.backbone))
        dino.forward = reuse.once(dino.forward, id(dino))
        projection.forward = _copied(reuse.once(projection.forward, id(projection)))


def _copied(kept: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """For upstream, which adds to the result in place."""
    return lambda tokens: kept(tokens).clone()


class _Photo:
    """The objects of one photo; see `PhotoReconstructor`."""

    def __init__(self, network: Sam3d, photo: PreparedPhoto, detail: Detail, seed: int) -> None:
        self._network, self._photo, self._detail, self._seed = network, photo, detail, seed
        self._sampling = network.sampling(detail.quality)

    @property
    def camera(self) -> PerspectiveCamera:
        return self._photo.camera

    def make(
        self, masks: Sequence[Segmentation], step: Callable[[int, int, int], None]
    ) -> Iterator[Reconstruction | Exception]:
        """See `PhotoReconstructor.make`."""
        waiting, at_once = list(range(len(masks))), len(masks)
        warnings: tuple[Warned, ...] = ()
        while waiting:
            is_short = False
            try:
                for index, outcome in self._make({index: masks[index] for index in waiting[:at_once]}, step):
                    waiting.remove(index)
                    yield _warned(outcome, warnings)
            except torch.OutOfMemoryError:
                log.warning("out of GPU memory, %d objects at once", min(at_once, len(waiting)))
                is_short = True
            # Outside the handler, so that what the failed attempt held is gone.
            if is_short:
                warnings = _SHORT_OF_MEMORY
                if at_once > 1:
                    at_once = 1
                elif not self._network.economise():
                    waiting.pop(0)
                    yield _too_large()

    def _make(
        self, masks: Mapping[int, Segmentation], step: Callable[[int, int, int], None]
    ) -> Iterator[tuple[int, Reconstruction | Exception]]:
        found = {index: _attempt(self._network.prepare, self._photo, mask) for index, mask in masks.items()}
        prepared = {index: each for index, each in found.items() if not isinstance(each, Exception)}
        in_all = self._sampling.structure_steps + self._sampling.latent_steps + 1  # and decoding
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            for index in prepared:
                step(index, done, in_all)

        sampled = iter(self._network.sample(list(prepared.values()), self._seed, self._sampling, tick))
        for index, each in found.items():
            outcome = each if isinstance(each, Exception) else next(sampled)
            if isinstance(outcome, Exception):
                yield index, outcome
            else:
                made = _attempt(self._network.decode, *outcome, self._detail)
                step(index, in_all, in_all)
                yield index, made


def _attempt(work: Callable[..., Result], *arguments: Any) -> Result | Exception:
    """What the work for one object returns, or why it failed; that the memory ran out concerns the whole attempt."""
    try:
        return work(*arguments)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the engine logs it, and makes the other objects
        return error


_SHORT_OF_MEMORY: Final = (
    Warned(
        code="gpu_memory_short",
        message="The GPU's memory did not suffice at first; the object was made again with less in it at a time.",
    ),
)


def _warned(outcome: Reconstruction | Exception, warnings: tuple[Warned, ...]) -> Reconstruction | Exception:
    if isinstance(outcome, Exception) or not warnings:
        return outcome
    return replace(outcome, warnings=(*outcome.warnings, *warnings))


def _too_large() -> Gen3DError:
    message = "The GPU's memory does not suffice for the object, even with one stage of the network in it at a time."
    return Gen3DError("out_of_memory", message)


def _failed(what: str) -> Gen3DError:
    return Gen3DError("reconstruction_failed", f"The network {what}: another seed, or a closer box, may help.")


def _are_finite(*arrays: NDArray[np.float64]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays)
