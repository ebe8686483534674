"""Asks the server of this container whether it is ready, for Docker's HEALTHCHECK: `python -m serve.health`.

Knows where the server listens from the settings alone.
"""

import sys
from http.client import HTTPConnection, HTTPException

from serve.settings import Settings, read_settings

_SECONDS = 5  # to wait for an answer


def is_ready(settings: Settings) -> bool:
    """Whether `/ping` says 200."""
    server = HTTPConnection(settings.host, settings.port, timeout=_SECONDS)
    try:
        server.request("GET", "/ping")
        return server.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(not is_ready(read_settings()))
