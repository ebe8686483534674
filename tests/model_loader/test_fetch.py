"""Fetching from a hub that behaves, and from one that does not."""

import dataclasses
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from model_loader.catalog import CatalogFile, bundle_files
from model_loader.locate import locate
from tests.model_loader.small_bundle import of

if TYPE_CHECKING:
    from tests.model_loader.conftest import Fetcher, LocalHub

GOOD_TOKEN, STRANGERS_TOKEN = "hf_good", "hf_stranger"
BIG = "checkpoints/ss_generator.ckpt"
SMALL = "checkpoints/pipeline.yaml"
BIG_PATH = "sam-3d-objects/ss_generator.ckpt"


def test_a_bundle_is_made_and_found(fetching: "Fetcher", small_files: tuple[CatalogFile, ...]) -> None:
    assert fetching(small_files)
    bundle = locate(fetching.folder, check_hashes=True)
    assert bundle.segmenter == "sam2"
    assert bundle.revision == "sam-3d-objects@2e73555 moge-vitl@ad326bf sam2.1-hiera-large@665f8e2"
    assert [file.path for file in bundle.manifest.files] == [file.path for file in bundle_files("sam2")]
    assert {file.path: file.sha256 for file in small_files} == {
        file.path: file.sha256 for file in bundle.manifest.files
    }
    left = {str(path.relative_to(fetching.folder)) for path in fetching.folder.rglob("*") if path.is_file()}
    assert left == {file.path for file in small_files} | {"manifest.json"}


def test_progress_is_told_by_file(fetching: "Fetcher", small_files: tuple[CatalogFile, ...]) -> None:
    fetching(small_files)
    sizes = {file.path: file.bytes for file in small_files}
    assert fetching.watching.sizes == fetching.watching.done == sizes
    assert fetching.watching.outcomes == dict.fromkeys(sizes, "fetched")


def test_a_second_run_does_nothing(hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]) -> None:
    fetching(small_files)
    before = (fetching.folder / "manifest.json").stat().st_mtime_ns
    hub.seen.clear()
    assert not fetching(small_files)
    assert hub.seen == []
    assert (fetching.folder / "manifest.json").stat().st_mtime_ns == before


def test_what_is_not_known_of_a_file_is_taken_from_the_hub(
    fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    fetching(tuple(dataclasses.replace(file, bytes=None, sha256=None) for file in small_files))
    listed = locate(fetching.folder, check_hashes=True).manifest.files
    assert [(file.bytes, file.sha256) for file in listed] == [(file.bytes, file.sha256) for file in small_files]


def test_a_cut_connection_is_resumed_where_it_broke(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    hub.befall(BIG, "storage", cut_after=2000)
    hub.befall(BIG, "storage", cut_after=1000)
    fetching(small_files)
    assert [seen.headers.get("Range") for seen in hub.requests(BIG, "storage")] == [None, "bytes=2000-", "bytes=3000-"]
    assert fetching.waits == [1, 1]
    locate(fetching.folder, check_hashes=True)


def test_a_storage_that_knows_no_ranges_sends_it_all_again(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    hub.befall(BIG, "storage", cut_after=2000)
    hub.befall(BIG, "storage", ignores_range=True)
    fetching(small_files)
    locate(fetching.folder, check_hashes=True)
    assert fetching.watching.done[BIG_PATH] == of(small_files, BIG_PATH).bytes


def test_a_signed_address_that_has_expired_is_asked_for_anew(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    hub.befall(BIG, "storage", status=403)
    fetching(small_files)
    assert len(hub.requests(BIG, "hub")) == 2
    locate(fetching.folder, check_hashes=True)


def test_the_hub_is_given_the_time_it_asks_for(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    hub.befall(BIG, "hub", status=429, headers={"Retry-After": "7"})
    hub.befall(BIG, "hub", status=503)
    hub.befall(BIG, "hub", status=429, headers={"Retry-After": "86400"})
    hub.befall(BIG, "hub", status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    fetching(small_files)
    assert fetching.waits == [7, 2, 300, 0]


def test_a_hub_that_keeps_failing_is_given_up(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    for _ in range(20):
        hub.befall(BIG, "storage", status=500)
    error = fetching.refused(small_files)
    assert error.code == "hub_unreachable"
    assert BIG in error.message
    assert "500" in error.message
    assert fetching.waits == [1, 2, 4, 8, 16]


def test_a_hub_that_is_not_there(fetching: "Fetcher", small_files: tuple[CatalogFile, ...]) -> None:
    fetching.hub.address = "http://127.0.0.1:1"
    assert fetching.refused(small_files).code == "hub_unreachable"


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "set HF_TOKEN"),
        (STRANGERS_TOKEN, "has no access"),
        ("hf_expired", "does not accept the token"),
    ],
)
def test_a_refusal_says_which_page_to_visit(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...], token: str | None, said: str
) -> None:
    fetching.token = token
    error = fetching.refused(small_files)
    assert error.code == "hub_access_refused"
    assert said in error.message
    assert "https://huggingface.co/" in error.message
    assert error.details["page"].startswith("https://huggingface.co/")
    assert not [seen for seen in hub.seen if seen.method == "GET"], "refused before anything is downloaded"


def test_a_gated_page_is_named(fetching: "Fetcher", small_files: tuple[CatalogFile, ...]) -> None:
    fetching.token = STRANGERS_TOKEN
    error = fetching.refused(tuple(file for file in small_files if file.repository.gated))
    assert "https://huggingface.co/facebook/sam-3d-objects" in error.message


def test_the_token_is_never_sent_to_another_host(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    hub.befall(BIG, "storage", cut_after=2000)
    fetching(small_files)
    on_hub = [seen for seen in hub.seen if seen.where == "hub"]
    in_storage = [seen for seen in hub.seen if seen.where == "storage"]
    assert {seen.headers["Authorization"] for seen in on_hub} == {f"Bearer {GOOD_TOKEN}"}
    assert len(in_storage) > 5
    assert not [seen for seen in in_storage if "Authorization" in seen.headers]
    assert not [seen for seen in in_storage if GOOD_TOKEN in str(seen)]


def test_without_a_token_none_is_sent(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    fetching.token = None
    hub.gated.clear()
    fetching(small_files)
    assert not [seen for seen in hub.seen if "Authorization" in seen.headers]


def test_a_file_that_the_hub_has_not(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    file = of(small_files, BIG_PATH)
    del hub.files[file.repository.name, file.repository.revision, file.source]
    error = fetching.refused(small_files)
    assert error.code == "hub_not_found"
    assert BIG in error.message


def test_a_revision_that_the_hub_has_not(fetching: "Fetcher", small_files: tuple[CatalogFile, ...]) -> None:
    elsewhere = dict.fromkeys({file.repository.name for file in small_files}, "0" * 40)
    error = fetching.refused(
        tuple(
            dataclasses.replace(
                file, repository=dataclasses.replace(file.repository, revision=elsewhere[file.repository.name])
            )
            for file in small_files
        )
    )
    assert error.code == "hub_not_found"
    assert "no revision 000000" in error.message


def test_another_size_on_the_hub_is_noticed_before_the_download(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    hub.befall(BIG, "hub", headers={"X-Linked-Size": "4993"})
    error = fetching.refused(small_files)
    assert error.code == "hub_wrong_content"
    assert "4993" in error.message
    assert not hub.requests(BIG, "storage")


@pytest.mark.parametrize(
    "header", [{"X-Linked-Etag": f'"{"0" * 64}"'}, {"X-Repo-Commit": "0" * 40}], ids=["hash", "revision"]
)
def test_another_content_on_the_hub_is_noticed_before_the_download(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...], header: dict[str, str]
) -> None:
    hub.befall(BIG, "hub", headers=header)
    assert fetching.refused(small_files).code == "hub_wrong_content"
    assert not hub.requests(BIG, "storage")


def test_a_file_of_which_nobody_knows_the_hash_is_refused(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    hub.befall(BIG, "hub", anonymous=True)
    unknown = tuple(dataclasses.replace(file, sha256=None) if file.path == BIG_PATH else file for file in small_files)
    error = fetching.refused(unknown)
    assert error.code == "hub_wrong_content"
    assert "cannot be verified" in error.message


@pytest.mark.parametrize(
    "content", [b"x" * 4992, b"too short", b"x" * 6000, b"<html>Sign in to this network</html>"],
    ids=["as long", "shorter", "longer", "a page"],
)  # fmt: skip
@pytest.mark.parametrize(("source", "where"), [(BIG, "storage"), (SMALL, "hub")])
def test_wrong_content_is_never_kept(
    hub: "LocalHub",
    fetching: "Fetcher",
    small_files: tuple[CatalogFile, ...],
    source: str,
    where: Any,
    content: bytes,
) -> None:
    if where == "hub":
        hub.befall(source, where)  # the HEAD, and the redirects, are met by nothing
        hub.befall(source, where)
        hub.befall(source, where)
    hub.befall(source, where, content=content)
    error = fetching.refused(small_files)
    assert error.code == "hub_wrong_content"
    assert source in error.message
    path = fetching.folder / "sam-3d-objects" / Path(source).name
    assert not path.exists()
    partial = path.with_name(f"{path.name}.partial")
    assert partial.read_bytes() == b""
    fetching(small_files)
    locate(fetching.folder, check_hashes=True)


def test_a_body_without_a_length_is_taken(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    hub.befall(BIG, "storage", hides_length=True)
    fetching(small_files)
    locate(fetching.folder, check_hashes=True)


def test_a_body_without_a_length_ends_where_the_file_does(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    hub.befall(BIG, "storage", hides_length=True, content=b"x" * 6000)
    assert "more than 4992 bytes" in fetching.refused(small_files).message


def test_a_body_without_a_length_that_ends_early_is_resumed(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    content = hub.files["facebook/sam-3d-objects", of(small_files, BIG_PATH).repository.revision, BIG].content
    hub.befall(BIG, "storage", hides_length=True, content=content[:2000])
    fetching(small_files)
    assert [seen.headers.get("Range") for seen in hub.requests(BIG, "storage")] == [None, "bytes=2000-"]
    locate(fetching.folder, check_hashes=True)


def test_a_small_file_is_held_to_gits_hash(
    hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]
) -> None:
    unknown = tuple(dataclasses.replace(file, bytes=None, sha256=None) for file in small_files)
    content = hub.files["facebook/sam-3d-objects", unknown[0].repository.revision, SMALL].content
    for _ in range(3):
        hub.befall(SMALL, "hub")
    hub.befall(SMALL, "hub", content=content[::-1])
    assert fetching.refused(unknown).code == "hub_wrong_content"


def test_files_come_several_at_once(hub: "LocalHub", fetching: "Fetcher", small_files: tuple[CatalogFile, ...]) -> None:
    go_on = threading.Event()
    large = ["checkpoints/ss_generator.ckpt", "checkpoints/slat_generator.ckpt", "model.pt"]
    for source in large:
        hub.befall(source, "storage", cut_after=100, waits_for=go_on)
    running = threading.Thread(target=fetching, args=(small_files,))
    running.start()
    try:
        while not all(hub.requests(source, "storage") for source in large):
            go_on.wait(0.01)  # none is done before all have begun, or this would never end
    finally:
        go_on.set()
        running.join()
    locate(fetching.folder, check_hashes=True)
