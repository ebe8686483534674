"""Room on a disk: how much is needed, and which errors say that there is none. Knows not what for."""

import errno
import shutil
from pathlib import Path
from typing import Final

from serve.errors import Gen3DError

# EFBIG: FAT32, a common format of USB disks, holds no file of 4 GiB or more.
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def size_text(count: int) -> str:
    """So many bytes, for people: `13.4 GB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"


def check_room(folder: Path, needed: int, what: str) -> None:
    """Raise where a folder's disk lacks room.

    Args:
        folder: Where to write to, which is there.
        needed: How many bytes.
        what: Needs them; begins the message.

    Raises:
        Gen3DError: `disk_full`.
        OSError: The disk cannot be asked.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Gen3DError(
            "disk_full",
            f"{what} need {size_text(needed)} more in {str(folder)!r}, where {size_text(free)} are free:"
            f" {size_text(needed - free)} too little. Make room, or choose another folder with --to.",
            needed=needed,
            free=free,
        )
