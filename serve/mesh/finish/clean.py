"""A dense mesh as it was decoded → one that can be simplified: whole, oriented, without what nobody sees.

Knows neither the network nor what the mesh shows.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serve.contract import Cleaned
from serve.errors import Gen3DError
from serve.mesh.finish.cleaning.edges import join
from serve.mesh.finish.cleaning.fans import part_edges, part_fans
from serve.mesh.finish.cleaning.hidden import hidden_faces
from serve.mesh.finish.cleaning.holes import close_holes
from serve.mesh.finish.cleaning.pieces import Pieces, look_outward, pieces
from serve.mesh.finish.cleaning.slivers import mend_slivers
from serve.mesh.finish.cleaning.surface import Surface, bounds, compact, without
from serve.mesh.finish.cleaning.weld import weld
from serve.mesh.meshes import DenseMesh


@dataclass(frozen=True)
class CleanSettings:
    """What counts as a floater and what as a hole.

    Attributes:
        floater_area: Pieces below this share of the total area are floaters, if they are also open or below the share
            of the volume. A ball of a thousandth of a larger one's area has a thirtieth of its width.
        floater_volume: The share of the total volume. Open pieces have none and are judged by their area alone.
        hole_perimeter: Borders up to this share of the bounding box's diagonal are holes and get closed.
    """

    floater_area: float = 1e-3
    floater_volume: float = 1e-3
    hole_perimeter: float = 0.05


_SETTINGS: Final = CleanSettings()


def clean(mesh: DenseMesh, settings: CleanSettings = _SETTINGS) -> tuple[DenseMesh, Cleaned]:
    """Mends a mesh, and says what was done. The same mesh gives the same bytes; a faultless one comes back as it was.

    Afterwards all coordinates are finite, every vertex has a face, no face is without area for float32's resolution at
    the largest coordinate, and no two have the same corners. An edge has one face or two, which run through it in
    opposite directions; a vertex has one fan of faces. Closed pieces look outward, but for cavities. Vertices at the
    same place are one, save where these rules part them. What was closed stays closed, unless faces coincide.

    Args:
        mesh: What was decoded.
        settings: What counts as a floater and what as a hole.

    Raises:
        Gen3DError: `reconstruction_failed`, if nothing is left.
    """
    # One layout, so that kernels are compiled once.
    positions = np.require(mesh.positions, np.float32, ["C", "W"])
    colours = np.require(mesh.colours, np.uint8, ["C", "W"])
    welded = weld(positions, np.require(mesh.faces, np.int32, ["C", "W"]))
    if not len(welded.faces):
        raise _nothing_left()
    joined = join(positions, welded.faces)
    surface = part_fans(Surface(positions, colours, joined.faces, joined.twins))
    surface = part_edges(surface, joined.cut)
    parted = len(surface.positions) - len(positions)

    found = pieces(surface)
    floating = _floaters(found, settings)
    floater_faces = hidden = holes = 0
    if floating.any():
        gone = floating[found.of_face]
        floater_faces = int(np.count_nonzero(gone))
        surface = without(surface, gone)
        found = pieces(surface)

    low, high = bounds(surface.positions, surface.faces)
    longest_hole = settings.hole_perimeter * float(np.linalg.norm(high - low))
    unseen = hidden_faces(surface, found, low, high, longest_hole)
    if unseen.any():
        hidden = int(np.count_nonzero(unseen))
        surface = part_fans(without(surface, unseen))
        found = pieces(surface)
    if not found.closed.all():
        surface, holes = close_holes(surface, found.area[found.of_face], longest_hole)
        found = pieces(surface) if holes else found
    surface, inward = look_outward(surface, found)
    surface, slivers = mend_slivers(surface, welded.least)
    if not len(surface.faces):
        raise _nothing_left()
    surface = compact(surface)
    report = Cleaned(
        faces=len(mesh.faces),
        vertices_not_finite=welded.vertices_not_finite,
        vertices_welded=welded.vertices_welded,
        vertices_parted=parted,
        faces_not_finite=welded.faces_not_finite,
        faces_degenerate=welded.faces_repeating + slivers,
        faces_duplicate=joined.faces_duplicate,
        faces_turned=joined.faces_turned + inward,
        edges_cut=joined.edges_cut,
        floaters=int(np.count_nonzero(floating)),
        floater_faces=floater_faces,
        hidden_faces=hidden,
        holes_closed=holes,
    )
    return DenseMesh(surface.positions, surface.faces, surface.colours), report


def _floaters(found: Pieces, settings: CleanSettings) -> NDArray[np.bool_]:
    """(P,) which pieces are small in area and, if they are closed, in volume too; never the largest."""
    volume = np.where(found.closed, np.abs(found.volume), 0)
    floating = (found.area < settings.floater_area * found.area.sum()) & (
        ~found.closed | (volume < settings.floater_volume * volume.sum())
    )
    floating[np.argmax(found.area)] = False
    return np.asarray(floating)


def _nothing_left() -> Gen3DError:
    return Gen3DError(
        "reconstruction_failed",
        "The mesh that was made of this object has no surface: try a box that shows the object whole, or another seed.",
    )
