"""The page: built from web/, and put into the bucket's PUBLIC/. Knows neither what it shows nor which cloud that is."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from serve.errors import Gen3DError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WEB: Final = Path(__file__).parent.parent / "web"
_FOLDER: Final = "PUBLIC/"
# Holds the hash of what dist/ was built from; whoever empties dist/ takes it along. It is not published.
_NOTE: Final = ".built-from"
_LAST_LINES: Final = 5
# Not from the machine's own tables, which differ: with `nosniff` a browser takes nothing of another type.
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
}
FOR_A_YEAR: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
# A tab that is open longer than this after a deployment, and then wants the viewer, has to be loaded anew.
LONGEST_OPEN: Final = timedelta(days=7)


@dataclass(frozen=True)
class PageConfig:
    """What the page reads from `/config.json`, beside which it is all the same everywhere.

    Attributes:
        stage: The installation's name.
        cognito: Cognito's address.
        client_id: As what the page signs users in.
        engine: What makes the objects: `preview` or `sam3d`.
    """

    stage: str
    cognito: str
    client_id: str
    engine: str


def build_page(web: Path = WEB) -> Path:
    """Installs what the page is built with, unless it is there as `package-lock.json` has it, and builds the page,
    unless what it is made of is the same as the last time. Several may call it at once.

    Args:
        web: The folder of `package.json`.

    Returns:
        The folder with the page's files.

    Raises:
        Gen3DError: `node_missing`, `page_not_built`.
    """
    lock, dist = web / "package-lock.json", web / "dist"
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        made_from = _hash(web)
        with suppress(FileNotFoundError):
            if (dist / _NOTE).read_text() == made_from:
                return dist
        path = _node_path()
        installed = web / "node_modules" / ".package-lock.json"  # npm writes it last
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            _npm(web, path, "ci", "--no-audit", "--no-fund")
        _npm(web, path, "run", "build")
        (dist / _NOTE).write_text(made_from)
    return dist


def publish_page(s3: "S3Client", bucket: str, dist: Path, config: PageConfig) -> None:
    """Puts the page into the bucket's `PUBLIC/`, and takes out what has been no part of it for a week or longer.

    Files below `assets/` have a hash of their content in their names and are kept by browsers for a year; they ask
    anew for all others each time. At no moment does a file name another that is not there: whoever has opened the page
    before goes on with the files that it had.

    Args:
        s3: Who may list `PUBLIC/`, and write and delete in it.
        bucket: Its name.
        dist: What `build_page` has made.
        config: Where Cognito is, and the like.

    Raises:
        Gen3DError: `page_not_built`: a file is of a type that the page is not known to have.
    """
    files = page_files(dist, config)
    types = {key: _media_type(key) for key in files}
    before = {
        found["Key"]: found["LastModified"]
        for listed in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_FOLDER)
        for found in listed.get("Contents", ())
    }
    # What index.html names is there before it.
    first, last = f"{_FOLDER}config.json", f"{_FOLDER}index.html"
    for key in sorted(files, key=lambda key: (key == last, key != first, key)):
        kept = FOR_A_YEAR if key.startswith(f"{_FOLDER}assets/") else ASK_AGAIN
        s3.put_object(Bucket=bucket, Key=key, Body=files[key], ContentType=types[key], CacheControl=kept)
    # The page that was there until now began with it: what is older was no part of that either.
    since = before.get(first)
    if since is not None and datetime.now(UTC) - since > LONGEST_OPEN:
        for key, put in before.items():
            if key not in files and put < since:
                s3.delete_object(Bucket=bucket, Key=key)


def page_files(dist: Path, config: PageConfig) -> dict[str, bytes]:
    """What the bucket has of the page, by key.

    Args:
        dist: What `build_page` has made.
        config: Where Cognito is, and the like.
    """
    files = {_FOLDER + file.relative_to(dist).as_posix(): file.read_bytes() for file in _files(dist)}
    said = {
        "schema_version": "1.0",
        "stage": config.stage,
        "cognito": config.cognito,
        "client_id": config.client_id,
        "engine": config.engine,
    }
    return {**files, f"{_FOLDER}config.json": json.dumps(said).encode()}


def _files(folder: Path) -> Iterator[Path]:
    """All files in it, but for hidden ones, in an order that is always the same."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _media_type(key: str) -> str:
    suffix = Path(key).suffix
    if suffix not in TYPES:
        raise Gen3DError("page_not_built", f"The page holds {key}: infra/page.py knows no media type for '{suffix}'.")
    return TYPES[suffix]


def _hash(web: Path) -> str:
    """Of all that the page is built from."""
    digest = hashlib.sha256()
    for entry in sorted(web.iterdir()):
        if entry.name in ("dist", "node_modules", "tests") or entry.name.startswith("."):
            continue
        for file in _files(entry) if entry.is_dir() else [entry]:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(web).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def _node_path() -> str:
    """A `PATH` on which npm is, and first a Node that builds the page: the system's, or that of this environment."""
    given = os.environ.get("PATH", os.defpath)
    found = []
    for path in (given, f"{Path(sys.executable).parent}{os.pathsep}{given}"):
        node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
        if node is None or npm is None:
            continue
        said = ""
        with suppress(OSError):  # it is for another kind of machine
            said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
        version = re.fullmatch(r"v(\d+)\.(\d+)\..*", said)
        if version and _is_enough(int(version[1]), int(version[2])):
            return path
        found.append(f"{node} is {said or 'broken'}")
    here = f" ({found[0]})" if found else ""
    raise Gen3DError(
        "node_missing",
        f"The page is built with npm and Node 20.19, 22.12 or newer, which are not on the PATH{here}: install them, or"
        " run `make setup`, which puts them into .venv.",
    )


def _is_enough(major: int, minor: int) -> bool:
    """As web/package.json has it: `^20.19.0 || >=22.12.0`."""
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def _npm(web: Path, path: str, *arguments: str) -> None:
    """Runs npm; where that is interrupted, nothing of what it has started goes on."""
    command = [shutil.which("npm", path=path) or "npm", *arguments]
    npm = subprocess.Popen(  # noqa: S603 (ours)
        command,
        cwd=web,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = npm.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(npm.pid, signal.SIGKILL)
        npm.communicate()
        raise
    if npm.returncode != 0:
        last = " ".join(line.strip() for line in said.strip().splitlines()[-_LAST_LINES:]) or "nothing"
        raise Gen3DError("page_not_built", f"`npm {' '.join(arguments)}` in {web} failed; it said last: {last}")
