"""Containers of the image serve as SageMaker runs them, and where less is allowed."""

import io
import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import pytest
from pxr import Usd, UsdGeom

from serve.contract import Format, Manifest
from tests.image.containers import Container, Image

pytestmark = pytest.mark.timeout(1200)  # the first test builds the image


def test_any_user_gets_a_scene_with_a_read_only_root_and_little_memory(
    hardened: Container, coffee: dict[str, Any], tmp_path: Path, validate_glb: Callable[..., list[dict[str, Any]]]
) -> None:
    assert hardened.run("id", "-u").strip() == "12345"
    answer = hardened.ask("POST", "/invocations", **coffee, headers={"Accept": "model/gltf-binary"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Gen3D-Status"] == "succeeded"
    scene = tmp_path / "scene.glb"
    scene.write_bytes(answer.content)
    (report,) = validate_glb(scene)
    assert report["info"]["totalTriangleCount"] > 1000


def test_every_format_is_made_with_what_was_left_in_the_image(
    hardened: Container, coffee: dict[str, Any], tmp_path: Path
) -> None:
    formats = sorted({*get_args(Format)} - {"splats"})  # which the engine preview cannot make
    form = {**coffee["data"], "options": json.dumps({"formats": formats})}
    answer = hardened.ask(
        "POST", "/invocations", files=coffee["files"], data=form, headers={"Accept": "application/zip"}
    )
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as everything:
        everything.extractall(tmp_path)
    manifest = Manifest.model_validate_json((tmp_path / "manifest.json").read_bytes())
    assert [made.status for made in manifest.objects] == ["succeeded", "succeeded"]
    endings = {path.name.partition(".")[2] for path in tmp_path.glob("object-0.*")}
    assert endings >= {"glb", "ply", "stl", "usdz"}, endings
    stage = Usd.Stage.Open(str(tmp_path / "object-0.usdz"))
    assert [prim.GetTypeName() for prim in stage.Traverse()].count("Mesh") == 1
    assert UsdGeom.GetStageUpAxis(stage) == "Y"


def test_it_runs_as_root_too(serve_image: Callable[..., Container], coffee: dict[str, Any]) -> None:
    server = serve_image()
    server.wait_until_ready()
    assert server.run("id", "-u").strip() == "0"
    answer = server.ask("POST", "/invocations", **coffee, headers={"Accept": "model/gltf-binary"})
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"glTF")


def test_it_answers_on_every_address(hardened: Container, serve_image: Callable[..., Container]) -> None:
    # The only one that a network of its own has besides 127.0.0.1, where a server bound to that one is not heard.
    elsewhere = "127.0.0.2"
    assert hardened.ask("GET", "/ping", host=elsewhere).status_code == 200
    withdrawn = serve_image(GEN3D_HOST="127.0.0.1")
    withdrawn.wait_until_ready()
    with pytest.raises(ConnectionError):
        withdrawn.ask("GET", "/ping", host=elsewhere)


def test_sigterm_during_a_request_lets_it_finish(serve_image: Callable[..., Container], coffee: dict[str, Any]) -> None:
    server = serve_image("--read-only", "--tmpfs=/tmp", "--user=12345:12345")
    server.wait_until_ready()
    boxes = [[75 + shift, 12, 484, 394] for shift in range(0, 32, 4)]
    form = {"boxes": json.dumps(boxes), "options": json.dumps({"quality": "high", "formats": ["glb", "usdz"]})}
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(server.ask, "POST", "/invocations", files=coffee["files"], data=form)
        server.wait_for(lambda it: '"stage": "reconstruct"' in it.log())
        assert not asked.done()
        # Docker kills after these seconds, and the exit status is then 137.
        server.stop(25)
        answer = asked.result()
    assert server.state()["ExitCode"] == 0, server.log()
    assert answer.status_code == 200, answer.text
    manifest = Manifest.model_validate_json(answer.content)
    assert [made.status for made in manifest.objects] == ["succeeded"] * len(boxes)


def test_the_server_is_the_first_process(hardened: Container) -> None:
    assert hardened.run("cat", "/proc/1/cmdline").split("\0")[1:3] == ["/opt/gen3d/bin/gen3d", "serve"]


def test_docker_sees_that_it_is_healthy(serve_image: Callable[..., Container]) -> None:
    server = serve_image("--health-interval=1s")
    server.wait_for(lambda it: it.state()["Health"]["Status"] == "healthy")


def test_docker_sees_that_it_is_not_ready(serve_image: Callable[..., Container]) -> None:
    flags = ["--health-interval=1s", "--health-start-period=1ms", "--health-retries=1"]
    server = serve_image(*flags, GEN3D_ENGINE="sam3d")
    server.wait_for(lambda it: code_of_ping(it) == "engine_failed")
    server.wait_for(lambda it: it.state()["Health"]["Status"] == "unhealthy")
    answer = server.ask("GET", "/ping")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "engine_failed"


def code_of_ping(server: Container) -> str:
    """Of its error; none where nobody listens yet."""
    try:
        return str(server.ask("GET", "/ping").json().get("error", {}).get("code", ""))
    except ConnectionError:
        return ""


def test_it_binds_the_port_that_sagemaker_wants(serve_image: Callable[..., Container]) -> None:
    server = serve_image("--health-interval=1s", SAGEMAKER_BIND_TO_PORT="8090")
    server.wait_until_ready(port=8090)
    server.wait_for(lambda it: it.state()["Health"]["Status"] == "healthy")
    with pytest.raises(ConnectionError):
        server.ask("GET", "/ping", port=8080)


def test_without_an_argument_it_serves(image: Image) -> None:
    assert image.config["Cmd"] == ["serve"]


@pytest.mark.parametrize("service", ["s3", "signin", "sso", "sso-oidc", "sts"])
def test_aws_is_known_as_far_as_it_is_needed(image: Image, service: str) -> None:
    image.run("python", "-c", f"import boto3; boto3.client({service!r}, region_name='eu-central-1')")
