"""What is generated in the documents is what the generators write."""

from pathlib import Path

import pytest

from docs.source.generate import RegionError, generated, main
from docs.source.regions import REGIONS
from tests.docs.documents import DOCUMENTS, Document


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if "<!-- " in path.read_text()], ids=lambda path: path.name
)
def test_nothing_generated_is_stale(path: Path) -> None:
    assert generated(path.read_text(), REGIONS) == path.read_text(), "make docs"


def test_every_region_is_in_a_document() -> None:
    used = {region.name for path in DOCUMENTS for region in Document(path).regions}
    assert used == set(REGIONS)


PAGE = "# A page\n\n<!-- generated: table (make docs) -->\nold\n<!-- end: table -->\n"


def test_what_is_stale_is_written_anew_and_then_stays() -> None:
    written = generated(PAGE, {"table": lambda: "| a |\n"})
    assert written == "# A page\n\n<!-- generated: table (make docs) -->\n\n| a |\n\n<!-- end: table -->\n"
    assert generated(written, {"table": lambda: "| a |\n"}) == written


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (PAGE.replace("end: table", "end: tabel"), "the region table is closed by tabel"),
        (PAGE.replace("table", "chart"), "there is no region chart; there are table"),
        (PAGE.replace("<!-- end: table -->", ""), "a comment that says 'generated' stands alone"),
        (PAGE + "<!-- end: table -->\n", "a comment that says 'end' stands alone"),
        (PAGE.replace(" (make docs)", ""), "a comment that says 'generated' stands alone"),
    ],
)
def test_a_region_that_nobody_can_write_is_named(page: str, why: str) -> None:
    with pytest.raises(RegionError, match=f"^{why}"):
        generated(page, {"table": lambda: ""})


def test_the_command_says_what_it_has_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "page.md"
    path.write_text(PAGE.replace("table", "queues"))
    assert main([str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: written anew\n"
    assert "| `Gen3D-STAGE-JobFinished` | queue |" in path.read_text()
    assert main([str(path)]) == 0
    assert capsys.readouterr().out == ""
    path.write_text(PAGE)
    assert main([str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"{path}: there is no region table; ")
