from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from serve.reconstruct.sam3d.attention import attend_by_sequence
from serve.reconstruct.sam3d.upstream import upstream_module

HEADS, CHANNELS = 2, 8


def tokens(count: int, seed: int) -> torch.Tensor:
    return torch.randn(1, count, HEADS, CHANNELS, generator=torch.Generator().manual_seed(seed))


def masked(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, lengths: Sequence[int], of: Sequence[int]) -> Any:
    """Upstream's own: a mask of all against all."""
    original = upstream_module("model.backbone.tdfy_dit.modules.sparse.attention.masked_sdpa").masked_sdpa
    return original(q, k, v, lengths, of)


class LargestTensor(TorchDispatchMode):  # type: ignore[misc]  # torch is Any where types are checked
    """Remembers how many numbers the largest tensor made within holds."""

    numbers: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor)]
        self.numbers = max(self.numbers, *sizes, 0)
        return made


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=8))
def test_each_sequence_sees_itself_alone_as_under_the_mask(pairs: list[tuple[int, int]]) -> None:
    lengths, of = [q for q, _ in pairs], [kv for _, kv in pairs]
    q, k, v = tokens(sum(lengths), 0), tokens(sum(of), 1), tokens(sum(of), 2)
    torch.testing.assert_close(attend_by_sequence(q, k, v, lengths, of), masked(q, k, v, lengths, of))


@pytest.mark.parametrize("windows", [1, 40])
def test_memory_grows_with_the_tokens_and_not_with_their_square(windows: int) -> None:
    def largest(count: int) -> int:
        lengths = [count // windows] * windows
        q = tokens(sum(lengths), 0)
        with LargestTensor() as seen:
            attend_by_sequence(q, q, q, lengths, lengths)
        return int(seen.numbers)

    # A window of 40 here has 20 tokens, then 80; of one alone PyTorch's kernel keeps no matrix.
    assert largest(3200) <= 4 * largest(800)


def test_the_mask_of_upstream_would_grow_with_the_square() -> None:
    """The measure above sees what it is there for."""
    q = tokens(800, 0)
    with LargestTensor() as seen:
        masked(q, q, q, [20] * 40, [20] * 40)
    assert seen.numbers >= 800 * 800


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("lengths", [[700], [5, 512, 64, 1, 300]])
def test_a_gpu_in_half_precision_agrees_with_the_cpu(lengths: list[int]) -> None:
    q, k, v = (tokens(sum(lengths), seed) for seed in range(3))
    expected = attend_by_sequence(q, k, v, lengths, lengths)
    found = attend_by_sequence(q.cuda().half(), k.cuda().half(), v.cuda().half(), lengths, lengths)
    torch.testing.assert_close(found.cpu().float(), expected, atol=4e-3, rtol=1e-2)
