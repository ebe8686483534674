"""The network's stages, for one object or several: structure, latents, decoding. Knows neither photos nor scenes.

They do what upstream's `run` does, with upstream's modules, in the same order and to the same bits; the tests hold
them to it. What differs: noise is drawn object by object, so that neighbours in a batch change nothing, and voxels
are thinned and capped object by object, where upstream's methods take a batch for one object.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from serve.errors import Gen3DError
from serve.reconstruct.sam3d.guidance import economical
from serve.reconstruct.sam3d.upstream import gaussians_on, upstream_module

# An object as the preprocessor hands it over: (1, channels, height, width) each, pointmap_scale and _shift (1, 3).
Prepared = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Sampling:
    """How many steps each stage takes, and whether the first is the distilled one, which needs no guidance."""

    structure_steps: int
    latent_steps: int
    distilled: bool


@dataclass(frozen=True)
class Structure:
    """Where an object is.

    Attributes:
        coords: (voxels, 4) int32: 0, then the voxel's place in a grid of `resolution`³.
        rotation: (1, 4), a quaternion w x y z; upstream's row vectors are multiplied from the left.
        translation: (1, 3), in the pointmap's unit; PyTorch3D's camera frame, x left, y up, z forward.
        scale: (1, 3), three equal numbers: the pointmap's units for one of the object's.
    """

    coords: torch.Tensor
    rotation: torch.Tensor
    translation: torch.Tensor
    scale: torch.Tensor


class Stages:
    """Upstream's modules in their order.

    Args:
        pipeline: See `build_pipeline`.
        device: Where inference runs.
    """

    def __init__(self, pipeline: Any, device: torch.device) -> None:
        self._pipeline, self._device = pipeline, device
        inference = upstream_module("pipeline.inference_pipeline")
        self._prune, self._downsample = inference.prune_sparse_structure, inference.downsample_sparse_structure
        self._sparse = inference.sp.SparseTensor

    def structures(
        self,
        objects: Sequence[Prepared],
        noises: Sequence[torch.Generator],
        sampling: Sampling,
        tick: Callable[[], None],
    ) -> list[Structure | Gen3DError]:
        """Where each object is and which voxels it fills.

        Args:
            objects: As prepared for the first stage.
            noises: What to draw each object's noise from.
            sampling: The steps.
            tick: Called after each step.

        Returns:
            In order; `reconstruction_failed` for an object without a single voxel.
        """
        pipeline, generator = self._pipeline, self._pipeline.models["ss_generator"]
        mapping = generator.reverse_fn.backbone.latent_mapping
        shapes = {
            name: (len(objects), latent.pos_emb.shape[0], latent.input_layer.in_features)
            for name, latent in mapping.items()
        }
        guidance = generator.reverse_fn
        generator.no_shortcut = not sampling.distilled
        guidance.strength = 0 if sampling.distilled else pipeline.ss_cfg_strength
        guidance.strength_pm = 0 if sampling.distilled else pipeline.ss_cfg_strength_pm
        with self._half(pipeline.shape_model_dtype):
            condition = self._condition("ss_condition_embedder", objects)
            with (
                economical(generator, tick),
                _steps(generator, sampling.structure_steps),
                _noise(generator, partial(_draw_each, noises)),
            ):
                found = generator(shapes, self._device, condition)
            latent = found["shape"].permute(0, 2, 1).contiguous().view(len(objects), 8, 16, 16, 16)
            occupied = torch.argwhere(pipeline.models["ss_decoder"](latent) > 0)[:, [0, 2, 3, 4]].int()
        return [
            self._structure(
                occupied[occupied[:, 0] == index],
                {name: values[index : index + 1] for name, values in found.items()},
                prepared,
                noises[index],
            )
            for index, prepared in enumerate(objects)
        ]

    def _structure(
        self, occupied: torch.Tensor, found: dict[str, torch.Tensor], prepared: Prepared, noise: torch.Generator
    ) -> Structure | Gen3DError:
        if not len(occupied):
            message = "The network saw no volume in the mask: look at masks.png, and draw another box if it is wrong."
            return Gen3DError("reconstruction_failed", message)
        occupied = torch.cat([torch.zeros_like(occupied[:, :1]), occupied[:, 1:]], dim=1)
        if self._pipeline.downsample_ss_dist > 0:
            occupied = self._prune(occupied, max_neighbor_axes_dist=self._pipeline.downsample_ss_dist)
        with _default_noise(noise):  # what is beyond the cap is dropped at random
            coords, factor = self._downsample(occupied)
        pose = self._pipeline.pose_decoder(
            found, scene_scale=prepared["pointmap_scale"], scene_shift=prepared["pointmap_shift"]
        )
        return Structure(coords, pose["rotation"], pose["translation"], pose["scale"] * factor)

    def latents(
        self,
        objects: Sequence[Prepared],
        structures: Sequence[Structure],
        noises: Sequence[torch.Generator],
        sampling: Sampling,
        tick: Callable[[], None],
    ) -> list[Any]:
        """The latents of each object's voxels: sparse tensors of 8 channels, in order.

        Args:
            objects: As prepared for the second stage.
            structures: From the first stage.
            noises: The same as there, to be drawn on from.
            sampling: The steps.
            tick: Called after each step.
        """
        pipeline, generator = self._pipeline, self._pipeline.models["slat_generator"]
        counts = [len(structure.coords) for structure in structures]
        coords = torch.cat([structure.coords for structure in structures])
        coords[:, 0] = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(coords)
        generator.no_shortcut = True
        generator.reverse_fn.strength = pipeline.slat_cfg_strength
        with self._half(pipeline.dtype):
            condition = self._condition("slat_condition_embedder", objects)
            with (
                economical(generator, tick),
                _steps(generator, sampling.latent_steps),
                _noise(generator, partial(_draw_stretches, noises, counts)),
            ):
                features = generator((1, len(coords), 8), self._device, condition, coords.cpu().numpy())[0]
        std, mean = pipeline.slat_std.to(self._device), pipeline.slat_mean.to(self._device)
        return [
            self._sparse(coords=structure.coords, feats=stretch) * std + mean
            for structure, stretch in zip(structures, features.split(counts), strict=True)
        ]

    def mesh(self, latents: Any) -> Any:
        """One object's mesh: upstream's `MeshExtractResult`, z up, within [-0.5, 0.5]³."""
        return self._pipeline.models["slat_decoder_mesh"](latents)[0]

    def gaussians(self, latents: Any) -> Any:
        """One object's Gaussian splats: upstream's `Gaussian`, z up, within [-0.5, 0.5]³."""
        with gaussians_on(self._device):
            return self._pipeline.models["slat_decoder_gs"](latents)[0]

    def _condition(self, embedder: str, objects: Sequence[Prepared]) -> torch.Tensor:
        """(objects, tokens, channels)."""
        module = self._pipeline.condition_embedders[embedder]
        tokens = [module(**prepared) for prepared in objects]
        return tokens[0] if len(tokens) == 1 else torch.cat(tokens)

    def _half(self, dtype: torch.dtype) -> Any:
        """Half precision where upstream has it: on a GPU."""
        return torch.autocast(self._device.type, dtype=dtype, enabled=self._device.type == "cuda")


def _draw_each(noises: Sequence[torch.Generator], shape: Sequence[int], x_device: torch.device) -> torch.Tensor:
    """Noise of a batch: each object's is drawn as if it were alone."""
    return torch.cat([torch.randn((1, *shape[1:]), generator=noise, device=x_device) for noise in noises])


def _draw_stretches(
    noises: Sequence[torch.Generator], counts: Sequence[int], shape: Sequence[int], x_device: torch.device
) -> torch.Tensor:
    """Noise of tokens laid end to end: each object's stretch is drawn as if it were alone."""
    drawn = [
        torch.randn((1, count, *shape[2:]), generator=noise, device=x_device)
        for noise, count in zip(noises, counts, strict=True)
    ]
    return torch.cat(drawn, dim=1)


@contextmanager
def _noise(generator: Any, draw: Callable[..., torch.Tensor]) -> Iterator[None]:
    generator._generate_noise_tensor = draw
    try:
        yield
    finally:
        del generator._generate_noise_tensor


@contextmanager
def _steps(generator: Any, steps: int) -> Iterator[None]:
    usual = generator.inference_steps
    generator.inference_steps = steps
    try:
        yield
    finally:
        generator.inference_steps = usual


@contextmanager
def _default_noise(noise: torch.Generator) -> Iterator[None]:
    """Within, torch's default generator goes on from where `noise` is; afterwards `noise` goes on from there."""
    device = noise.device
    default = torch.cuda.default_generators[device.index or 0] if device.type == "cuda" else torch.default_generator
    before = default.get_state()
    default.set_state(noise.get_state())
    try:
        yield
    finally:
        noise.set_state(default.get_state())
        default.set_state(before)
