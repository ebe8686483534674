"""Draws the diagrams into a folder: `python -m docs.source.diagrams.draw ICONS docs/images`; `make diagrams` does.

The icons are AWS's, as the package `diagrams` brings them. Knows nothing of what is drawn.
"""

import base64
import io
import sys
from pathlib import Path
from typing import Final

from PIL import Image

from docs.source.diagrams import DIAGRAMS
from docs.source.diagrams.icons import ICONS
from docs.source.diagrams.svg import write_svg

_PIXELS: Final = 128  # an icon's side: some two and a half for each that it is shown with


def main(icons: Path, folder: Path) -> None:
    """Draws all of them.

    Args:
        icons: The folder `resources` of the package.
        folder: Where the drawings go.
    """
    for name, make in DIAGRAMS.items():
        diagram, file = make(), folder / f"{name}.svg"
        used = {node.icon: _address(icons / ICONS[node.icon].file) for node in diagram.nodes if node.icon}
        file.write_text(write_svg(diagram, used), encoding="utf-8")
        sys.stdout.write(f"{file}\n")


def _address(file: Path) -> str:
    """The icon in small, as a `data:` address."""
    with Image.open(file) as picture:
        small = picture.convert("RGBA").resize((_PIXELS, _PIXELS), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    small.save(written, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
