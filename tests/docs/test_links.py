"""Links lead somewhere: to files, and to headings."""

from pathlib import Path

import pytest

from tests.docs.documents import DOCUMENTS, Document
from tests.docs.links import broken_links


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    assert list(broken_links(Document(path))) == []


@pytest.mark.parametrize("link", ["b%20c.md", "#a-page", "b%20c.md#there", "https://example.com/x", "mailto:a@b.c"])
def test_good_ones_are_not_complained_of(tmp_path: Path, link: str) -> None:
    (tmp_path / "b c.md").write_text("# There\n")
    (tmp_path / "a.md").write_text(f"# A page\n\n[there]({link})\n")
    assert list(broken_links(Document(tmp_path / "a.md"))) == []


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("gone.md", "there is no such file"),
        ("b.md#here", "b.md has no such heading"),
        ("#here", "a.md has no such heading"),
        ("/b.md", "not relative"),
        ("out/b.md", "it is not in the repository"),
    ],
)
def test_bad_ones_are(tmp_path: Path, link: str, why: str) -> None:
    (tmp_path / "out").mkdir()
    for name in ("b.md", "out/b.md"):
        (tmp_path / name).write_text("# There\n")
    (tmp_path / "a.md").write_text(f"# A page\n\nSee\n![it]({link}).\n")
    assert list(broken_links(Document(tmp_path / "a.md"))) == [f"a.md, line 3: {link}: {why}"]
