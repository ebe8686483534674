"""Every object of `make demo`, whose photographs and boxes stand in the Makefile."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen3d.__main__ import main
from serve.contract import Manifest

MAKEFILE = (Path(__file__).parent.parent / "Makefile").read_text().replace("\\\n", " ")
RUNS = re.findall(r"gen3d (reconstruct \$\(PHOTOS\)/.*)", MAKEFILE)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: Path(shlex.split(run)[1]).stem)
def test_each_object_passes_its_self_check_and_the_validator(
    run: str, photos: Path, tmp_path: Path, validate_glb: Callable[..., list[dict[str, Any]]]
) -> None:
    arguments = shlex.split(run.replace("$(PHOTOS)", str(photos)).replace("$(DEMO)", str(tmp_path)))
    assert main(arguments) == 0
    folder = Path(arguments[arguments.index("-o") + 1])
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
    assert manifest.status == "succeeded"
    for result in manifest.objects:
        assert result.silhouette_iou is not None
        assert result.silhouette_iou >= 0.97, result.label
        assert result.mesh is not None
        assert result.mesh.closed
        assert result.mesh.triangles == pytest.approx(20_000, rel=0.15)
    validate_glb(*sorted(folder.glob("*.glb")))


def test_the_demo_shows_four_photographs_and_several_boxes_in_at_least_one() -> None:
    assert len(RUNS) == 4
    assert max(run.count("--box") for run in RUNS) > 1
