"""`gen3d weights`: fetches, verifies, repacks and publishes the weights of the sam3d engine. Loads nothing of them."""

import argparse
import importlib.util
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from model_loader.catalog import SEGMENTERS
from model_loader.disk import size_text
from serve.errors import Gen3DError

_EXAMPLES = """examples:
  export HF_TOKEN=hf_…          # of an account with access to https://huggingface.co/facebook/sam-3d-objects
  gen3d weights fetch --to weights
  gen3d weights verify weights
  gen3d weights repack weights --to repacked
  gen3d weights publish repacked s3://bucket/weights/

Every step may be interrupted. The same command then goes on from there; repacking, which takes minutes, begins anew.
"""
_FETCH_EXAMPLES = """examples:
  HF_TOKEN=hf_… gen3d weights fetch --to weights
  HF_TOKEN=hf_… gen3d weights fetch --to weights --segmenter sam3

About 14 GB arrive, 17 GB with SAM 3. HF_TOKEN is the token of an account that has accepted the licence at
https://huggingface.co/facebook/sam-3d-objects (and, for SAM 3, at https://huggingface.co/facebook/sam3).
HF_ENDPOINT names a mirror of the hub.
"""
_VERIFY_EXAMPLES = """examples:
  gen3d weights verify weights
"""
_PUBLISH_EXAMPLES = """examples:
  gen3d weights publish repacked s3://bucket/weights/

AWS credentials, profile and region come from the environment. What is there already is not sent again; nothing is ever
removed, and no other bundle replaced. manifest.json is sent last: a prefix without it holds no whole bundle.
"""
_REPACK_EXAMPLES = """examples:
  gen3d weights repack weights --to repacked

Needs PyTorch, safetensors and omegaconf: run it where the engine sam3d is installed (in a checkout: make setup-sam3d,
then .venv-sam3d/bin/gen3d).
"""
_PLAIN_STEP_PERCENT = 5


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand, its actions and their options."""
    parser = commands.add_parser(
        "weights",
        help="fetch, verify, repack and publish the weights of the sam3d engine",
        description="Fetch, verify, repack and publish the weights of the sam3d engine.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")

    action = _add_action(actions, "fetch", "fetch the published weights from the Hugging Face hub", _FETCH_EXAMPLES)
    action.add_argument("--to", type=_folder, required=True, metavar="DIR", help="the folder for the weights")
    action.add_argument(
        "--segmenter",
        choices=SEGMENTERS,
        default="sam2",
        help="sam2 is SAM 2.1, openly licensed, and taken where absent; sam3 is gated",
    )
    action.set_defaults(run=_fetch)

    action = _add_action(actions, "verify", "check the size and SHA-256 of every file of a bundle", _VERIFY_EXAMPLES)
    action.add_argument("folder", type=_folder, metavar="DIR", help="the folder with the weights")
    action.set_defaults(run=_verify)

    action = _add_action(
        actions, "repack", "make of published weights a smaller bundle that loads faster", _REPACK_EXAMPLES
    )
    action.add_argument("folder", type=_folder, metavar="DIR", help="the folder with the weights as published")
    action.add_argument("--to", type=_folder, required=True, metavar="DIR2", help="the folder for the repacked ones")
    action.set_defaults(run=_repack)

    action = _add_action(actions, "publish", "upload a bundle to S3", _PUBLISH_EXAMPLES)
    action.add_argument("folder", type=_folder, metavar="DIR", help="the folder with the weights")
    action.add_argument("uri", metavar="s3://BUCKET/PREFIX/", help="where to; ends with /")
    action.set_defaults(run=_publish)


def _add_action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, examples: str
) -> argparse.ArgumentParser:
    return actions.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _folder(text: str) -> Path:
    if not text:  # which Path takes for the folder one is in
        raise argparse.ArgumentTypeError("is empty: name a folder")
    return Path(text)


def _fetch(arguments: argparse.Namespace) -> int:
    from model_loader.catalog import bundle_files
    from model_loader.fetch import fetch
    from model_loader.hub import HUB, Hub

    address = os.environ.get("HF_ENDPOINT") or HUB
    files = bundle_files(arguments.segmenter)
    for repository in dict.fromkeys(file.repository for file in files):
        print(f"{repository.name} is under the licence {repository.licence}: {repository.page}", file=sys.stderr)
    with Hub(address, os.environ.get("HF_TOKEN")) as hub, _GoesOn(), _View() as view:
        anything = fetch(files, arguments.segmenter, arguments.to, hub, view)
    if anything:
        print(f"{arguments.to}: all {len(files)} files of weights are there")
    else:
        print(f"{arguments.to}: all {len(files)} files of weights were there already; nothing to do")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from model_loader.locate import check_manifest
    from model_loader.manifest import read_manifest
    from model_loader.verify import find_problems, problems_error

    manifest = read_manifest(arguments.folder)
    check_manifest(arguments.folder, manifest)
    with _View() as view:
        problems = find_problems(arguments.folder, manifest, hashes=True, watcher=view)
    for problem in problems:
        print(f"{problem.kind}: {problem}", file=sys.stderr)
    if problems:
        raise problems_error(arguments.folder, manifest, problems)
    size = sum(file.bytes for file in manifest.files)
    print(f"{arguments.folder}: all {len(manifest.files)} files of weights are right ({size_text(size)})")
    return 0


def _repack(arguments: argparse.Namespace) -> int:
    missing = [name for name in ("torch", "safetensors", "omegaconf") if importlib.util.find_spec(name) is None]
    if missing:
        raise Gen3DError(
            "torch_missing",
            f"Repacking needs PyTorch, safetensors and omegaconf, and there is no {missing[0]} here: run it where the"
            " engine sam3d is installed (in a checkout: make setup-sam3d, then .venv-sam3d/bin/gen3d).",
        )
    from model_loader.repack import repack_bundle

    repack_bundle(arguments.folder, arguments.to, lambda line: print(line, file=sys.stderr))
    return 0


def _publish(arguments: argparse.Namespace) -> int:
    from model_loader.publish import publish

    with _GoesOn(), _View() as view:
        written = publish(arguments.folder, arguments.uri, view)
    print(f"{arguments.uri}: " + (f"{written} objects written" if written else "all was there already; nothing to do"))
    return 0


class _GoesOn:
    """Says, where Ctrl-C ends the work, that it is not lost."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is KeyboardInterrupt:
            print("What is done stays done; the same command goes on from there.", file=sys.stderr)


class _View:
    """A bar for each file and one in total where a person looks on; lines where none does."""

    def __enter__(self) -> Self:
        # Imported here for the sake of --help, which needs none of it.
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}
        self._total = self._bars.add_task("in total", total=None)
        self._is_watched = console.is_terminal
        self._lock = threading.Lock()
        self._sizes: Mapping[str, int] = {}
        self._done: dict[str, int] = {}
        self._said_percent = 0.0
        if self._is_watched:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_watched:
            self._bars.stop()

    def plan(self, sizes: Mapping[str, int]) -> None:
        """See `model_loader.progress.Watcher`, and so for the others."""
        with self._lock:
            self._sizes = sizes
            self._bars.update(self._total, total=sum(sizes.values()))

    def begin(self, path: str, size: int, done: int) -> None:
        """A file begins, or begins anew."""
        with self._lock:
            if path not in self._tasks:
                self._tasks[path] = self._bars.add_task(path, total=size)
            self._move(path, done)

    def advance(self, path: str, count: int) -> None:
        """A file gets on."""
        with self._lock:
            self._move(path, self._done[path] + count)

    def end(self, path: str, outcome: str) -> None:
        """A file is done with."""
        with self._lock:
            self._move(path, self._sizes[path])
            self._bars.remove_task(self._tasks.pop(path))
            line = f"{outcome}: {path} ({size_text(self._sizes[path])})"
            if self._is_watched:
                self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                self._say(line)

    def _move(self, path: str, done: int) -> None:
        self._done[path] = done
        self._bars.update(self._tasks[path], completed=done)
        self._bars.update(self._total, completed=sum(self._done.values()))
        if not self._is_watched and self._percent() >= self._said_percent + _PLAIN_STEP_PERCENT:
            self._say(f"{size_text(sum(self._done.values()))} of {size_text(sum(self._sizes.values()))}")

    def _say(self, line: str) -> None:
        self._said_percent = self._percent()
        print(f"{self._said_percent:3.0f} %  {line}", file=sys.stderr, flush=True)

    def _percent(self) -> float:
        return 100 * sum(self._done.values()) / (sum(self._sizes.values()) or 1)
