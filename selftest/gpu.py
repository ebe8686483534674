"""Says which GPU there is and runs the tiny network on it. Knows nothing of how the network is put together."""

import re
from pathlib import Path
from typing import Any, Final

from selftest.report import CheckFailedError, CheckSkippedError
from selftest.trial import try_sam3d

_CONTROL: Final = Path("/dev/nvidiactl")  # the driver makes it
_DRIVER: Final = Path("/proc/driver/nvidia/version")
_LENGTHS: Final = ((5, 64, 17, 64), (9, 64, 33, 64))  # of queries and of keys in a few sequences
_HEADS, _CHANNELS, _TOLERANCE = 2, 64, 0.01


def check_gpu() -> str:
    """The GPU, its memory, the attention that runs on it, and that the tiny network makes an object there.

    Raises:
        CheckFailedError: The attention's numbers are wrong, or nothing was made.
        Gen3DError: There is a GPU, but it cannot be used.
        CheckSkippedError: There is none.
    """
    import torch

    from serve.reconstruct.sam3d.residence import open_device

    # A driver that is too old shall not look like none.
    if not torch.cuda.is_available() and not _CONTROL.exists():
        raise CheckSkippedError("no GPU here: nothing was run on one")
    device = open_device("cuda")
    capability = ".".join(map(str, torch.cuda.get_device_capability(device)))
    free, total = torch.cuda.mem_get_info(device)
    attention = check_attention(device, torch.float16)
    made = try_sam3d("cuda")
    return (
        f"{torch.cuda.get_device_name(device)}, capability {capability}, driver {driver()},"
        f" {free / 1e9:.1f} of {total / 1e9:.1f} GB free, {attention}; {made}"
    )


def driver(file: Path = _DRIVER) -> str:
    """The driver's version, such as `580.95.05`."""
    try:
        said = file.read_text(encoding="utf-8")
    except OSError:
        return "of a version it does not tell"
    found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", said)
    return found[0] if found else "of a version it does not tell"


def check_attention(device: Any, dtype: Any) -> str:
    """Attention over several sequences at once is what it is over each alone, in float32 on the CPU.

    Args:
        device: A `torch.device`.
        dtype: A `torch.dtype`; on a GPU, half precision has a kernel of its own.

    Returns:
        Which attention it was.

    Raises:
        CheckFailedError: The largest difference is too large.
    """
    import torch

    from serve.reconstruct.sam3d.attention import attend_by_sequence, is_one_call

    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(1, sum(lengths), _HEADS, _CHANNELS, generator=generator)
        for lengths in (_LENGTHS[0], _LENGTHS[1], _LENGTHS[1])
    )
    with torch.inference_mode():
        expected = attend_by_sequence(q, k, v, *_LENGTHS)
        there = [each.to(device, dtype) for each in (q, k, v)]
        found = attend_by_sequence(there[0], there[1], there[2], *_LENGTHS).float().cpu()
    largest = float((found - expected).abs().max())
    if not largest <= _TOLERANCE:  # NaN is not
        raise CheckFailedError(f"attention on {device} is wrong by up to {largest:.3g}: tell the makers of Gen3D")
    return "variable-length flash attention" if is_one_call(there[0]) else "attention by length"
