"""A Lambda's settings: a dataclass read from the environment and checked at cold start. Knows no setting itself."""

import os
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, TypeVar

PREFIX = "GEN3D_"
Settings = TypeVar("Settings")


class SettingError(Exception):
    """An environment variable is missing, or holds what it cannot; the message names it."""


@dataclass(frozen=True)
class _Rule:
    about: str
    least: int | None
    most: int | None


def setting(about: str, *, default: Any = MISSING, least: int | None = None, most: int | None = None) -> Any:
    """A field of settings: what it is about, and within which bounds an integer must lie."""
    return field(default=default, metadata={"rule": _Rule(about, least, most)})


def read_settings(kind: type[Settings], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in the environment: the field `page_url` in `GEN3D_PAGE_URL`.

    Raises:
        SettingError: Which is wrong.
    """
    values = {one.name: _read(one, environment) for one in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    return kind(**values)


def _read(one: "Field[Any]", environment: Mapping[str, str]) -> Any:
    name = PREFIX + one.name.upper()
    text = environment.get(name, "").strip()
    rule: _Rule = one.metadata["rule"]
    if not text:
        if one.default is MISSING:
            raise SettingError(f"{name} is not set. {rule.about}")
        return one.default
    if one.type is str:
        return text
    try:
        number = int(text)
    except ValueError:
        raise SettingError(f"{name} is '{text}', which is no integer. {rule.about}") from None
    if (rule.least is not None and number < rule.least) or (rule.most is not None and number > rule.most):
        raise SettingError(f"{name} is {number}; it must be from {rule.least} to {rule.most}. {rule.about}")
    return number
