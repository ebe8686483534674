"""Holds the installed packages against the lock files. Knows pip's form of them, and imports none of the packages."""

import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from selftest.report import CheckFailedError, CheckSkippedError, some

_CONTINUED = re.compile(r"\\\n")
_COMMENT = re.compile(r"(^|\s)#.*")
_HASH = re.compile(r"\s--hash[= ]\S+")


def check_packages(locks: Sequence[Path]) -> str:
    """Every package that the lock files name for this platform is installed, at the version they name.

    A local version such as `2.13.0+cpu` satisfies `==2.13.0`, as
    https://packaging.python.org/specifications/version-specifiers/ has it.

    Raises:
        CheckFailedError: Packages are missing or of other versions, or a lock file cannot be read.
        CheckSkippedError: There is no lock file.
    """
    if not locks:
        raise CheckSkippedError("no lock file is known here: name one with --lock")
    names, wrong = set(), []
    for lock in locks:
        for requirement in read_lock(lock):
            if requirement.marker is not None and not requirement.marker.evaluate():
                continue
            names.add(canonicalize_name(requirement.name))
            try:
                found = version(requirement.name)
            except PackageNotFoundError:
                wrong.append(f"{requirement.name} is missing")
                continue
            if not requirement.specifier.contains(found, prereleases=True):
                wrong.append(f"{requirement.name} is {found}, not {str(requirement.specifier).removeprefix('==')}")
    if wrong:
        raise CheckFailedError(f"{some(wrong)}: install what {some(lock.name for lock in locks)} names")
    return f"{len(names)} packages, each at its locked version"


def read_lock(path: Path) -> list[Requirement]:
    """The requirements of a file as `pip install --require-hashes` takes it.

    Raises:
        CheckFailedError: The file cannot be read, or a requirement in it is not pinned by `==`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckFailedError(f"the lock file '{path}' cannot be read: {error}") from None
    requirements = []
    for line in _CONTINUED.sub(" ", text).splitlines():
        wanted = _HASH.sub("", _COMMENT.sub("", line)).strip()
        if not wanted:
            continue
        try:
            requirement = Requirement(wanted)
        except InvalidRequirement:
            raise CheckFailedError(f"the lock file '{path}' has a line that is no requirement: '{wanted}'") from None
        if [each.operator for each in requirement.specifier] != ["=="]:
            raise CheckFailedError(f"the lock file '{path}' does not pin '{wanted}' to one version by ==")
        requirements.append(requirement)
    return requirements
