"""The commands of docs/stage.md run as printed, on a stage local."""

from pathlib import Path

from infra.local.stage import Stage
from tests.conftest import ROOT
from tests.docs.documents import Document, run_blocks


def test_its_commands_run(stage: Stage, checkout: Path, reader: dict[str, str]) -> None:
    printed = run_blocks(Document(ROOT / "docs" / "stage.md"), checkout, reader, timeout=100)
    submit, status, logs, mails, added, cost = printed.values()
    assert "out/cup/object-0.glb" in submit
    assert (checkout / "out" / "cup" / "object-0.glb").stat().st_size > 10_000
    assert "endpoint" in status.lower()
    assert "job submitted" in logs
    assert "[Gen3D] succeeded" in mails
    assert "grace@example.com" in added
    assert "Jobs a day" in cost
