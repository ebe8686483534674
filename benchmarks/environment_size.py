"""Size on disk of the Python environment that upstream's requirements make, beside that of the image sam3d's locks.

Knows nothing of what the packages are for. Both environments are resolved by uv where they are not locked, installed
by it from the package index, and their files added up: nothing is taken out, and no bytecode is made.

    python -m benchmarks.environment_size sam-3d-objects/requirements.txt

It takes uv (`make lock` installs it), 20 GB of disk for a while, and minutes.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import publish, table

_ROOT = Path(__file__).parent.parent
_LOCKS = [_ROOT / "container" / name for name in ("sam3d.txt", "sam3d-upstream.txt")]
# It installs nothing of its own, but changes pip's settings for the whole machine.
_HARMFUL = "nvidia-pyindex"


def main() -> None:
    """Measures and prints; see the module."""
    parser = argparse.ArgumentParser(description="Compare the sizes of Python environments.")
    parser.add_argument("requirements", type=Path, help="requirements.txt of Meta's sam-3d-objects")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    arguments = parser.parse_args()
    wishes, left_out = usable(arguments.requirements.read_text(encoding="utf-8").splitlines())
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "lock.txt"
        (Path(folder) / "requirements.in").write_text("\n".join(wishes), encoding="utf-8")
        _uv("pip", "compile", "--python-version", "3.11", "--output-file", str(lock), f"{folder}/requirements.in")
        rows = [
            {"environment": "upstream's requirements", "asked": len(wishes), **_measure([lock], Path(folder))},
            {"environment": "the image's locks", "asked": None, **_measure(_LOCKS, Path(folder))},
        ]
    rows[0]["left_out"] = left_out
    ratio = rows[0]["bytes"] / rows[1]["bytes"]
    how = (
        f"Of upstream's requirements these are left out, so that they count as nothing: {', '.join(left_out)}. Versions"
        " of a special index (+cu121) are taken as the same version of the usual one. Before what the image"
        f" leaves away, upstream's environment is {ratio:.1f} × as large."
    )
    result = {"benchmark": "environment_size", "rows": rows, "how": how}
    lines = [(row["environment"], row["packages"], f"{row['bytes'] / 1e9:.2f} GB") for row in rows]
    publish(result, table(("Environment", "Packages", "On disk"), lines), arguments.json)


def usable(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The requirements that a package index can serve, and those that it cannot: repositories and the harmful one."""
    wishes, left_out = [], []
    for line in filter(None, (line.partition("#")[0].strip() for line in lines)):
        if "@" in line or re.split(r"[=<>~!\[ ]", line)[0].lower() == _HARMFUL:
            left_out.append(line.partition("@")[0].strip())
        else:
            wishes.append(re.sub(r"\+cu\d+$", "", line))
    return wishes, left_out


def _measure(locks: Sequence[Path], folder: Path) -> dict[str, Any]:
    environment = folder / "environment"
    _uv("venv", "--python", sys.executable, str(environment))
    without = folder / "without.txt"
    # An environment takes what it asks for from the lock alone; the harmful one may also be asked for by others.
    text = "\n".join(lock.read_text(encoding="utf-8") for lock in locks)
    without.write_text(re.sub(rf"^{_HARMFUL}==.*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    _uv(
        "pip",
        "install",
        "--python",
        str(environment),
        "--no-deps",
        "--link-mode",
        "copy",
        "--no-cache",
        "-r",
        str(without),
    )
    packages = len(list(environment.glob("lib/python*/site-packages/*.dist-info")))
    size = sum(path.lstat().st_size for path in environment.rglob("*") if not path.is_dir())
    shutil.rmtree(environment)
    return {"packages": packages, "bytes": size}


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    main()
