"""Tables of what users and their programs meet: limits, the API, jobs, formats, options."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import yaml

from docs.source.tables import code, table
from infra.templates import read_template
from lambdas.jobs import errors as api
from lambdas.jobs.settings import JobsSettings
from lambdas.shared.job_folder import LONGEST_LABEL
from lambdas.shared.pictures import MEDIA_TYPES
from serve.boxes import SMALLEST_SIDE
from serve.contract import Format, Options
from serve.mesh.export import compact_file, object_file, splats_file
from serve.mesh.meshes import WebMesh
from serve.settings import Settings

_ROOT: Final = Path(__file__).parents[2]
_HELD: Final = {
    "glb": "A mesh with its texture (glTF 2.0), for every program.",
    "web": "The same, smaller, for readers that know EXT_meshopt_compression. It comes with `glb`.",
    "obj": "OBJ, MTL and PNG, zipped.",
    "stl": "The shape alone, for printing.",
    "ply": "A mesh with colours by vertex.",
    "usdz": "For iOS and macOS, which show it by themselves.",
    "splats": "3D Gaussians, of the engine sam3d alone.",
}


def api_calls() -> str:
    """A row for each call of the API."""

    def rows() -> Iterator[list[str]]:
        for path, methods in _openapi()["paths"].items():
            for method, call in methods.items():
                if method != "parameters":
                    status = next(iter(call["responses"]))
                    answer = call["responses"][status]["description"]
                    yield [code(f"{method.upper()} {path}"), call["summary"], f"{status}: {answer}"]

    return table(["Call", "What it does", "Answer"], rows())


def api_errors() -> str:
    """A row for each error that the API answers with."""
    rows = [[code(name), status, meaning] for name, (status, meaning) in api.KINDS.items()]
    return table(["Code", "Status", "Meaning"], rows)


def job_errors() -> str:
    """A row for each code that the service gives a job that ended without objects."""
    described = _openapi()["components"]["schemas"]["Problem"]["properties"]["code"]["description"]
    lines = [line.removeprefix("- ").split(": ", 1) for line in described.splitlines() if line.startswith("- ")]
    return table(["Code", "Meaning"], lines)


def job_states() -> str:
    """A row for each status of a job."""
    meanings = {
        "waiting": "The job is made, its photo is not there yet.",
        "uploaded": "The photo is there.",
        "queued": "The endpoint has taken the job; nothing works on it yet.",
        "running": "The container works on it; `stage`, `object` and `percent` say where it is.",
        "succeeded": "Every object was made.",
        "partial": "Some objects were made; the others say why they were not.",
        "failed": "No object was made; `error` says why.",
        "cancelled": "Its user stopped it.",
        "lost": "Nobody answered in time; it can be tried again.",
    }
    names = _openapi()["components"]["schemas"]["Status"]["enum"]
    if set(names) != set(meanings):
        raise ValueError(f"statuses without a meaning, or gone: {set(names) ^ set(meanings)}")
    ends = names[names.index("succeeded") :]
    words = (_ROOT / "web" / "src" / "job" / "words.ts").read_text()
    shown = dict(re.findall(r'^  (\w+): \{ text: "([^"]+)", icon:', words, re.MULTILINE))
    rows = [[code(name), shown[name], "yes" if name in ends else "no", meanings[name]] for name in names]
    return table(["Status", "On the page", "Has ended", "Meaning"], rows)


def limits() -> str:
    """What users may ask for, and how long things are kept."""
    service, foundation = (read_template(name)["Parameters"] for name in ("service", "foundation"))
    rules = read_template("foundation")["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (tombstones,) = (rule for rule in rules if rule["Id"] == "Tombstones")
    password = read_template("foundation")["Resources"]["UserPool"]["Properties"]["Policies"]["PasswordPolicy"]
    client = read_template("foundation")["Resources"]["UserPoolClient"]["Properties"]

    def of(template: dict[str, Any], name: str) -> list[str]:
        return [f"{template[name]['Default']:,}", code(name)]

    jobs = JobsSettings("")
    faces, size = _bounds("faces"), _bounds("texture_size")
    kinds = ", ".join(dict.fromkeys(MEDIA_TYPES.values()))
    rows: list[list[object]] = [
        ["Boxes in a job", *of(service, "MaxBoxes")],
        ["A box's shorter side, within the photo", f"at least {SMALLEST_SIDE} pixels", ""],
        ["A photo's size, in millions of bytes", *of(service, "MaxPhotoMegabytes")],
        ["A photo's pixels", f"{Settings.model_fields['max_pixels'].default:,}", code("GEN3D_MAX_PIXELS")],
        ["A photo's format", kinds, ""],
        ["Jobs under way, for each user", *of(service, "MaxOpenJobs")],
        ["New jobs in 24 hours, for each user", *of(service, "MaxJobsADay")],
        ["Characters of a job's name", LONGEST_LABEL, ""],
        ["Triangles asked for with `faces`", f"{faces[0]:,} to {faces[1]:,}", ""],
        ["Pixels of a texture's side, with `texture_size`", f"{size[0]:,} to {size[1]:,}", ""],
        ["Time to upload a photo", _time(jobs.upload_seconds), ""],
        ["A link to a file works for", _time(jobs.link_seconds), ""],
        ["A sign-in's token is good for", f"{client['IdTokenValidity']} minutes", ""],
        ["Without signing in again for", f"{client['RefreshTokenValidity']} days", ""],
        ["A password", _password(password), ""],
        ["An invitation's password holds for", f"{password['TemporaryPasswordValidityDays']} days", ""],
        ["Photos are kept for, in days", *of(foundation, "PhotoDays")],
        ["Meshes are kept", "until their owner deletes them", ""],
        ["What was overwritten, or has expired, can be brought back for, in days", *of(foundation, "OldVersionDays")],
        ["A deleted job's mark, without content, stays for", f"{tombstones['ExpirationInDays']} days", ""],
    ]
    return table(["What", "How much", "Set by"], rows)


def formats() -> str:
    """A row for each format: what asks for it, its file, and what the file holds."""
    corner = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.uint32)
    normals = (corner - corner.mean(0)) / np.linalg.norm(corner - corner.mean(0), axis=1, keepdims=True)
    mesh = WebMesh(corner, normals.astype(np.float32), corner[:, :2], faces, np.zeros((8, 8, 3), np.uint8))

    def rows() -> Iterator[list[str]]:
        for name in get_args(Format):
            if name == "splats":
                made = splats_file(b"", "object-0")
            else:
                made = object_file(mesh, "object-0", name, generator="Gen3D")
            yield [code(name), code(made.name), code(made.media_type), _HELD[name]]
            if name == "glb":
                made = compact_file(mesh, "object-0", generator="Gen3D")
                yield ["", code(made.name), code(made.media_type), _HELD["web"]]

    return table(["Format", "File", "Media type", "What it holds"], rows())


def options() -> str:
    """A row for each option of a job."""

    def rows() -> Iterator[list[str]]:
        for name, field in _options().items():
            default = "" if field["default"] is None else code(json.dumps(field["default"]))
            yield [code(name), _values(field), default, field["description"]]

    return table(["Option", "Values", "Default", "Meaning"], rows())


def _options() -> dict[str, dict[str, Any]]:
    return dict(Options.model_json_schema()["properties"])


def _values(field: dict[str, Any]) -> str:
    if "anyOf" in field:  # or nothing
        return _values(field["anyOf"][0])
    if field.get("type") == "array":
        return f"a list of {_values(field['items'])}"
    if "enum" in field:
        return ", ".join(map(code, field["enum"]))
    if field["type"] == "integer":
        most = field["maximum"] if "maximum" in field else field["exclusiveMaximum"] - 1
        return f"{field['minimum']:,} to {most:,}"
    return "`true`, `false`"


def _bounds(option: str) -> tuple[int, int]:
    rule = _options()[option]["anyOf"][0]
    return rule["minimum"], rule["maximum"]


def _password(policy: dict[str, Any]) -> str:
    """What Cognito asks of one."""
    kinds = {
        "RequireLowercase": "a lower-case letter",
        "RequireUppercase": "an upper-case letter",
        "RequireNumbers": "a digit",
        "RequireSymbols": "a symbol",
    }
    wanted = ", ".join(kind for rule, kind in kinds.items() if policy[rule])
    return f"at least {policy['MinimumLength']} characters, with {wanted}"


def _time(seconds: int) -> str:
    return f"{seconds // 60} minutes"


def _openapi() -> dict[str, Any]:
    return dict(yaml.safe_load((_ROOT / "lambdas" / "jobs" / "openapi.yaml").read_text()))


REGIONS: Final[dict[str, Callable[[], str]]] = {
    "api-calls": api_calls,
    "api-errors": api_errors,
    "job-errors": job_errors,
    "job-states": job_states,
    "limits": limits,
    "formats": formats,
    "options": options,
}
