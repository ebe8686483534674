"""What stands in inline code, and whether it exists: paths, settings, names, codes, commands, targets.

What is none of these, such as a key in S3 or a line of JSON, is left alone.
"""

import dataclasses
import functools
import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Final

import botocore.session

from docs.source.resources import described
from docs.source.resources import name_of as resource_name
from docs.source.stacks import LAMBDAS
from gen3d.__main__ import main
from infra.templates import NAMES
from lambdas.jobs.errors import KINDS as API_KINDS
from serve.errors import KINDS
from serve.settings import Settings
from tests.conftest import ROOT
from tests.docs.documents import Document

# Where code and templates are. Documents and tests prove nothing of each other.
_ROOMS: Final = (
    *("benchmarks", "container", "demo", "gen3d", "infra", "lambdas", "model_loader", "selftest", "serve", "web/src"),
    *("notebooks", "requirements"),
)
_FILES: Final = ("Makefile", "Dockerfile", "buildspec.yml", "pyproject.toml", "web/index.html")
_SOURCES: Final = {".py", ".yaml", ".yml", ".ts", ".js", ".html", ".css", ".sh", ".in", ".ipynb", ".json"}
# Made here, and in no repository.
_MADE: Final = ("out/", ".venv/", ".venv-sam3d/", "web/dist", "web/node_modules", "tests/js/node_modules")
_TOP: Final = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in {"out", "weights"}}
# AWS's services whose words the documents use.
_SERVICES: Final = (
    *("application-autoscaling", "apigatewayv2", "cloudformation", "cloudfront", "cloudwatch", "codebuild"),
    *("cognito-idp", "ecr", "lambda", "sagemaker", "sagemaker-runtime", "secretsmanager", "service-quotas"),
    *("sesv2", "sns", "sqs", "sts"),
)

_PATH: Final = re.compile(r"[\w.*-]+(?:/[\w.*() -]+)+/?")
_SOURCE_FILE: Final = re.compile(r"[\w*-]+\.(?:py|ts|yaml|yml|sh|ipynb|toml)")
_CAMEL: Final = re.compile(r"(?:[A-Z][a-z0-9]+){2,}|(?:[A-Z]+[a-z0-9]+){2,}[A-Z]*")
_SNAKE: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
_TYPE: Final = re.compile(r"AWS::\w+::\w+")
_ACTION: Final = re.compile(r"[a-z0-9-]+:([A-Z][A-Za-z]+)")
_STAGED: Final = re.compile(r"[Gg]en3[Dd]-(?:STAGE|prod|local|NAME)(?:-[\w-]+)?")
_VARIABLE: Final = re.compile(r"\bGEN3D_[A-Z0-9_]*[A-Z0-9]\b")
_COMMAND: Final = re.compile(r"(?:^|[\s;|&(])(?:[\w./-]*/)?gen3d +([^|;&\n#>`)]*)")
_MAKE: Final = re.compile(r"(?:^|[;|&]\s*)make +([^|;&\n#>`]*)", re.MULTILINE)


def missing_mentions(document: Document) -> Iterator[str]:
    """What a document says that is nowhere, and where it says so."""
    for code in document.codes:
        for problem in _problems(code.text):
            yield f"{document.name}, line {code.line}: {problem}"
    for block in document.blocks:
        if block.language == "sh":
            text = block.text.replace("\\\n", " ")
            for problem in (*_commands(text), *_targets(text), *_variables(text)):
                yield f"{document.name}, the block on line {block.line}: {problem}"
    for number, line in enumerate(document.lines, 1):
        for code_, status in re.findall(r"\| `([a-z_]+)` \| (\d{3}) \|", line):
            if int(status) not in _statuses(code_):
                yield f"{document.name}, line {number}: the error {code_} has not the status {status}"


def _problems(text: str) -> Iterator[str]:
    yield from _variables(text)
    if text.startswith(("gen3d ", ".venv/bin/gen3d ", ".venv-sam3d/bin/gen3d ")):
        yield from _commands(text)
    elif text.startswith("make "):
        yield from _targets(text)
    elif _STAGED.fullmatch(text):
        if re.sub(r"^(.{5}-)(?:prod|local|NAME)", r"\1STAGE", text) not in _names():
            yield f"nothing is called {text}"
    elif _is_path(text):
        if not text.startswith(_MADE) and not _exists(text):
            yield f"there is no {text}"
    elif _TYPE.fullmatch(text):
        if not any(text == resource["Type"] for name in NAMES for _, resource, _, _ in described(name)):
            yield f"no template has a {text}"
    elif action := _ACTION.fullmatch(text):
        if action[1] not in _words() and action[1] not in _aws_words():
            yield f"AWS has no {text}"
    elif _CAMEL.fullmatch(text):
        if text not in _words() and text not in _aws_words():
            yield f"{text} is in no code and no template, and no word of AWS's"
    elif _SNAKE.fullmatch(text) and text not in _words():
        yield f"{text} is in no code: neither an error's code nor a field"


def _is_path(text: str) -> bool:
    """Whether it is below one of our folders, or a file of code; a key in S3 is neither."""
    if _SOURCE_FILE.fullmatch(text.rpartition("/")[2]):
        return "/" not in text or _PATH.fullmatch(text) is not None
    return _PATH.fullmatch(text) is not None and text.split("/")[0] in _TOP


def _exists(text: str) -> bool:
    found = ROOT.glob(text.rstrip("/")) if "/" in text else _files_named(text)
    return next(iter(found), None) is not None


def _files_named(name: str) -> Iterator[Path]:
    pattern = re.compile(re.escape(name).replace(r"\*", ".*"))
    yield from (path for path in _sources() if pattern.fullmatch(path.name))


def _variables(text: str) -> Iterator[str]:
    for name in _VARIABLE.findall(text):
        if name not in _settings():
            yield f"there is no variable {name}"


def _commands(text: str) -> Iterator[str]:
    for command in _COMMAND.findall(text):
        try:
            words = shlex.split(command)
        except ValueError:  # a quoted part goes on in what was cut off
            words = command.split()
        names = []
        for word in words[:2]:
            if not re.fullmatch(r"[a-z]+", word):
                break
            names.append(word)
        if not names or words[0].isupper():
            continue
        help_text = _help(*names) or (_help(names[0]) if _takes_positionals(names[0]) else None)
        if help_text is None:
            yield f"there is no command gen3d {' '.join(names)}"
            continue
        known = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", help_text))
        for word in words[len(names) :]:
            option = word.split("=")[0]
            if re.fullmatch(r"--[a-z][a-z0-9-]*", option) and option not in known:
                yield f"gen3d {' '.join(names)} has no option {option}"


def _takes_positionals(name: str) -> bool:
    """Whether what follows the subcommand's name is no other subcommand."""
    return "ACTION" not in (_help(name) or "")


@functools.cache
def _help(*names: str) -> str | None:
    """What a command says of itself; None where there is no such command."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        try:
            main([*names, "--help"])
        except SystemExit as ended:
            if ended.code:
                return None
    return out.getvalue()


def _targets(text: str) -> Iterator[str]:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    for words in _MAKE.findall(text):
        for word in words.split():
            if name := re.fullmatch(r"([A-Z][A-Z0-9_]*)=\S*", word):
                if name[1] not in makefile:
                    yield f"the Makefile has no variable {name[1]}"
            elif re.fullmatch(r"[a-z][a-z0-9-]*", word) and word not in targets:
                yield f"there is no target {word}"


def _statuses(code: str) -> set[int]:
    found = {KINDS[code].status} if code in KINDS else set()
    return found | ({API_KINDS[code][0]} if code in API_KINDS else set())


@functools.cache
def _sources() -> tuple[Path, ...]:
    found = [ROOT / name for name in _FILES]
    for room in (*_ROOMS, "docs/source", "docs/examples", "tests"):
        files = (path for path in (ROOT / room).rglob("*") if path.suffix in _SOURCES)
        found += [path for path in files if "node_modules" not in path.parts]
    return tuple(found)


@functools.cache
def _words() -> frozenset[str]:
    """All identifiers of code and templates."""
    rooms = tuple(ROOT / room for room in (*_ROOMS, *_FILES))
    texts = (path.read_text() for path in _sources() if any(map(path.is_relative_to, rooms)))
    return frozenset(word for text in texts for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))


@functools.cache
def _settings() -> frozenset[str]:
    """All variables that something reads or sets."""
    fields = [*Settings.model_fields, *(field.name for kind in LAMBDAS.values() for field in dataclasses.fields(kind))]
    found = {f"GEN3D_{name.upper()}" for name in fields}
    return frozenset(found | {word for word in _words() if word.startswith("GEN3D_")})


@functools.cache
def _names() -> frozenset[str]:
    """What resources of the templates are called, and the stacks."""
    found = {f"Gen3D-STAGE-{name}" for name in NAMES}
    for template in NAMES:
        found |= {resource_name(resource, kind) for _, resource, kind, _ in described(template)}
    return frozenset(found)


@functools.cache
def _aws_words() -> frozenset[str]:
    """Operations, shapes and their members, as botocore's models have them."""
    loader = botocore.session.get_session().get_component("data_loader")
    found: set[str] = set()
    for service in _SERVICES:
        model = loader.load_service_model(service, "service-2")
        found |= model["operations"].keys() | model["shapes"].keys()
        for shape in model["shapes"].values():
            found |= shape.get("members", {}).keys()
            found |= set(shape.get("enum", ()))
    return frozenset(found)
