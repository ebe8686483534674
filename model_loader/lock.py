"""Keeps two commands from writing into one folder. Knows not what they write."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serve.errors import Gen3DError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within, no other command writes into the folder, which is there.

    Raises:
        Gen3DError: `weights_not_writable`, where another does.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Gen3DError(
                "weights_not_writable", f"Another gen3d is writing weights into {str(folder)!r}: let it finish."
            ) from None
        except OSError as error:  # some network file systems have no locks
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
                raise
        yield
    finally:
        os.close(descriptor)
