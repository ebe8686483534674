"""Attention among the tokens of many sequences laid end to end, without a mask of all against all.

Takes the place of upstream's `masked_sdpa`. Knows nothing of voxels or windows.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention


def attend_by_sequence(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, q_lengths: Sequence[int], kv_lengths: Sequence[int]
) -> torch.Tensor:
    """Scaled dot-product attention in which the i-th stretch of queries sees the i-th stretch of keys alone.

    One stretch is plain attention. Many are one call of PyTorch's variable-length flash attention on CUDA in half
    precision, and one call a length elsewhere; memory grows with the tokens, not with their square. The GPU's name
    plays no part.

    Args:
        q: (1, sum of q_lengths, heads, channels).
        k: (1, sum of kv_lengths, heads, channels).
        v: (1, sum of kv_lengths, heads, channels of the result).
        q_lengths: How many queries each sequence has.
        kv_lengths: How many keys each sequence has.

    Returns:
        (sum of q_lengths, heads, channels of the result).
    """
    if len(q_lengths) == 1:
        return _attend(q, k, v)[0]
    if is_one_call(q):
        return _attend_on_cuda(q[0], k[0], v[0], q_lengths, kv_lengths)
    return _attend_by_length(q[0], k[0], v[0], q_lengths, kv_lengths)


def is_one_call(q: torch.Tensor) -> bool:
    """Whether many sequences of these queries are one call of variable-length flash attention."""
    return q.is_cuda and q.dtype in (torch.float16, torch.bfloat16)


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Plain attention; (batch, tokens, heads, channels) each."""
    seen: torch.Tensor = scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    return seen.transpose(1, 2)


def _attend_on_cuda(q: Any, k: Any, v: Any, q_lengths: Sequence[int], kv_lengths: Sequence[int]) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    def ends(lengths: Sequence[int]) -> torch.Tensor:
        return torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=q.device)

    longest = max(q_lengths), max(kv_lengths)
    seen: torch.Tensor = varlen_attn(q, k, v, ends(q_lengths), ends(kv_lengths), *longest)
    return seen


def _attend_by_length(q: Any, k: Any, v: Any, q_lengths: Sequence[int], kv_lengths: Sequence[int]) -> torch.Tensor:
    """Sequences of equal lengths are one batch: windows come in hundreds, their lengths in dozens."""
    q_starts, kv_starts = [0, *accumulate(q_lengths)], [0, *accumulate(kv_lengths)]
    alike: dict[tuple[int, int], list[int]] = {}
    for index, lengths in enumerate(zip(q_lengths, kv_lengths, strict=True)):
        alike.setdefault(lengths, []).append(index)
    seen = q.new_empty((*q.shape[:2], v.shape[2]))
    for (q_length, kv_length), members in alike.items():
        rows = _rows(q_starts, members, q_length, q.device)
        columns = _rows(kv_starts, members, kv_length, q.device)
        seen[rows] = _attend(q[rows], k[columns], v[columns])
    return seen


def _rows(starts: Sequence[int], members: Sequence[int], length: int, device: torch.device) -> torch.Tensor:
    """(members, length) token indices."""
    first = torch.tensor([starts[index] for index in members], device=device)
    return first[:, None] + torch.arange(length, device=device)
