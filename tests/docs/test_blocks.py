"""Blocks are of few kinds, and every block of commands is run by something or says why it is not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import ROOT
from tests.docs.documents import DOCUMENTS, MARKS, Document

FOUR: Final = ("Architecture", "Implementation Plan", "AWS Resources", "User Guide")
TESTS: Final = Path(__file__).parent


def faults(document: Document, tests: Path = TESTS) -> Iterator[str]:
    """What is wrong with a document's blocks and their marks."""
    languages = {"sh", "json", "text"} | ({"python"} if document.name == "CONTRIBUTING.md" else set())
    after = dict(zip(document.blocks[1:], document.blocks, strict=False))
    for block in document.blocks:
        where = f"{document.name}, the block on line {block.line}"
        if block.language not in languages:
            yield f"{where}: is in {block.language or 'no language'}"
        if block.language == "python" and not is_python(block.text):
            yield f"{where}: is no Python"
        if block.language == "json" and not (block in after and after[block].is_run):
            yield f"{where}: JSON below nothing that is run"
        if block.language != "sh" and block.mark:
            yield f"{where}: has a mark, and is no block of commands"
    marked = {block.line - 1 for block in document.blocks if block.mark}
    for number, line in enumerate(document.lines, 1):
        if re.match(r"\s*(?:> Needs|> Run by|<!-- Run by)\b", line) and number not in marked:
            yield f"{document.name}, line {number}: a mark of no block, or not one of those that there are"
    if any(block.is_run for block in document.blocks) and not is_run(document, tests):
        yield f"{document.name}: no test in {tests.name}/ runs its commands"


def is_python(text: str) -> bool:
    try:
        compile(text, "<block>", "exec")
    except SyntaxError:
        return False
    return True


def is_run(document: Document, tests: Path) -> bool:
    texts = (path.read_text() for path in tests.glob("test_*.py") if path.name != Path(__file__).name)
    return any("run_blocks(" in text and f'"{document.name}"' in text for text in texts)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_its_blocks_are_as_they_should_be(path: Path) -> None:
    assert list(faults(Document(path))) == []


def test_the_four_documents_are_there() -> None:
    assert {f"Gen3D - {name} - 1.0.md" for name in FOUR} == {path.name for path in DOCUMENTS if " - " in path.name}


def test_what_a_mark_says_runs_a_block_can_run_it() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"make ([\w-]+) runs", "".join(MARKS))
    assert targets
    assert all(f"\n{target}:" in makefile for target in targets)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```sh\ntrue\n```\n\n```json\n{}\n```\n", None),
        (f"{MARKS[0]}\n```sh\ntrue\n```\n", None),
        ("<!-- Run by tests/conftest.py. -->\n```sh\ntrue\n```\n", None),
        ("```bash\ntrue\n```\n", "the block on line 1: is in bash"),
        ("```\ntrue\n```\n", "the block on line 1: is in no language"),
        ("```json\n{}\n```\n", "the block on line 1: JSON below nothing that is run"),
        (f"{MARKS[0]}\n```text\n…\n```\n", "the block on line 2: has a mark, and is no block of commands"),
        (f"{MARKS[0]}\n\nSo:\n", "line 1: a mark of no block, or not one of those that there are"),
        ("> Needs luck.\n```sh\n```\n", "line 1: a mark of no block, or not one of those that there are"),
        ("> Run by tests/no.py.\n```sh\n```\n", "line 1: a mark of no block, or not one of those that there are"),
    ],
)
def test_others_are_complained_of(tmp_path: Path, text: str, fault: str | None) -> None:
    (tmp_path / "page.md").write_text(text)
    (tmp_path / "test_page.py").write_text('run_blocks(Document("page.md"))')
    assert list(faults(Document(tmp_path / "page.md"), tmp_path)) == ([f"page.md, {fault}"] if fault else [])


def test_so_is_a_document_whose_commands_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / "lonely.md").write_text("```sh\ntrue\n```\n")
    assert list(faults(Document(tmp_path / "lonely.md"))) == ["lonely.md: no test in docs/ runs its commands"]


def test_python_is_for_those_who_work_on_it_and_compiles(tmp_path: Path) -> None:
    for name, text in (("page.md", "x = 1"), ("CONTRIBUTING.md", "x = 1"), ("CONTRIBUTING.md", "x =")):
        (tmp_path / name).write_text(f"```python\n{text}\n```\n")
        fault = {"x =": "is no Python"}.get(text, "is in python" if name == "page.md" else None)
        expected = [f"{name}, the block on line 1: {fault}"] if fault else []
        assert list(faults(Document(tmp_path / name), tmp_path)) == expected
