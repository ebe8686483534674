"""The notebook runs from top to bottom against the service on this machine, with the rights of its role in AWS."""

import ast
import base64
import copy
import io
import json
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from html import unescape
from typing import Any, Final
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from PIL import Image

import infra.local.running
from infra.actions import CALLS
from infra.local.cloud import Keys
from infra.local.running import note_running
from infra.local.stage import Stage
from infra.templates import read_template
from tests.conftest import ROOT

# The first test that needs the notebook is charged for its run, and for the stage's start.
pytestmark = pytest.mark.timeout(300)

FOLDER: Final = ROOT / "notebooks"
NOTEBOOK: Final = nbformat.read(FOLDER / "gen3d.ipynb", as_version=4)  # type: ignore[no-untyped-call]
CODE: Final = {cell["id"]: cell for cell in NOTEBOOK.cells if cell.cell_type == "code"}
# Runs before the first cell: the kernel finds the worker's stage, has the role's rights in it, and tells of each call.
BEFORE: Final = """\
import json
import warnings
from pathlib import Path

import boto3

import infra.local.cloud
import infra.local.running

warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=PendingDeprecationWarning, module="ipykernel")  # of itself, when it ends
infra.local.running.NOTES = Path({notes!r})
infra.local.cloud.ROOT_KEYS = infra.local.cloud.Keys({id!r}, {secret!r})


def tell(params, model, **_):
    with open({calls!r}, "a") as file:
        asked = {{name: value for name, value in params.items() if isinstance(value, str)}}
        file.write(json.dumps([model.service_model.service_name, model.name, asked]) + "\\n")


boto3.setup_default_session()
boto3.DEFAULT_SESSION.events.register("provide-client-params", tell)
"""


@dataclass(frozen=True)
class Ran:
    """What came of it.

    Attributes:
        outputs: Those of each cell, by its id.
        calls: To AWS: the service, the operation and those of its parameters that are texts.
        stage: Where.
    """

    outputs: dict[str, list[NotebookNode]]
    calls: list[tuple[str, str, dict[str, str]]]
    stage: Stage

    def tables(self, cell: str) -> Iterator[list[dict[str, str]]]:
        """The tables that a cell shows, as rows by the head's names."""
        for html in self.shown(cell, "text/html"):
            if html.startswith("<table>"):
                head, *rows = [[each.text or "" for each in row] for row in ElementTree.fromstring(html).iter("tr")]
                yield [dict(zip(head, row, strict=True)) for row in rows]

    def table(self, cell: str) -> list[dict[str, str]]:
        (found,) = self.tables(cell)
        return found

    def picture(self, cell: str) -> Image.Image:
        (found,) = self.shown(cell, "image/png") or self.shown(cell, "image/jpeg")
        return Image.open(io.BytesIO(base64.b64decode(found)))

    def shown(self, cell: str, media_type: str) -> list[str]:
        data = [output.get("data", {}) for output in self.outputs[cell]]
        return [each[media_type] for each in data if media_type in each]


@pytest.fixture(scope="module")
def ran(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("notebook")
    notes, calls, keys = folder / "notes", folder / "calls", role_keys(stage)
    before = BEFORE.format(notes=str(notes), id=keys.id, secret=keys.secret, calls=str(calls))
    notebook = copy.deepcopy(NOTEBOOK)
    notebook.cells.insert(0, new_code_cell(before))  # type: ignore[no-untyped-call]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(infra.local.running, "NOTES", notes)
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        with note_running(stage, stage.add_user(f"{uuid.uuid4().hex[:8]}@example.com")):
            client = NotebookClient(
                notebook, timeout=100, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
            )
            client.execute()
    outputs = {cell["id"]: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    return Ran(outputs, [tuple(json.loads(line)) for line in calls.read_text().splitlines()], stage)


def role_keys(stage: Stage) -> Keys:
    """Keys of a new user with the policies of the notebook's role: the stage local has no notebook, so no such role."""
    iam, user = stage.cloud.client("iam"), f"notebook-{uuid.uuid4().hex[:8]}"
    values = {
        "AWS::Partition": "aws",
        "AWS::Region": iam.meta.region_name,
        "AWS::AccountId": stage.cloud.client("sts").get_caller_identity()["Account"],
        "Stage": "local",
        "NotebookSource": "source/gen3d.zip",
        **stage.outputs,
    }

    def spelt(value: Any) -> Any:
        if isinstance(value, list):
            return [spelt(each) for each in value]
        if isinstance(value, dict) and "Fn::Sub" in value:
            return re.sub(r"\$\{([\w:]+)\}", lambda name: values[name[1]], value["Fn::Sub"])
        return {key: spelt(each) for key, each in value.items()} if isinstance(value, dict) else value

    iam.create_user(UserName=user)
    for policy in read_template("service")["Resources"]["NotebookRole"]["Properties"]["Policies"]:
        document = json.dumps(spelt(policy["PolicyDocument"]))
        iam.put_user_policy(UserName=user, PolicyName=policy["PolicyName"], PolicyDocument=document)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    return Keys(made["AccessKeyId"], made["SecretAccessKey"])


def test_it_is_committed_without_outputs() -> None:
    """Seconds and sizes would be wrong with the next change and nobody would see it; pictures would be megabytes."""
    for cell in CODE.values():
        assert cell.outputs == []
        assert cell.execution_count is None
    assert set(NOTEBOOK.metadata) == {"kernelspec", "language_info"}
    assert not re.search(r"/(home|root|tmp|Users)/", json.dumps(NOTEBOOK))


def test_one_cell_says_where_and_it_is_the_first() -> None:
    first, *others = CODE.values()
    assert first.metadata.tags == ["parameters"]
    assert assigned(first) == {"STAGE", "REGION"}
    assert not any(assigned(cell) & {"STAGE", "REGION"} for cell in others)


def assigned(cell: NotebookNode) -> set[str]:
    tree = ast.parse(re.sub(r"^(\s*)%.*", r"\1pass", cell.source, flags=re.MULTILINE))
    stored = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return {node.id for node in stored}


def test_all_it_needs_in_aws_is_among_what_it_installs() -> None:
    """The stage local alone needs more, which runs with the checkout's own kernel."""
    sources = [re.sub(r"^(\s*)%.*", r"\1pass", cell.source, flags=re.MULTILINE) for cell in CODE.values()]
    sources.append((FOLDER / "showing.py").read_text())
    imported = {name for source in sources for name in imports(ast.parse(source))}
    (locked,) = re.findall(r"--requirement (\S+)", CODE["install"].source)
    packages = set(re.findall(r"^([\w-]+)==", (FOLDER / locked).read_text(), re.MULTILINE))
    rooms = {"serve", "notebooks"}
    assert imported - set(sys.stdlib_module_names) - rooms - {"IPython"} <= packages | {"PIL"}
    assert {"pillow", "meshopt"} <= packages


def imports(tree: ast.AST) -> Iterator[str]:
    """The packages that a program imports, but for those of what is done for the stage local alone."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "STAGE == 'local'":
        return
    if isinstance(tree, ast.Import):
        yield from (name.name.partition(".")[0] for name in tree.names)
    if isinstance(tree, ast.ImportFrom):
        yield str(tree.module).partition(".")[0]
    for child in ast.iter_child_nodes(tree):
        yield from imports(child)


def test_the_server_answers_in_each_of_its_forms(ran: Ran) -> None:
    assert ran.table("serve")[0]["status"] == "200"
    (scene,) = ran.shown("form", "text/html")
    assert names_of_meshes(scene) == {"cup and saucer", "bowl of the spoon"}
    archive = {row["file"]: int(row["bytes"]) for row in ran.table("photo-form")}
    assert {"manifest.json", "scene.glb", "object-0.glb", "object-0.stl", "object-0.usdz"} <= set(archive)
    assert all(archive.values())
    whole, objects = ran.tables("json-form")
    assert (whole[0]["status"], whole[0]["name"]) == ("partial", "preview")
    assert [(each["status"], each["error"]) for each in objects] == [
        ("succeeded", "None"),
        ("failed", "box_outside_image"),
    ]


def names_of_meshes(viewer: str) -> set[str]:
    """What the GLB in a viewer has: its nodes that have a mesh."""
    encoded = max(re.findall(r"[A-Za-z0-9+/=]{1000,}", unescape(viewer)), key=lambda text: text.startswith("Z2xURg"))
    glb = base64.b64decode(encoded)
    assert glb[:4] == b"glTF"
    gltf = json.loads(glb[20 : 20 + int.from_bytes(glb[12:16], "little")])
    return {node["name"] for node in gltf["nodes"] if "mesh" in node}


def test_the_server_says_what_is_wrong(ran: Ran) -> None:
    assert [(row["status"], row["code"]) for row in ran.table("errors")] == [
        ("422", "no_boxes"),
        ("422", "invalid_box"),
        ("422", "invalid_request"),
        ("422", "image_missing"),
        ("422", "image_unsupported"),
        ("422", "image_uri_invalid"),
        ("415", "unsupported_media_type"),
        ("406", "not_acceptable"),
    ]
    assert all(row["message"] for row in ran.table("errors"))


def test_the_server_ends_when_it_is_told_to(ran: Ran) -> None:
    assert ran.outputs["end-server"][0].data["text/plain"] in ("0", "-15")


def test_the_endpoint_makes_the_objects_of_the_boxes(ran: Ran) -> None:
    assert ran.table("endpoint")[0]["EndpointStatus"] == "InService"
    whole, objects = ran.tables("sent")
    assert whole[0]["status"] == "succeeded"
    assert [(each["label"], each["status"]) for each in objects] == [
        ("cup and saucer", "succeeded"),
        ("bowl of the spoon", "succeeded"),
    ]
    (scene,) = ran.shown("scene", "text/html")
    assert names_of_meshes(scene) == {"cup and saucer", "bowl of the spoon"}


def test_a_failure_is_told_in_the_words_of_the_container(ran: Ran) -> None:
    assert "no_boxes" in "".join(ran.shown("failure", "text/html"))


def test_a_higher_quality_has_more_triangles_and_bytes(ran: Ran) -> None:
    rows = ran.table("qualities")
    assert [row["quality"] for row in rows] == ["draft", "standard", "high"]
    for column in ("triangles", "object-0.glb", "object-0.web.glb"):
        numbers = [int(row[column]) for row in rows]
        assert numbers == sorted(set(numbers)), column
    assert all(float(row["silhouette_iou"]) > 0.9 for row in rows)


@pytest.mark.parametrize(
    ("cell", "size"),
    [("photo", (600, 400)), ("made", (600, 400)), ("sides", (1024, 540)), ("side-by-side", (1024, 796))],
)
def test_pictures_show_something(ran: Ran, cell: str, size: tuple[int, int]) -> None:
    picture = ran.picture(cell)
    assert picture.size == size
    assert np.asarray(picture.convert("L")).std() > 20


def test_it_calls_nothing_that_its_role_may_not(ran: Ran) -> None:
    """Nor was it refused anything by the local cloud; which checks no rights for SageMaker, so the table does."""
    bucket, endpoint = ran.stage.outputs["BucketName"], ran.stage.outputs["EndpointName"]
    assert ran.calls
    for service, operation, asked in ran.calls:
        # https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: needs no permission
        if (service, operation) == ("sts", "GetCallerIdentity"):
            continue
        assert asked.get("Bucket", bucket) == bucket
        assert asked.get("EndpointName", endpoint) == endpoint
        on = f"bucket/{asked['Key']}" if "Key" in asked else "endpoint"
        granted = {grant.resource for grant in CALLS["notebook"][f"{service}:{operation}"]}
        assert any(fnmatchcase(on, resource) for resource in granted), (operation, on)
