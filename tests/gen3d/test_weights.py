"""`gen3d weights` as people run it: a process of its own, its output and its exit status."""

import contextlib
import dataclasses
import hashlib
import http.server
import os
import pty
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_loader.catalog import bundle_files
from model_loader.locate import locate
from model_loader.manifest import write_manifest
from tests.model_loader.small_bundle import make_bundle, make_repacked_bundle

# The command with a catalog of small files: the real ones are gigabytes.
DRIVER = """
import dataclasses, hashlib, sys
import model_loader.catalog as catalog
real = catalog.bundle_files
def small(segmenter):
    return tuple(
        dataclasses.replace(file, bytes={size}, sha256=hashlib.sha256(content).hexdigest())
        for file in real(segmenter)
        for content in [file.source.encode().ljust({size}, b".")]
    )
catalog.bundle_files = small
from gen3d.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@dataclasses.dataclass
class Hub:
    """A hub that has every file; see tests/model_loader for one that has troubles too.

    Attributes:
        address: Where it listens.
        size: Of every file.
        go_on: Files stop at their half until this is set.
        starts: From which byte on a file was sent, for every answer so far.
        token: The one token that it takes, or None where it takes none.
    """

    address: str
    size: int
    go_on: threading.Event
    token: str | None = None
    starts: list[int] = dataclasses.field(default_factory=list)


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub("", 4000, threading.Event())
    state.go_on.set()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if state.token and self.headers.get("Authorization") != f"Bearer {state.token}":
                self.send_response(401)
                self.send_header("X-Error-Code", "GatedRepo")
                self.end_headers()
                return
            content = self.path.partition("/resolve/")[2].partition("/")[2].encode().ljust(state.size, b".")
            start = int(self.headers.get("Range", "bytes=0-")[6:-1])
            self.send_response(206 if start else 200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if self.command == "HEAD":
                return
            half = max(0, len(content) // 2 - start)
            self.wfile.write(content[start : start + half])
            self.wfile.flush()
            state.starts.append(start)
            state.go_on.wait(60)
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content[start + half :])

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that have gone are no news
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    yield state
    state.go_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


def environment(**more: str) -> dict[str, str]:
    """The own environment, without what changes the command's ways."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "AWS_")) and not name.upper().endswith("_PROXY")
    }
    return {**kept, **more}


def gen3d(*arguments: object, **more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "gen3d", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(**more))


def small_command(hub: Hub, *arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", "-c", DRIVER.format(size=hub.size), *map(str, arguments)]


def small_gen3d(
    hub: Hub, *arguments: object, prepare: Callable[[], None] | None = None, **more: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        small_command(hub, *arguments),
        capture_output=True,
        text=True,
        check=False,
        env=environment(HF_ENDPOINT=hub.address, **more),
        preexec_fn=prepare,
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A whole bundle of small files."""
    make_bundle(tmp_path / "weights")
    return tmp_path / "weights"


def only_error(done: "subprocess.CompletedProcess[str]", code: str) -> str:
    """The one line that says what went wrong."""
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("gen3d: ")]
    assert line.startswith(f"gen3d: {code}: ")
    assert done.stdout == ""
    return line


def test_fetching_tells_of_each_file_and_of_all(hub: Hub, tmp_path: Path) -> None:
    hub.token = "hf_good"
    done = small_gen3d(hub, "weights", "fetch", "--to", tmp_path / "weights", HF_TOKEN="hf_good")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/weights: all 17 files of weights are there\n"
    licences, lines = done.stderr.splitlines()[:3], done.stderr.splitlines()[3:]
    assert licences[0] == (
        "facebook/sam-3d-objects is under the licence SAM License: https://huggingface.co/facebook/sam-3d-objects"
    )
    assert "MIT" in licences[1]
    assert "Apache-2.0" in licences[2]
    for file in bundle_files("sam2"):
        assert [line for line in lines if f"fetched: {file.path} (4.0 kB)" in line]
    percents = [float(line.partition("%")[0]) for line in lines]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    locate(tmp_path / "weights", check_hashes=True)
    assert "hf_good" not in done.stdout + done.stderr


def test_a_terminal_shows_bars(hub: Hub, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # Linux's word for the end of a terminal
            while some := os.read(ours, 4096):
                shown.extend(some)

    reading = threading.Thread(target=read)
    reading.start()
    command = small_command(hub, "weights", "fetch", "--to", tmp_path)
    variables = environment(HF_ENDPOINT=hub.address, TERM="xterm", COLUMNS="100")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=False, env=variables)
    os.close(theirs)
    reading.join()
    os.close(ours)
    assert done.returncode == 0, shown.decode()
    assert b"in total" in shown
    assert b"fetched: moge/model.pt (4.0 kB)" in shown


def test_a_second_run_does_nothing_and_says_so(hub: Hub, tmp_path: Path) -> None:
    assert small_gen3d(hub, "weights", "fetch", "--to", tmp_path).returncode == 0
    done = small_gen3d(hub, "weights", "fetch", "--to", tmp_path)
    assert done.returncode == 0
    assert "nothing to do" in done.stdout
    assert [line for line in done.stderr.splitlines() if "licence" not in line] == []


def test_ctrl_c_loses_nothing(hub: Hub, tmp_path: Path) -> None:
    hub.size = 200_000
    hub.go_on.clear()
    command = small_command(hub, "weights", "fetch", "--to", tmp_path)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(HF_ENDPOINT=hub.address)
    ) as process:
        while sum(path.stat().st_size for path in tmp_path.rglob("*.partial")) < 4 * 100_000:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in stderr
    assert "Traceback" not in stderr
    hub.go_on.set()
    done = small_gen3d(hub, "weights", "fetch", "--to", tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(hub.starts) == [0] * 17 + [100_000] * 4, "it began where the first had ended"
    locate(tmp_path, check_hashes=True)


def test_a_full_disk_loses_nothing(hub: Hub, tmp_path: Path) -> None:
    hub.size = 50_000

    def full() -> None:  # for want of a small disk: files may not grow beyond this
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    done = small_gen3d(hub, "weights", "fetch", "--to", tmp_path, prepare=full)
    line = only_error(done, "disk_full")
    assert "the same command goes on from there" in line
    assert max(path.stat().st_size for path in tmp_path.rglob("*.partial")) == 20_000
    assert small_gen3d(hub, "weights", "fetch", "--to", tmp_path).returncode == 0
    locate(tmp_path, check_hashes=True)


def test_without_a_token_it_says_which_page_to_visit(hub: Hub, tmp_path: Path) -> None:
    hub.token = "hf_good"
    line = only_error(gen3d("weights", "fetch", "--to", tmp_path, HF_ENDPOINT=hub.address), "hub_access_refused")
    assert "https://huggingface.co/" in line
    assert "HF_TOKEN" in line


def test_a_hub_with_other_files_is_refused_before_the_download(hub: Hub, tmp_path: Path) -> None:
    line = only_error(gen3d("weights", "fetch", "--to", tmp_path, HF_ENDPOINT=hub.address), "hub_wrong_content")
    assert "instead of" in line
    assert hub.starts == []


def test_an_address_that_is_none(tmp_path: Path) -> None:
    only_error(gen3d("weights", "fetch", "--to", tmp_path, HF_ENDPOINT="hub"), "invalid_setting")


def test_a_whole_bundle_is_verified(bundle: Path) -> None:
    done = gen3d("weights", "verify", bundle)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"{bundle}: all 17 files of weights are right \(84\.9 kB\)\n", done.stdout)


def test_what_is_missing_or_damaged_is_listed(bundle: Path) -> None:
    (bundle / "moge/model.pt").unlink()
    licence = bundle / "sam-3d-objects/LICENSE"
    licence.write_bytes(licence.read_bytes()[::-1])
    done = gen3d("weights", "verify", bundle)
    line = only_error(done, "weights_damaged")
    assert "gen3d weights fetch --to" in line
    assert "missing: moge/model.pt (is missing)" in done.stderr
    assert "damaged: sam-3d-objects/LICENSE (its SHA-256 is another)" in done.stderr


def test_a_bundle_that_lists_too_little_is_not_right(tmp_path: Path) -> None:
    manifest = make_repacked_bundle(tmp_path)
    write_manifest(tmp_path, manifest.model_copy(update={"files": manifest.files[1:]}))
    line = only_error(gen3d("weights", "verify", tmp_path), "weights_incomplete")
    assert manifest.files[0].path in line


@pytest.mark.parametrize("action", [["verify"], ["publish"]])
def test_a_folder_that_is_not_there(tmp_path: Path, action: list[str]) -> None:
    address = ["s3://gen3d-weights/w/"] if action == ["publish"] else []
    only_error(gen3d("weights", *action, tmp_path / "weights", *address), "weights_missing")


def test_publishing_to_no_place(bundle: Path) -> None:
    line = only_error(gen3d("weights", "publish", bundle, "s3://gen3d-weights/no-slash"), "publish_refused")
    assert "/ at the end" in line


def test_a_credential_with_a_line_break_is_told_and_not_printed(bundle: Path) -> None:
    secrets = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_SESSION_TOKEN": "very\nsecret"}
    more = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_DEFAULT_REGION": "eu-central-1", "AWS_MAX_ATTEMPTS": "1"}
    done = gen3d("weights", "publish", bundle, "s3://gen3d-weights/w/", **secrets, **more)
    assert "line breaks" in only_error(done, "storage_unreachable")
    assert "secret" not in done.stderr


@pytest.mark.parametrize(("variable", "value"), [("SSL_CERT_FILE", "/nonexistent"), ("ALL_PROXY", "foo://x")])
def test_a_variable_of_the_environment_that_is_wrong(tmp_path: Path, variable: str, value: str) -> None:
    done = gen3d("weights", "fetch", "--to", tmp_path, **{variable: value})
    assert "SSL_CERT_FILE, SSL_CERT_DIR or a proxy variable" in only_error(done, "invalid_setting")


@pytest.mark.parametrize("package", ["torch", "safetensors", "omegaconf"])
def test_repacking_without_what_it_needs_says_where_to_run_it(bundle: Path, tmp_path: Path, package: str) -> None:
    # A finder that knows all but this one, whether this environment has them or not.
    script = (
        "import importlib.util as util, sys; find = util.find_spec;"
        f"needed = {{'torch', 'safetensors', 'omegaconf'}} - {{{package!r}}};"
        f"util.find_spec = lambda name, *more: name in needed or (None if name == {package!r} else find(name, *more));"
        "from gen3d.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "weights", "repack", str(bundle), "--to", str(tmp_path / "repacked")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    line = only_error(done, "torch_missing")
    assert f"no {package} here" in line
    assert "make setup-sam3d" in line
    assert not (tmp_path / "repacked").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "ACTION"),
        (["fetch"], "--to"),
        (["fetch", "--to", "weights", "--segmenter", "sam1"], "invalid choice"),
        (["fetch", "--to", ""], "name a folder"),
        (["repack", "weights", "--to", ""], "name a folder"),
        (["verify", ""], "name a folder"),
        (["verify"], "DIR"),
        (["publish", "weights"], "s3://BUCKET/PREFIX/"),
        (["repack", "weights"], "--to"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what(arguments: list[str], said: str) -> None:
    done = gen3d("weights", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("action", [[], ["fetch"], ["verify"], ["repack"], ["publish"]])
def test_help_shows_examples(action: list[str]) -> None:
    done = gen3d("weights", *action, "--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
