"""Cheaper sampling with the same result: what upstream computes again at every step is computed once.

Knows nothing of photos or voxels.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch


@contextmanager
def economical(generator: Any, tick: Callable[[], None]) -> Iterator[None]:
    """Within, sampling with `generator` costs less and tells of every step.

    - The condition does not change from step to step, so the keys and values that cross-attention makes of it are
      made at the first step and kept.
    - The unguided branch attends to the condition multiplied by zero: thousands of equal tokens. Attention over equal
      keys and values is that one value, whatever their number, so one zero token serves.

    Args:
        generator: Upstream's `ShortCut` or `FlowMatching`, with `add_flag` for the unguided branch.
        tick: Called after each step; what it raises ends the sampling.
    """
    guidance, iterate = generator.reverse_fn, generator.generate_iter
    if guidance.unconditional_handling != "add_flag" or not guidance.backbone.force_zeros_cond:
        raise RuntimeError("upstream changed: the unguided branch no longer attends to zeros")

    def tell_steps(*arguments: Any, **named: Any) -> Iterator[Any]:
        for step in iterate(*arguments, **named):
            tick()
            yield step

    projections = [module.to_kv for module in guidance.backbone.modules() if getattr(module, "_type", None) == "cross"]
    if not projections:
        raise RuntimeError("upstream changed: no cross-attention found")
    unguided, backbone, forward = guidance._make_unconditional_args, guidance.backbone, guidance.backbone.forward
    branch = _Branch()

    def tell_branch(*arguments: Any, **named: Any) -> Any:
        branch.is_unguided = named.get("cfg", False)
        return forward(*arguments, **named)

    generator.generate_iter, guidance._make_unconditional_args = tell_steps, _one_zero_token
    backbone.forward = tell_branch
    for projection in projections:
        projection.forward = _kept(projection.forward, branch)
    try:
        yield
    finally:
        for projection in projections:
            del projection.forward
        del backbone.forward
        guidance._make_unconditional_args = unguided
        del generator.generate_iter


def _one_zero_token(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of the unguided branch, from those of the guided: (condition, …)."""
    condition = args[0]
    return (condition.new_zeros(condition.shape[0], 1, condition.shape[2]), *args[1:]), {**kwargs, "cfg": True}


@dataclass
class _Branch:
    """Which of the two branches is being computed."""

    is_unguided: bool = False


def _kept(project: Callable[[torch.Tensor], torch.Tensor], branch: _Branch) -> Callable[[torch.Tensor], torch.Tensor]:
    """The projection, asked once for each branch."""
    made: dict[bool, torch.Tensor] = {}

    def ask(condition: torch.Tensor) -> torch.Tensor:
        if branch.is_unguided not in made:
            made[branch.is_unguided] = project(condition)
        return made[branch.is_unguided]

    return ask
