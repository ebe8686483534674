"""A heap of numbered items, the cheapest first, in arrays that the caller holds. Knows not what the items are."""

import numpy as np
from numpy.typing import NDArray

from serve.mesh.finish.kernels import kernel

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


@kernel
def push(costs: Floats, items: Indices, size: int, cost: float, item: int) -> int:
    """Puts an item on the heap; of equal costs the lowest number comes first. Returns the heap's new size.

    Args:
        costs: (room,) of which `size` are in use, the lowest at 0; room for one more.
        items: (room,) the items to these costs.
        size: Items on the heap.
        cost: Of the new item, no NaN.
        item: Its number.
    """
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if costs[above] < cost or (costs[above] == cost and items[above] <= item):
            break
        costs[at], items[at] = costs[above], items[above]
        at = above
    costs[at], items[at] = cost, item
    return size + 1


@kernel
def pop(costs: Floats, items: Indices, size: int) -> int:
    """Takes the first item off, which the caller has read at 0. Returns the heap's new size."""
    size -= 1
    cost, item = costs[size], items[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        right = below + 1
        if right < size and (
            costs[right] < costs[below] or (costs[right] == costs[below] and items[right] < items[below])
        ):
            below = right
        if cost < costs[below] or (cost == costs[below] and item <= items[below]):
            break
        costs[at], items[at] = costs[below], items[below]
        at = below
    costs[at], items[at] = cost, item
    return size
