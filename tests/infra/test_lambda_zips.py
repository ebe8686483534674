"""The Lambdas' zips run where nothing but AWS's own packages is."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.lambda_zips import NAMES, build_zip, zip_hash

ROOT = Path(__file__).parents[2]
# What AWS's Python runtimes hold besides the standard library: boto3 and what it needs.
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
SETTINGS = {
    "AWS_LAMBDA_FUNCTION_NAME": "Gen3D-test",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",  # nothing listens there
    "GEN3D_BUCKET": "gen3d-test",
    "GEN3D_ENDPOINT": "Gen3D-test",
    "GEN3D_PAGE_URL": "https://gen3d.example/",
    "GEN3D_MAIL_FROM": "gen3d@example.com",
    "GEN3D_UPLOADED_QUEUE_URL": "http://127.0.0.1:9/1/uploaded",
    "GEN3D_FINISHED_QUEUE_URL": "http://127.0.0.1:9/1/finished",
}
# An event that each answers without a call, and its answer.
TEST_EVENT = {"messageId": "1", "body": '{"Event": "s3:TestEvent"}', "eventSource": "aws:sqs", "attributes": {}}
NOTHING = {"Records": [TEST_EVENT]}
EVENTS = {
    "jobs": ({"rawPath": "/api/nothing", "requestContext": {"http": {"method": "GET", "path": "/"}}}, 404),
    "extract": (NOTHING, {"batchItemFailures": []}),
    "notify": (NOTHING, {"batchItemFailures": []}),
}
PROGRAM = """
import importlib, json, sys
handler = importlib.import_module(f"lambdas.{sys.argv[1]}.handler")
if sys.argv[2] != "null":
    print(json.dumps(handler.handle(json.loads(sys.argv[2]), None)), file=sys.stderr)
print(*sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """A folder with AWS's packages and no others."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name in RUNTIME:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        origin = origin.parent if origin.name == "__init__.py" else origin
        (folder / origin.name).symlink_to(origin)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_handler_starts_and_answers_from_its_zip(name: str, runtime: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(io.BytesIO(build_zip(name))).extractall(unpacked)
    event, answer = EVENTS.get(name, (None, None))
    # -S: without this environment's own packages; -W: a warning at import would be one in every log.
    command = [sys.executable, "-S", "-B", "-W", "error::SyntaxWarning", "-c", PROGRAM, name, json.dumps(event)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{unpacked}{os.pathsep}{runtime}", **SETTINGS}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    if event is not None:
        told = json.loads(lines[-2])
        assert told.get("statusCode", told) == answer
    assert not set(lines[-1].split()) & {"serve", "pydantic", "numpy", "infra", "gen3d"}


@pytest.mark.parametrize("name", NAMES)
def test_a_zip_has_kilobytes_and_only_what_it_needs(name: str) -> None:
    data = build_zip(name)
    print(f"{name}: {len(data) / 1000:.0f} kB")  # noqa: T201 - for whoever asks with -rP
    assert len(data) < 400_000
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert len(names) == len(set(names))
    others = [other for other in NAMES if other != name]
    assert not [path for path in names if re.match(rf"lambdas/({'|'.join(others)})/", path)]
    assert not [path for path in names if path.endswith((".so", ".pyc")) or "__pycache__" in path]
    assert {"licenses/aws-lambda-powertools", "licenses/typing-extensions"} <= set(names)


def test_the_same_files_give_the_same_bytes() -> None:
    assert build_zip("sweep") == build_zip("sweep")
    assert len({zip_hash(build_zip(name)) for name in NAMES}) == len(NAMES)


def test_an_unknown_lambda_has_no_zip() -> None:
    with pytest.raises(KeyError):
        build_zip("other")


def test_the_lambdas_import_nothing_of_the_other_rooms() -> None:
    for path in (ROOT / "lambdas").rglob("*.py"):
        imported = set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
        assert not imported & {"serve", "gen3d", "model_loader", "selftest", "infra"}, path
