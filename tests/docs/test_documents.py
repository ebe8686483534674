"""Reading documents, and running their commands, tried with small documents."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.documents import MARKS, BlockError, Document, differing, run_blocks

Write = Callable[[str], Document]
ENVIRONMENT = {"PATH": os.environ["PATH"], "NAME": "Ada"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_it(text: str) -> Document:
        path = tmp_path / "page.md"
        path.write_text(text)
        return Document(path)

    return write_it


def test_blocks_have_their_language_their_line_and_the_mark_above_them(write: Write) -> None:
    document = write(
        f"# A page\n\n```sh\ntrue\n```\n\n{MARKS[1]}\n```sh\nfalse\n```\n\n> Needs luck.\n```text\nso\n```\n"
    )
    assert [(block.language, block.text, block.line, block.mark) for block in document.blocks] == [
        ("sh", "true\n", 3, None),
        ("sh", "false\n", 8, MARKS[1]),
        ("text", "so\n", 13, None),
    ]
    assert [block.is_run for block in document.blocks] == [True, False, False]


def test_codes_and_links_are_found_in_tables_and_lists_too(write: Write) -> None:
    document = write("[a](b.md) `one`\n\n| x |\n|---|\n| `two` ![c](d.png) |\n\n- `three`\n\n```sh\n`four`\n```\n")
    assert [(code.text, code.line) for code in document.codes] == [("one", 1), ("two", 5), ("three", 7)]
    assert [(link.text, link.line) for link in document.links] == [("b.md", 1), ("d.png", 5)]


def test_anchors_are_those_of_github(write: Write) -> None:
    document = write("# Error `box_small`, and why\n\n## Costs / month\n\n## The [page](x.md)\n\n## Costs / month\n")
    assert document.anchors == {"error-box_small-and-why", "costs--month", "the-page", "costs--month-1"}


def test_regions_are_found_with_both_their_names(write: Write) -> None:
    (region,) = write("<!-- generated: table (make docs) -->\n| a |\n\n<!-- end: tabel -->\n").regions
    assert (region.name, region.end, region.text) == ("table", "tabel", "| a |\n")


def test_all_blocks_run_in_one_shell(write: Write, tmp_path: Path) -> None:
    document = write(
        '```sh\nhello() { echo "Hello, $1"; }\n```\n\n```text\n…\n```\n\n1. So:\n\n   ```sh\n   hello $NAME\n   ```\n'
    )
    assert run_blocks(document, tmp_path, ENVIRONMENT) == {1: "", 11: "Hello, Ada\n"}


def test_a_marked_block_does_not_run(write: Write, tmp_path: Path) -> None:
    document = write(f"```sh\necho one\n```\n\n{MARKS[0]}\n```sh\nexit 1\n```\n")
    assert run_blocks(document, tmp_path, ENVIRONMENT) == {1: "one\n"}


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ("false | true", "exit status 1"),
        ("echo $MISSING", "page.md: line 4: MISSING: unbound variable"),
        (': "${PAGE:?the address of the page}"', "PAGE: the address of the page"),
        ("true\necho lost >&2; exit 3", "exit status 3"),
        ("sleep 30", "not done after 0.5 s"),
        ("read answer", "exit status 1"),
    ],
)
def test_a_block_that_fails_is_named(write: Write, tmp_path: Path, commands: str, said: str) -> None:
    with pytest.raises(BlockError) as raised:
        run_blocks(write(f"# A page\n\n```sh\n{commands}\n```\n"), tmp_path, ENVIRONMENT, timeout=0.5)
    assert "page.md, the block on line 3: " in str(raised.value)
    assert said in str(raised.value)


def test_what_is_left_in_the_background_ends(write: Write, tmp_path: Path) -> None:
    run_blocks(write("```sh\n(sleep 0.3; touch late) &\n```\n"), tmp_path, ENVIRONMENT)
    with pytest.raises(BlockError):
        run_blocks(write("```sh\nsleep 0.5; test -e late\n```\n"), tmp_path, ENVIRONMENT)


def test_json_below_a_block_is_what_it_prints(write: Write, tmp_path: Path) -> None:
    page = '```sh\necho \'{"id": "2", "files": [{"bytes": 4.5}, {}]}\'\n```\n\n```json\n%s\n```\n'
    run_blocks(write(page % '{"id": "1", "files": [{"bytes": 7}]}'), tmp_path, ENVIRONMENT)
    with pytest.raises(BlockError, match=r"the JSON on line 5 is not what the commands print:\n\$\.id: number"):
        run_blocks(write(page % '{"id": 1, "files": []}'), tmp_path, ENVIRONMENT)
    with pytest.raises(BlockError, match="is no JSON"):
        run_blocks(write(page % '{"id": …}'), tmp_path, ENVIRONMENT)


@pytest.mark.parametrize(
    ("expected", "got", "said"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, "$: keys in the document alone: []; in what is printed alone: ['b']"),
        ({"a": [{"b": None}]}, {"a": [{"b": "x"}]}, "$.a[0].b: null in the document, string in what is printed"),
        ([1], [], "$: a list with content in the document, an empty one in what is printed"),
        (True, 1, "$: boolean in the document, number in what is printed"),
    ],
)
def test_shapes_that_differ_are_named(expected: object, got: object, said: str) -> None:
    assert list(differing(expected, got)) == [said]
