"""What every benchmark needs: a photo with boxes, the machine's description, tables. Knows no engine and no server."""

import argparse
import io
import json
import os
import platform
import subprocess
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from serve.contract import Box

# Around things in scikit-image's photograph of a coffee cup, in shares of its width and height: the cup's mouth,
# the bowl of the spoon, the coffee, the handle.
_THINGS = (
    (0.270, 0.025, 0.695, 0.470),
    (0.530, 0.560, 0.695, 0.830),
    (0.330, 0.220, 0.625, 0.495),
    (0.295, 0.530, 0.465, 0.790),
)
_SHIFT, _GROWTH = 0.02, 0.1  # at most, of the photo's sides and of the box's
_NOISE = 4.0  # standard deviation in grey levels: a phone's photo indoors
_JPEG_QUALITY = 92


def read_arguments(description: str) -> argparse.Namespace:
    """The options that every benchmark takes: `quick` and `json`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a few seconds' worth, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    return parser.parse_args()


def photo_size(megapixels: float) -> tuple[int, int]:
    """Width and height of the photo at about so many million pixels."""
    height, width = _coffee().shape[:2]
    scale = (megapixels * 1e6 / (width * height)) ** 0.5
    return round(width * scale), round(height * scale)


def photo_jpeg(megapixels: float) -> bytes:
    """A JPEG of scikit-image's coffee photograph, enlarged, with noise so that it is as hard to pack as a real one."""
    width, height = photo_size(megapixels)
    picture = cv2.resize(_coffee(), (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    noise = np.random.default_rng(0).standard_normal((height, width, 1), dtype=np.float32) * _NOISE
    file = io.BytesIO()
    Image.fromarray(np.clip(picture + noise + 0.5, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _coffee() -> NDArray[np.uint8]:
    return np.asarray(data.coffee(), dtype=np.uint8)


def photo_boxes(count: int, megapixels: float) -> list[Box]:
    """Boxes around things in that photo; beyond the number of things they come again, shifted and resized a little."""
    size = np.array(photo_size(megapixels))
    draw = np.random.default_rng(0)
    boxes = []
    for number in range(count):
        corners = np.array(_THINGS[number % len(_THINGS)]).reshape(2, 2)
        middle = corners.mean(axis=0) + draw.uniform(-_SHIFT, _SHIFT, 2)
        sides = (corners[1] - corners[0]) * (1 + draw.uniform(-_GROWTH, _GROWTH, 2))
        around = np.clip(np.concatenate([middle - sides / 2, middle + sides / 2]), 0, 1)
        boxes.append(Box.model_validate((around * np.tile(size, 2)).round(1).tolist()))
    return boxes


def machine() -> dict[str, Any]:
    """What the numbers were taken on, and when."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _cpu() -> str:
    match platform.system():
        case "Linux":
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
            return next(names, platform.machine())  # arm64 gives no name
        case "Darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        case _:
            return platform.processor()


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, its columns but the first to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def publish(result: dict[str, Any], tables: str, file: Path | None) -> None:
    """Prints the tables with the machine above and `result["how"]` below; writes the result as JSON."""
    here = machine()
    print(
        f"{here['cpu']}, {here['cores']} cores, {here['system']}, Python {here['python']},"
        f" OpenCV {here['opencv']}, NumPy {here['numpy']}, {here['date']}\n\n{tables}\n\n"
        + textwrap.fill(result["how"], 120)
    )
    if file is not None:
        file.write_text(json.dumps({**result, "machine": here}, indent=2, allow_nan=False) + "\n", encoding="utf-8")
