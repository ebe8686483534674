"""Writes the photographs that ship inside scikit-image as files, for the demo and the examples of the README."""

import sys
from pathlib import Path

from PIL import Image
from skimage import data

PHOTOS = {"astronaut": data.astronaut, "chelsea": data.chelsea, "coffee": data.coffee, "rocket": data.rocket}


def write_photos(folder: Path) -> None:
    """Writes each photograph as `NAME.jpg` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, read in PHOTOS.items():
        Image.fromarray(read()).save(folder / f"{name}.jpg", quality=95, subsampling=0)


if __name__ == "__main__":
    write_photos(Path(sys.argv[1]))
