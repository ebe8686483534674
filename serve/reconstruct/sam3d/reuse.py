"""Remembers what a function made of a tensor, so that the boxes of a photo and the two stages share it.

Knows nothing of what is computed. Tensors are told apart by identity: equal ones from elsewhere are computed anew.
"""

from collections.abc import Callable, Hashable
from typing import Any

import torch


class Reuse:
    """Results by function and tensor, held for as long as the object in work, or the photo, needs them."""

    def __init__(self) -> None:
        self._results: dict[tuple[Hashable, int], tuple[torch.Tensor, Any]] = {}
        self._of_photo: set[int] = set()

    def once(self, function: Callable[[torch.Tensor], Any], key: Hashable) -> Callable[[torch.Tensor], Any]:
        """The function, asked once for each tensor; those under one key answer for one another."""

        def ask(tensor: torch.Tensor) -> Any:
            place = key, id(tensor)
            if place not in self._results:
                result = function(tensor)
                self._results[place] = tensor, result  # holding the tensor, so that its identity stays its own
                if id(tensor) in self._of_photo and isinstance(result, torch.Tensor):
                    self._of_photo.add(id(result))
            return self._results[place][1]

        return ask

    def begin_photo(self, *tensors: torch.Tensor) -> None:
        """Forgets the last photo. What is made of these tensors, and of that in turn, is kept until the next one."""
        self._results.clear()
        self._of_photo = {id(tensor) for tensor in tensors}

    def begin_objects(self) -> None:
        """Forgets what belongs to the objects made so far."""
        self._results = {place: kept for place, kept in self._results.items() if id(kept[0]) in self._of_photo}
