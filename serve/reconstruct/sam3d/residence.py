"""Which networks are on the GPU when, and what its errors mean. Knows not what the networks do."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch

from serve.errors import EngineBrokenError, Gen3DError

Vram = Literal["auto", "resident", "staged"]
_LEAST_CAPABILITY = (8, 0)  # of flash attention
_LOST, _SHORT = ("cuda error", "cuda execution failed", "cuda failed with error"), "out of memory"
_ENOUGH_FOR_ALL = 32e9  # bytes; the networks take 13 in float32, and the stages' working memory comes on top


class Residence:
    """Moves the networks of each stage to the device when the stage begins.

    Resident, they stay there. Staged, they leave when another stage begins: their tensors on the CPU, memory-mapped
    where a file holds them so, are kept, so that leaving costs nothing.

    Args:
        device: Where inference runs; on the CPU there is nothing to move.
        stages: The modules of each stage; one may be in several.
        vram: `auto` is staged where the GPU has less than 32 GB, or what is free of it does not suffice.

    Raises:
        torch.OutOfMemoryError: Everything was to be resident, and does not fit.
    """

    def __init__(self, device: torch.device, stages: Mapping[str, Sequence[Any]], vram: Vram) -> None:
        self._device, self._stages = device, stages
        self._moves = device.type != "cpu"
        self.staged = self._moves and (vram == "staged" or (vram == "auto" and _is_small(device)))
        modules = {id(module): module for members in stages.values() for module in members}
        self._at_home = {key: list(_tensors(module)) for key, module in modules.items()}
        self._present: set[int] = set()
        if self._moves and not self.staged:
            self._settle(vram)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Within, the networks of the stage are on the device."""
        if self._moves:
            wanted = {id(module) for module in self._stages[name]}
            if self.staged:
                self._send_home(keep=wanted)
            for key in wanted:
                self._bring(key)
        yield

    def economise(self) -> bool:
        """After an out-of-memory error: from now on staged. False where it was so already."""
        if self.staged or not self._moves:
            return False
        self.staged = True
        self._send_home(keep=set())
        return True

    def _settle(self, vram: Vram) -> None:
        """Brings everything; where that is left to us and others share the GPU, it is staged instead."""
        try:
            for key in self._at_home:
                self._bring(key)
        except torch.OutOfMemoryError:
            if vram != "auto":
                raise
            self.economise()

    def _bring(self, key: int) -> None:
        if key in self._present:
            return
        self._present.add(key)  # before it begins: what has come halfway must go home too
        try:
            with torch.inference_mode(False):
                for holder, at_home in self._at_home[key]:
                    holder.set(_moved(at_home, self._device))
        except BaseException:
            self._send_home(keep=self._present - {key})
            raise

    def _send_home(self, keep: set[int]) -> None:
        leaving = self._present - keep
        if not leaving:
            return
        with torch.inference_mode(False):
            for key in leaving:
                for holder, at_home in self._at_home[key]:
                    holder.set(at_home)
        self._present &= keep
        torch.cuda.empty_cache()


def _moved(at_home: Any, device: torch.device) -> Any:
    if not isinstance(at_home, torch.Tensor):
        return device
    moved = at_home.detach().to(device)
    return torch.nn.Parameter(moved, requires_grad=False) if isinstance(at_home, torch.nn.Parameter) else moved


class _Held:
    """The place of a parameter or buffer of a module, or of a plain attribute, which `Module.to` would miss."""

    def __init__(self, owner: dict[str, Any], name: str) -> None:
        self._owner, self._name = owner, name

    def set(self, value: Any) -> None:
        self._owner[self._name] = value


def _tensors(root: Any) -> Iterator[tuple[_Held, Any]]:
    """Every tensor that a module holds, however deep, and every note of the device that it is on."""
    seen: set[int] = set()

    def walk(item: Any) -> Iterator[tuple[_Held, Any]]:
        if id(item) in seen or not (hasattr(item, "__dict__") or isinstance(item, dict)):
            return
        seen.add(id(item))
        owner: dict[str, Any] = item if isinstance(item, dict) else vars(item)
        for name, value in list(owner.items()):
            if isinstance(value, torch.Tensor):
                if id(value) not in seen:
                    seen.add(id(value))
                    yield _Held(owner, name), value
            elif name == "device":  # where the mesh extractor makes its tables
                yield _Held(owner, name), value
            elif isinstance(value, dict) or _is_upstream(value):
                yield from walk(value)

    yield from walk(root)


def _is_upstream(value: object) -> bool:
    return isinstance(value, torch.nn.Module) or type(value).__module__.startswith("sam3d_objects.")


def _is_small(device: torch.device) -> bool:
    return bool(torch.cuda.get_device_properties(device).total_memory < _ENOUGH_FOR_ALL)


def open_device(name: Literal["cuda", "cpu"]) -> torch.device:
    """The device to run on, found to be there.

    Raises:
        Gen3DError: `no_gpu`, with what PyTorch says of the driver.
    """
    if name == "cpu":
        # spconv's CPU path races with more threads than one: the number of vertices then varies. It brings an OpenMP of
        # its own, which reads this when it is loaded, and that is not yet.
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)
        return torch.device("cpu")
    if torch.version.cuda is None:
        raise Gen3DError(
            "no_gpu",
            "This PyTorch was built without CUDA: install one for CUDA, or set GEN3D_DEVICE=cpu to run on the CPU, very"
            " slowly.",
        )
    try:
        torch.cuda.init()
        device = torch.device("cuda", torch.cuda.current_device())
        capability = torch.cuda.get_device_capability(device)
        torch.zeros(1, device=device)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        advice = "start the container with --gpus all, on a machine whose NVIDIA driver is recent enough"
        message = f"No usable GPU ({reason}); {advice}, or set GEN3D_DEVICE=cpu to run on the CPU, very slowly."
        raise Gen3DError("no_gpu", message) from None
    if capability < _LEAST_CAPABILITY:
        name = torch.cuda.get_device_name(device)
        needed, found = (".".join(map(str, version)) for version in (_LEAST_CAPABILITY, capability))
        raise Gen3DError("no_gpu", f"{name} has compute capability {found}; the engine sam3d needs {needed} or newer.")
    return device


def diagnose(error: Exception) -> Gen3DError | None:
    """What an error of the GPU means: after most, its context answers nothing any more. None where it is another's.

    PyTorch says "CUDA error", spconv "cuda execution failed with error" or "cuda failed with error".
    """
    said = str(error).lower()
    if isinstance(error, torch.OutOfMemoryError) or ("cuda" in said and ("alloc_failed" in said or _SHORT in said)):
        return Gen3DError("out_of_memory", "The GPU's memory does not suffice for this photo, or an object in it.")
    is_lost = type(error).__name__ == "AcceleratorError" or any(sign in said for sign in _LOST)
    return EngineBrokenError(f"The GPU failed: {str(error).partition(chr(10))[0]}") if is_lost else None
