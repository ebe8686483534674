"""Verifying: every problem of a bundle, with progress."""

from pathlib import Path

from model_loader.manifest import read_manifest
from model_loader.verify import find_problems
from tests.model_loader.small_bundle import Watching


def test_a_whole_bundle_has_no_problems(bundle: Path) -> None:
    watching = Watching()
    manifest = read_manifest(bundle)
    assert find_problems(bundle, manifest, hashes=True, watcher=watching) == []
    assert watching.sizes == watching.done == {file.path: file.bytes for file in manifest.files}
    assert set(watching.outcomes.values()) == {"right"}


def test_every_problem_is_found(bundle: Path) -> None:
    (bundle / "moge/model.pt").unlink()
    (bundle / "sam-3d-objects/pipeline.yaml").write_bytes(b"short")
    content = (bundle / "sam-3d-objects/LICENSE").read_bytes()
    (bundle / "sam-3d-objects/LICENSE").write_bytes(content[::-1])
    problems = find_problems(bundle, read_manifest(bundle), hashes=True)
    assert {problem.path: (problem.kind, problem.detail) for problem in problems} == {
        "moge/model.pt": ("missing", "is missing"),
        "sam-3d-objects/pipeline.yaml": ("damaged", "has 5 bytes instead of 4992"),
        "sam-3d-objects/LICENSE": ("damaged", "its SHA-256 is another"),
    }
