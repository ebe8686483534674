"""What must hold of the repository itself."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REQUIREMENTS = sorted(path for room in ("requirements", "container") for path in (ROOT / room).glob("*.txt"))
LOCKS = [*REQUIREMENTS, ROOT / "tests" / "js" / "package-lock.json"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_lock_files_hold_no_addresses(lock: Path) -> None:
    assert "://" not in lock.read_text()


@pytest.mark.parametrize("lock", REQUIREMENTS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_by_hash(lock: Path) -> None:
    pinned = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", lock.read_text(), flags=re.MULTILINE).strip())
    assert pinned
    assert all("==" in requirement and "--hash=sha256:" in requirement for requirement in pinned)


def test_the_default_install_needs_no_torch() -> None:
    assert not re.search(r"^torch", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE)


def test_rooms_import_in_one_direction() -> None:
    """The arrows of CONTRIBUTING.md: nobody below imports anybody above."""
    above = {
        "serve/mesh": ("serve.reconstruct", "serve.segment", "serve.engine", "serve.job", "serve.app", "gen3d"),
        "serve/segment": ("serve.reconstruct", "serve.engine", "serve.job", "serve.app", "gen3d"),
        "serve/reconstruct": ("serve.engine", "serve.job", "serve.app", "gen3d"),
        "serve/engine.py": ("serve.job", "serve.app", "serve.storage", "fastapi", "gen3d"),
        "serve/job.py": ("serve.app", "serve.forms", "serve.replies", "fastapi", "gen3d"),
        "serve": ("gen3d", "selftest", "infra"),
        "model_loader": ("gen3d", "selftest", "infra"),
        "selftest": ("gen3d", "infra", "benchmarks"),
        "lambdas": ("serve", "gen3d", "infra", "model_loader", "selftest"),
        "infra": ("gen3d", "serve.engine", "serve.app", "selftest"),
        "infra/local": ("infra.operator", "infra.deploy", "infra.destroy", "infra.cost"),
        "infra/operator": ("infra.deploy", "infra.destroy"),
        "infra/deploy": ("infra.destroy",),
    }
    for room, forbidden in above.items():
        files = [ROOT / room] if room.endswith(".py") else (ROOT / room).rglob("*.py")
        for file in files:
            imports = re.findall(r"^\s*(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE)
            assert not [name for name in imports if name.startswith(forbidden)], file
    of_serve = re.findall(
        r"^\s*from (serve[\w.]*) import",
        "\n".join(file.read_text() for file in (ROOT / "model_loader").rglob("*.py")),
        re.MULTILINE,
    )
    assert set(of_serve) <= {"serve.errors", "serve.s3"}, "model_loader may be loaded, it loads nothing"
    for leaf in ("contract.py", "errors.py"):
        assert "from serve" not in (ROOT / "serve" / leaf).read_text()


def test_nothing_that_git_ignores_is_committed() -> None:
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    assert listed.stdout == ""
