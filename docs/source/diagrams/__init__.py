"""The diagrams of the documents, by the names of their files in docs/images."""

from collections.abc import Callable, Mapping
from typing import Final

from docs.source.diagrams import deployment, overview, photo, rooms, states
from docs.source.diagrams.picture import Diagram

DIAGRAMS: Final[Mapping[str, Callable[[], Diagram]]] = {
    "aws": overview.diagram,
    "flow": photo.diagram,
    "deployment": deployment.diagram,
    "job-states": states.diagram,
    "rooms": rooms.diagram,
}
