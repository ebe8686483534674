"""Whether the command has a checkout's rooms, which the image has not. Knows none of them."""

import importlib.util

from serve.errors import Gen3DError


def need_checkout(message: str) -> None:
    """Raises where they are not installed.

    Args:
        message: What they are wanted for, and what to do.

    Raises:
        Gen3DError: `checkout_missing`.
    """
    if importlib.util.find_spec("infra") is None:
        raise Gen3DError("checkout_missing", message)
