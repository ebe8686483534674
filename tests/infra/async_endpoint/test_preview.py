"""The whole way with the genuine container, `gen3d serve` as a child process: a photo in, meshes out."""

import json
import os
import sys
from pathlib import Path

from infra.local.async_endpoint.container import ProcessContainer
from infra.local.async_endpoint.endpoint import Scaling
from tests.conftest import ROOT
from tests.infra.async_endpoint.play import REGION, Place, wait_until


def test_a_photo_becomes_meshes_and_the_server_comes_and_goes(place: Place, photos: Path, tmp_path: Path) -> None:
    job = f"s3://{place.bucket}/users/u1/jobs/job-1"
    place.s3.upload_file(str(photos / "coffee.jpg"), place.bucket, "users/u1/jobs/job-1/image")
    boxes = [[75, 12, 484, 394], [9000, 9000, 9100, 9100]]
    request = {"job_id": "job-1", "image_uri": f"{job}/image", "output_uri": f"{job}/output/", "boxes": boxes}
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL": place.cloud.address,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "GEN3D_OUTPUT_PREFIXES": f"s3://{place.bucket}/users/",
    }
    made: list[ProcessContainer] = []

    def make_container(_: str) -> ProcessContainer:
        command = [sys.executable, "-W", "error", "-m", "gen3d", "serve", "--port"]
        made.append(ProcessContainer(lambda port: [*command, str(port)], tmp_path / "container.log", environment))
        return made[-1]

    with place.served(make_container, Scaling(idle_seconds=600)):
        told = {"InferenceId": "job-1", "ContentType": "application/json", "Accept": "application/json"}
        answer = place.ask(json.dumps(request).encode(), **told)
        refused = place.ask(b"{}", **told)
        place.wait_until_done()
        place.clock.time += 600
        wait_until(lambda: made[0].address == "")
        assert place.state()["instances"] == 0
    results = place.results()
    manifest = json.loads(results[answer["OutputLocation"]])
    assert manifest["job_id"] == "job-1"
    assert manifest["status"] == "partial"
    assert [made["status"] for made in manifest["objects"]] == ["succeeded", "failed"]
    stored = place.s3.list_objects_v2(Bucket=place.bucket, Prefix="users/u1/jobs/job-1/output/")["Contents"]
    assert "users/u1/jobs/job-1/output/scene.glb" in [listed["Key"] for listed in stored]
    assert json.loads(results[refused["FailureLocation"]])["error"]["code"]
    assert [message["invocationStatus"] for message in place.messages()] == ["Completed", "Failed"]
    assert len(made) == 1
