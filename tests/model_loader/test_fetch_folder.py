"""The folder that is fetched into: what lies there already is used, or left as it is."""

import dataclasses
import hashlib
import os
import shutil
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from model_loader.catalog import CatalogFile, bundle_files
from model_loader.fetch import fetch
from model_loader.hub import Hub
from model_loader.locate import locate
from serve.errors import Gen3DError
from tests.model_loader.small_bundle import make_repacked_bundle, of, small_content

if TYPE_CHECKING:
    from tests.model_loader.conftest import Fetcher, LocalHub

GOOD_TOKEN = "hf_good"
BIG = "checkpoints/ss_generator.ckpt"
BIG_PATH = "sam-3d-objects/ss_generator.ckpt"


def test_only_what_is_missing_is_fetched(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    fetching(small_files)
    (fetching.folder / BIG_PATH).unlink()
    hub.seen.clear()
    assert fetching(small_files)
    assert {seen.source for seen in hub.seen} == {BIG}
    locate(fetching.folder, check_hashes=True)


def test_a_bundle_that_is_being_changed_is_none(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    fetching(small_files)
    (fetching.folder / BIG_PATH).unlink()
    hub.befall(BIG, "storage", content=b"x" * 4992)
    assert fetching.refused(small_files).code == "hub_wrong_content"


def test_files_without_a_manifest_are_hashed_and_taken(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    fetching(small_files)
    (fetching.folder / "manifest.json").unlink()
    (fetching.folder / "sam-3d-objects/LICENSE").write_bytes(b"\0" * 4992)
    hub.seen.clear()
    fetching(small_files)
    assert {seen.source for seen in hub.seen if seen.method == "GET"} == {"LICENSE"}, "the one that is another"
    assert fetching.watching.outcomes[BIG_PATH] == "already there"
    locate(fetching.folder, check_hashes=True)


@pytest.mark.parametrize("left", [1, 2500, 4991, 4992])
def test_a_part_that_an_earlier_run_left_is_resumed(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...], left: int
) -> None:
    content = hub.files["facebook/sam-3d-objects", of(small_files, BIG_PATH).repository.revision, BIG].content
    partial = fetching.folder / f"{BIG_PATH}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(content[:left])
    fetching(small_files)
    assert (fetching.folder / BIG_PATH).read_bytes() == content
    ranges = [seen.headers.get("Range") for seen in hub.requests(BIG, "storage")]
    assert ranges == ([f"bytes={left}-"] if left < len(content) else [])
    assert (BIG_PATH, left) in fetching.watching.begun


@pytest.mark.parametrize("left", [b"not the begin of it", b"x" * 4992, b"too long" * 1000])
def test_a_part_of_something_else_is_thrown_away(
    fetching: "Fetcher", small_files: tuple[CatalogFile, ...], left: bytes
) -> None:
    partial = fetching.folder / f"{BIG_PATH}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(left)
    fetching(small_files)
    locate(fetching.folder, check_hashes=True)


def test_another_segmenter_keeps_the_rest(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    fetching(small_files)
    shutil.rmtree(fetching.folder / "sam2")
    hub.seen.clear()
    sam3 = tuple(hub.publish(file, hashlib.sha256(file.path.encode()).digest()) for file in bundle_files("sam3")[13:])
    with Hub(hub.address, GOOD_TOKEN) as there:
        fetch(small_files[:13] + sam3, "sam3", fetching.folder, there)
    assert {seen.source for seen in hub.seen} == {file.source for file in sam3}
    assert locate(fetching.folder, check_hashes=True).segmenter == "sam3"


def test_a_disk_that_is_too_small_is_noticed_before_the_download(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    size = 10**17
    hub.befall(BIG, "hub", headers={"X-Linked-Size": str(size)})
    huge = tuple(dataclasses.replace(file, bytes=size) if file.path == BIG_PATH else file for file in small_files)
    error = fetching.refused(huge)
    assert error.code == "disk_full"
    assert "GB are free" in error.message
    assert error.details["needed"] > size
    assert not [seen for seen in hub.seen if seen.method == "GET"]


def test_what_is_missing_of_the_disk_is_told_in_a_unit_that_shows_it(
    fetching: "Fetcher", small_files: tuple[CatalogFile, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = sum(file.bytes or 0 for file in small_files)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=needed - 12))
    message = fetching.refused(small_files).message
    assert "need 84.9 kB more" in message
    assert "where 84.9 kB are free: 12 bytes too little" in message


def test_a_folder_that_cannot_be_made(fetching: "Fetcher", small_files: tuple[CatalogFile, ...]) -> None:
    fetching.folder.write_text("in the way")
    with pytest.raises(Gen3DError) as raised:
        fetching(small_files)
    assert raised.value.code == "weights_not_writable"


@pytest.mark.parametrize("path", [BIG_PATH, f"{BIG_PATH}.partial"])
def test_a_folder_in_a_files_place_is_noticed_before_the_download(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...], path: str
) -> None:
    (fetching.folder / path / "deeper").mkdir(parents=True)
    error = fetching.refused(small_files)
    assert error.code == "weights_not_writable"
    assert f"{path}' is a folder" in error.message
    assert hub.seen == []


def test_a_file_in_a_folders_place_is_noticed_before_the_download(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    fetching.folder.mkdir()
    (fetching.folder / "sam2").write_text("in the way")
    assert fetching.refused(small_files).code == "weights_not_writable"
    assert hub.seen == []


@pytest.mark.parametrize("content", ['{"job_id": "coffee", "status": "succeeded"}', "", '{"schema_version": 2}'])
def test_a_manifest_of_something_else_is_left_alone(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...], content: str
) -> None:
    fetching.folder.mkdir()
    (fetching.folder / "manifest.json").write_text(content)
    with pytest.raises(Gen3DError, match=r"manifest\.json' is no manifest of weights of this Gen3D") as raised:
        fetching(small_files)
    assert raised.value.code == "weights_not_writable"
    assert [path.name for path in fetching.folder.iterdir()] == ["manifest.json"]
    assert (fetching.folder / "manifest.json").read_text() == content
    assert hub.seen == []


# What has another name elsewhere, as the files that repacking does not change have.


def link(kind: str, elsewhere: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "hard":
        os.link(elsewhere, path)
    else:
        path.symlink_to(elsewhere)


@pytest.mark.parametrize("kind", ["hard", "symbolic"])
@pytest.mark.parametrize("path", [BIG_PATH, f"{BIG_PATH}.partial"])
@pytest.mark.parametrize("size", [0, 2000, 4992, 6000])
@pytest.mark.parametrize("is_wrong", [True, False])
def test_a_file_with_another_name_is_not_written_to(
    fetching: "Fetcher", small_files: tuple[CatalogFile, ...], tmp_path: Path, kind: str, path: str, size: int,
    is_wrong: bool,
) -> None:  # fmt: skip
    content = b"x" * size if is_wrong else small_content(BIG_PATH, 8000)[:size]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(content)
    link(kind, elsewhere, fetching.folder / path)
    fetching(small_files)
    assert elsewhere.read_bytes() == content
    locate(fetching.folder, check_hashes=True)


@pytest.mark.parametrize("kind", ["hard", "symbolic"])
def test_a_whole_file_with_another_name_is_used(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...], tmp_path: Path, kind: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(small_content(BIG_PATH))
    link(kind, elsewhere, fetching.folder / BIG_PATH)
    fetching(small_files)
    assert (fetching.folder / BIG_PATH).samefile(elsewhere)
    assert not hub.requests(BIG, "storage")


def test_a_link_to_nothing_makes_no_file_there(
    fetching: "Fetcher", small_files: tuple[CatalogFile, ...], tmp_path: Path
) -> None:
    link("symbolic", tmp_path / "elsewhere", fetching.folder / f"{BIG_PATH}.partial")
    fetching(small_files)
    assert not (tmp_path / "elsewhere").exists()
    locate(fetching.folder, check_hashes=True)


def test_a_repacked_bundle_is_left_alone(fetching: "Fetcher", small_files: tuple[CatalogFile, ...]) -> None:
    make_repacked_bundle(fetching.folder)
    text = (fetching.folder / "manifest.json").read_text()
    with pytest.raises(Gen3DError, match="repacked") as raised:
        fetching(small_files)
    assert raised.value.code == "weights_not_writable"
    assert (fetching.folder / "manifest.json").read_text() == text


def test_two_commands_do_not_write_into_one_folder(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    go_on = threading.Event()
    hub.befall(BIG, "storage", cut_after=100, waits_for=go_on)
    first = threading.Thread(target=fetching, args=(small_files,))
    first.start()
    try:
        while not hub.requests(BIG, "storage"):
            go_on.wait(0.01)
        with pytest.raises(Gen3DError, match="Another gen3d"):
            type(fetching)(hub, fetching.folder)(small_files)
    finally:
        go_on.set()
        first.join()
    locate(fetching.folder, check_hashes=True)


def test_after_ctrl_c_what_the_hub_sends_late_changes_nothing(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    go_on = threading.Event()
    hub.befall(BIG, "storage", waits_for=go_on, ignores_range=True)
    partial = fetching.folder / f"{BIG_PATH}.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(small_content(BIG_PATH)[:2000])

    def press() -> None:
        while not hub.requests(BIG, "storage"):
            go_on.wait(0.01)
        signal.pthread_kill(main.ident or 0, signal.SIGINT)

    main = threading.current_thread()
    before = set(threading.enumerate())  # those of other tests' servers
    pressing = threading.Thread(target=press)
    pressing.start()
    with Hub(hub.address, GOOD_TOKEN) as there:  # open still, as the late answer comes
        with pytest.raises(KeyboardInterrupt):
            fetch(small_files, "sam2", fetching.folder, there)
        pressing.join()
        (late,) = [thread for thread in set(threading.enumerate()) - before if thread.name.endswith("(run)")]
        go_on.set()
        late.join()
    assert partial.read_bytes() == small_content(BIG_PATH)[:2000]
