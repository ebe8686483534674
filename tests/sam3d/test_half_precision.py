"""The road in half precision, as on a GPU, walked on the CPU: which tensors are halves where, and that all fit."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from model_loader.locate import Bundle
from serve.reconstruct.sam3d import attention, build, stages
from serve.reconstruct.sam3d.reconstructor import Sam3d
from serve.reconstruct.sam3d.upstream import upstream_module
from tests.sam3d.objects import BOXES, CPU, FULL, SEED, codes, ellipse, ignored, noise

SPARSE = "model.backbone.tdfy_dit.modules.sparse.attention"


class Attended:
    """Stands before the attention of the sparse stages, and looks at what comes."""

    def __init__(self) -> None:
        self.dtypes: set[torch.dtype] = set()
        self.strides: set[int] = set()
        self.most_sequences = 0

    def __call__(self, q: Any, k: Any, v: Any, lengths: Sequence[int], of: Sequence[int]) -> torch.Tensor:
        self.dtypes |= {q.dtype, k.dtype, v.dtype}
        self.strides |= {q.stride(-1), k.stride(-1), v.stride(-1)}
        self.most_sequences = max(self.most_sequences, len(lengths))
        with torch.autocast("cpu", enabled=False):  # the CPU's own attention has no such halves
            return attention.attend_by_sequence(q.float(), k.float(), v.float(), lengths, of).to(q.dtype)


@pytest.fixture
def attended(monkeypatch: pytest.MonkeyPatch) -> Attended:
    seen = Attended()
    for name in ("full_attn", "windowed_attn"):
        monkeypatch.setattr(upstream_module(f"{SPARSE}.{name}"), "masked_sdpa", seen)
    return seen


@pytest.fixture
def halved(repacked: Bundle, monkeypatch: pytest.MonkeyPatch, attended: Attended) -> Sam3d:
    """The network with upstream's own halves and autocast; spconv's convolutions, which the CPU has in float32 alone,
    are given floats once it is seen that they would have been given halves.
    """
    loader = build._loader
    monkeypatch.setattr(build, "_loader", lambda checkpoints, halved: loader(checkpoints, halved=True))
    monkeypatch.setattr(stages.Stages, "_half", lambda self, dtype: torch.autocast("cpu", dtype=dtype))
    convolution = __import__("spconv.pytorch.conv", fromlist=["conv"]).SparseConvolution
    convolve = convolution.forward

    def in_floats(self: Any, x: Any) -> Any:
        assert x.features.dtype == self.weight.dtype, "spconv takes no mixture"
        own = dict(self._parameters)
        floats = {name: None if each is None else torch.nn.Parameter(each.float(), False) for name, each in own.items()}
        self._parameters.update(floats)
        try:
            with torch.autocast("cpu", enabled=False):
                made = convolve(self, x.replace_feature(x.features.float()))
        finally:
            self._parameters.update(own)
        return made.replace_feature(made.features.to(x.features.dtype))

    monkeypatch.setattr(convolution, "forward", in_floats)
    return Sam3d(repacked, CPU, vram="auto", objects_at_once=2, longest_side=3072)


@pytest.mark.parametrize("count", [1, 2])
def test_all_dtypes_fit_and_attention_sees_halves(halved: Sam3d, attended: Attended, count: int) -> None:
    work = halved.on(noise(), BOXES[:count], FULL, SEED)
    made = list(work.make([ellipse(box) for box in BOXES[:count]], ignored))
    assert codes(made) == ["made"] * count
    assert attended.dtypes == {torch.float16}, "what flash attention takes"
    assert attended.strides == {1}, "likewise"
    assert attended.most_sequences > 1, "windows were among them"
