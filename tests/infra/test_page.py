"""The page gets from web/ into the bucket."""

import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import infra.page
from infra.page import PageConfig, build_page, publish_page
from serve.errors import Gen3DError
from tests.conftest import LocalS3

CONFIG = PageConfig("test", "https://cognito.example", "a-client", "preview")
BUILD = """
import { mkdirSync, readFileSync, rmSync, writeFileSync, appendFileSync } from "node:fs";
import { word } from "word";
appendFileSync("node_modules/builds", "built\\n");
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist");
writeFileSync("dist/index.html", word + readFileSync("src/text.txt"));
"""


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A package as small as one can be, with one dependency, which lies in it."""
    folder = tmp_path / "web"
    (folder / "word").mkdir(parents=True)
    (folder / "src").mkdir()
    own = {"name": "page", "version": "1.0.0", "dependencies": {"word": "file:word"}}
    word = {"name": "word", "version": "1.0.0", "type": "module", "exports": "./index.js"}
    locked = {"": own, "node_modules/word": {"resolved": "word", "link": True}, "word": {"version": "1.0.0"}}
    for name, content in {
        "package.json": {**own, "type": "module", "scripts": {"build": "node build.js"}},
        "package-lock.json": {**own, "lockfileVersion": 3, "requires": True, "packages": locked},
        "word/package.json": word,
    }.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "word" / "index.js").write_text('export const word = "Hello, ";')
    (folder / "build.js").write_text(BUILD)
    (folder / "src" / "text.txt").write_text("world")
    return folder


def builds(web: Path) -> int:
    """How often it was built since its packages were installed."""
    return len((web / "node_modules" / "builds").read_text().splitlines())


def test_it_is_built_with_what_it_needs(web: Path) -> None:
    assert (build_page(web) / "index.html").read_text() == "Hello, world"


def test_it_is_built_again_once_something_has_changed_and_not_before(web: Path) -> None:
    build_page(web)
    build_page(web)
    assert builds(web) == 1
    (web / "src" / "text.txt").write_text("moon")
    assert (build_page(web) / "index.html").read_text() == "Hello, moon"
    assert builds(web) == 2


def test_several_at_once_build_it_once(web: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert len(list(pool.map(build_page, [web] * 3))) == 3
    assert builds(web) == 1


def test_what_somebody_else_has_built_meanwhile_is_not_taken_for_ours(web: Path) -> None:
    dist = build_page(web)
    for file in dist.iterdir():
        file.unlink()
    assert (build_page(web) / "index.html").exists()


def test_packages_are_installed_again_once_others_are_locked(web: Path) -> None:
    build_page(web)
    lock = web / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    later = (web / "node_modules" / ".package-lock.json").stat().st_mtime + 1
    os.utime(lock, (later, later))
    build_page(web)
    assert builds(web) == 1  # npm has begun with an empty folder


def test_a_build_that_fails_says_why_in_one_line(web: Path) -> None:
    (web / "build.js").write_text('console.error("There is no window.");\nprocess.exit(1);')
    with pytest.raises(Gen3DError, match="There is no window") as failed:
        build_page(web)
    assert failed.value.code == "page_not_built"
    assert "\n" not in failed.value.message


@pytest.mark.parametrize("version", ["v18.20.4", "v20.18.1", "v21.7.3", "v22.11.0", ""])
def test_without_a_node_that_builds_it_it_says_what_to_do(
    version: str, web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("node", "npm") if version else ():
        (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Gen3DError, match="make setup") as failed:
        build_page(web)
    assert failed.value.code == "node_missing"
    assert version in failed.value.message


def test_a_node_for_another_machine_is_as_good_as_none(
    web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_bytes(b"\x7fELF of another machine")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Gen3DError, match=r"node_missing: .*node is broken"):
        build_page(web)


def test_a_node_of_this_environment_stands_in_for_an_old_one(
    web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    for name in ("node", "npm"):
        (folder / name).write_text("#!/bin/sh\necho v18.20.4\n")
        (folder / name).chmod(0o755)
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node on the PATH")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sys, "executable", str(Path(node).with_name("python")))
    assert (build_page(web) / "index.html").read_text() == "Hello, world"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    for name in ("index.html", "favicon.svg", "assets/index-1a2b.js", "assets/index-3c4d.css", ".built-from"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def bucket(s3: LocalS3) -> Iterator[str]:
    """One that is empty."""
    name = "gen3d-page"
    s3.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield name
    for key in keys(s3, name):
        s3.client.delete_object(Bucket=name, Key=key)
    s3.client.delete_bucket(Bucket=name)


def keys(s3: LocalS3, bucket: str) -> list[str]:
    return [found["Key"] for found in s3.client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_the_pages_files_lie_below_public(s3: LocalS3, bucket: str, dist: Path) -> None:
    publish_page(s3.client, bucket, dist, CONFIG)
    assert keys(s3, bucket) == [
        "PUBLIC/assets/index-1a2b.js",
        "PUBLIC/assets/index-3c4d.css",
        "PUBLIC/config.json",
        "PUBLIC/favicon.svg",
        "PUBLIC/index.html",
    ]
    found = s3.client.get_object(Bucket=bucket, Key="PUBLIC/config.json")["Body"].read()
    assert json.loads(found) == {
        "schema_version": "1.0",
        "stage": "test",
        "cognito": "https://cognito.example",
        "client_id": "a-client",
        "engine": "preview",
    }


@pytest.mark.parametrize(
    ("name", "media_type", "is_kept"),
    [
        ("index.html", "text/html; charset=utf-8", False),
        ("config.json", "application/json", False),
        ("favicon.svg", "image/svg+xml", False),
        ("assets/index-1a2b.js", "text/javascript; charset=utf-8", True),
        ("assets/index-3c4d.css", "text/css; charset=utf-8", True),
    ],
)
def test_browsers_are_told_what_a_file_is_and_how_long_they_may_keep_it(
    s3: LocalS3, bucket: str, dist: Path, name: str, media_type: str, is_kept: bool
) -> None:
    publish_page(s3.client, bucket, dist, CONFIG)
    found = s3.client.head_object(Bucket=bucket, Key=f"PUBLIC/{name}")
    assert found["ContentType"] == media_type
    assert found["CacheControl"] == ("public, max-age=31536000, immutable" if is_kept else "no-cache")


def publish_another(s3: LocalS3, bucket: str, dist: Path) -> str:
    """A page whose script has another name; gives the one that it had."""
    (script,) = (dist / "assets").glob("*.js")
    script.rename(script.with_name(f"index-{uuid.uuid4().hex}.js"))
    time.sleep(0.01)  # S3 tells what was put first by the clock
    publish_page(s3.client, bucket, dist, CONFIG)
    return f"PUBLIC/assets/{script.name}"


def test_a_tab_that_is_open_finds_the_files_of_its_page(
    s3: LocalS3, bucket: str, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_page(s3.client, bucket, dist, CONFIG)
    # Even of a page that was there for long: it gives way only now.
    monkeypatch.setattr(infra.page, "LONGEST_OPEN", timedelta(days=-1))
    assert publish_another(s3, bucket, dist) in keys(s3, bucket)


def test_files_of_two_pages_ago_stay_while_a_tab_may_be_open(s3: LocalS3, bucket: str, dist: Path) -> None:
    publish_page(s3.client, bucket, dist, CONFIG)
    old = [publish_another(s3, bucket, dist) for _ in range(2)]
    assert set(old) <= set(keys(s3, bucket))


def test_files_of_an_old_page_go_and_nothing_else_is_touched(
    s3: LocalS3, bucket: str, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.client.put_object(Bucket=bucket, Key="users/a/image", Body=b"")
    publish_page(s3.client, bucket, dist, CONFIG)
    monkeypatch.setattr(infra.page, "LONGEST_OPEN", timedelta(days=-1))
    oldest, old = (publish_another(s3, bucket, dist) for _ in range(2))
    assert oldest not in keys(s3, bucket)
    assert {old, "users/a/image", *(f"PUBLIC/{name}" for name in ("index.html", "config.json"))} <= set(
        keys(s3, bucket)
    )


def test_who_opens_it_meanwhile_never_misses_a_file(s3: LocalS3, bucket: str, dist: Path) -> None:
    publish_page(s3.client, bucket, dist, CONFIG)
    (dist / "assets" / "index-1a2b.js").rename(dist / "assets" / "zz-5e6f.js")
    there: list[list[str]] = []

    def look(params: Any, **_: Any) -> None:
        if params["url_path"].endswith("/index.html"):
            there.append(keys(s3, bucket))

    s3.client.meta.events.register("before-call.s3.PutObject", look)
    publish_page(s3.client, bucket, dist, CONFIG)
    s3.client.meta.events.unregister("before-call.s3.PutObject", look)
    ((*found,),) = there
    assert {"PUBLIC/assets/index-1a2b.js", "PUBLIC/assets/zz-5e6f.js"} <= set(found)


def test_a_file_of_an_unknown_type_is_not_published(s3: LocalS3, bucket: str, dist: Path) -> None:
    (dist / "assets" / "any.wasm").write_bytes(b"")
    with pytest.raises(Gen3DError, match="wasm") as failed:
        publish_page(s3.client, bucket, dist, CONFIG)
    assert failed.value.code == "page_not_built"
    assert keys(s3, bucket) == []
