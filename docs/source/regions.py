"""What `make docs` can write, by name. A document has it between two comments with this name."""

from collections.abc import Callable
from typing import Final

from docs.source import plan, resources, service, stacks

REGIONS: Final[dict[str, Callable[[], str]]] = {
    **resources.REGIONS,
    **stacks.REGIONS,
    **service.REGIONS,
    **plan.REGIONS,
}
