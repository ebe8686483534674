"""The CloudFormation templates as data, and the hash that names what AWS cannot change. Deploys nothing."""

import copy
import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

import yaml

Name = Literal["foundation", "endpoint", "service"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)
# Of the endpoint's template: they have ContentHash in their names.
HASHED: Final = ("Model", "EndpointConfig")

_FOLDER = Path(__file__).parent
_HASH_DIGITS = 12
_IN_SUB = re.compile(r"\$\{([A-Za-z0-9]+)[.}]")


def template_file(name: Name) -> Path:
    """Where a template lies."""
    return _FOLDER / f"{name}.yaml"


def read_template(name: Name) -> dict[str, Any]:
    """A template, with its functions in the long form: `!Ref Stage` is `{"Ref": "Stage"}`."""
    return copy.deepcopy(_parse(template_file(name).read_text(encoding="utf-8")))


@functools.cache  # it takes tenths of a second, and a deployment asks for parameters often
def _parse(text: str) -> dict[str, Any]:
    return dict(yaml.load(text, _Loader))  # noqa: S506 - a subclass of the safe loader


def content_hash(parameters: Mapping[str, str]) -> str:
    """What the endpoint's template takes as `ContentHash`: 12 hexadecimal digits.

    It is another where the properties of the model or of the endpoint's configuration would be others, and the same
    for any other change: of how many instances there may be, or of a comment.

    Args:
        parameters: Those of the endpoint's template that are not left at their defaults.

    Raises:
        KeyError: One is missing that has no default.
    """
    template = read_template("endpoint")
    declared, conditions = template["Parameters"], template["Conditions"]
    resources = {name: template["Resources"][name]["Properties"] for name in HASHED}
    used: dict[str, str] = {}
    seen: dict[str, Any] = {}
    waiting: list[Any] = [resources]
    while waiting:
        for reference in _references(waiting.pop()):
            if reference in conditions and reference not in seen:
                seen[reference] = conditions[reference]
                waiting.append(conditions[reference])
            elif reference in declared and reference != "ContentHash":
                given = parameters.get(reference)
                used[reference] = str(declared[reference]["Default"]) if given is None else given
    content = {"resources": resources, "conditions": seen, "parameters": used}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_HASH_DIGITS]


def _references(node: Any) -> Iterator[str]:
    """Names of parameters, resources and conditions that a part of a template refers to."""
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("Ref", "Condition") and isinstance(value, str):
                yield value
            elif key == "Fn::If":
                yield value[0]
                yield from _references(value[1:])
            elif key == "Fn::Sub":
                yield from _IN_SUB.findall(value if isinstance(value, str) else value[0])
                yield from _references(value)
            else:
                yield from _references(value)


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms too."""


def _function(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]  # what else there is
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _function)
