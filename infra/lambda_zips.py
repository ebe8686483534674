"""The Lambdas' zips: their own code and what of Powertools it needs. Knows neither templates nor AWS."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

NAMES: Final = ("jobs", "extract", "notify", "sweep")
_ROOT = Path(__file__).parent.parent
# What its loggers, metrics and batches import; the rest of Powertools is ten times that. boto3 and jmespath are in
# AWS's runtime.
_POWERTOOLS = (
    "*.py",
    "exceptions/*.py",
    "logging/**/*.py",
    "metrics/*.py",
    "metrics/provider/*.py",
    "metrics/provider/cloudwatch_emf/*.py",
    "middleware_factory/*.py",
    "shared/*.py",
    "tracing/*.py",
    "utilities/*.py",
    "utilities/batch/*.py",
    "utilities/data_classes/*.py",
    "utilities/jmespath_utils/*.py",
    "warnings/*.py",
)
_PACKAGES = ("aws-lambda-powertools", "typing-extensions")
_WHEN = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


def build_zip(name: str) -> bytes:
    """The zip of one Lambda, whose handler is `lambdas.<name>.handler.handle`; the same files give the same bytes.

    Raises:
        KeyError: There is no such Lambda.
        ModuleNotFoundError: Powertools is not installed here.
    """
    if name not in NAMES:
        raise KeyError(name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path, data in sorted(_files(name)):
            entry = zipfile.ZipInfo(path, _WHEN)
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data, compresslevel=9)
    return packed.getvalue()


def zip_hash(data: bytes) -> str:
    """A short name for a zip's content, for its key in S3: CloudFormation sees a new zip by a new key alone."""
    return hashlib.sha256(data).hexdigest()[:16]


def _files(name: str) -> Iterator[tuple[str, bytes]]:
    lambdas = _ROOT / "lambdas"
    for path in (lambdas / "__init__.py", *(lambdas / "shared").glob("*.py"), *(lambdas / name).glob("*.py")):
        yield path.relative_to(_ROOT).as_posix(), path.read_bytes()
    powertools = _folder("aws_lambda_powertools")
    for pattern in _POWERTOOLS:
        for path in powertools.glob(pattern):
            yield path.relative_to(powertools.parent).as_posix(), path.read_bytes()
    yield "typing_extensions.py", _module("typing_extensions").read_bytes()
    for package in _PACKAGES:
        for file in distribution(package).files or ():
            if file.name == "LICENSE":
                yield f"licenses/{package}", Path(str(file.locate())).read_bytes()


def _module(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"{name} is not installed: `make setup` installs what the zips are made of", name=name
        )
    return Path(spec.origin)


def _folder(name: str) -> Path:
    return _module(name).parent
