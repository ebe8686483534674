"""Which engines there are and how each is put together. Loading one may take long and needs no HTTP."""

from serve.engine import Engine
from serve.reconstruct.inflate import Inflate
from serve.segment.grabcut import GrabCut
from serve.settings import EngineName


def load_engine(name: EngineName) -> Engine:
    """The engine of that name, ready to work. There is no other to stand in for one that cannot load."""
    match name:
        case "preview":
            return Engine("preview", GrabCut(), Inflate(), preview=True, weights=None)
