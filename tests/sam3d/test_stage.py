"""The engine sam3d behind the whole service, as `gen3d up --engine sam3d` runs it."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import trimesh

from infra.local.stage import Stage, running_stage
from serve.segment.draw import png
from serve.warm_up import drawing


def finish(stage: Stage, address: str, token: dict[str, str]) -> dict[str, Any]:
    """The job, once it has ended."""
    while not (job := httpx.get(address, headers=token).raise_for_status().json())["ended_at"]:
        stage.check()
        time.sleep(0.2)
    return dict(job)


def test_a_job_of_the_service_is_made_by_the_network(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEN3D_WEIGHTS", str(weights))
    monkeypatch.setenv("GEN3D_DEVICE", "cpu")
    pixels, ball = drawing()
    photo, box = png(pixels), [ball.box.x_min, ball.box.y_min, ball.box.x_max, ball.box.y_max]
    with running_stage(tmp_path / "stage", engine="sam3d") as stage:
        token = {"Authorization": f"Bearer {stage.token(stage.add_user('ada@example.com'))}"}
        asked = {
            "boxes": [box],
            "options": {"quality": "draft", "formats": ["glb", "splats"]},
            "file": {"name": "ball.png", "type": "image/png", "bytes": len(photo)},
        }
        made = httpx.post(f"{stage.page}/api/jobs", json=asked, headers=token).raise_for_status().json()
        form = made["upload"]
        httpx.post(form["url"], data=form["fields"], files={"file": photo}).raise_for_status()
        job = finish(stage, f"{stage.page}/api/jobs/{made['id']}", token)
        s3, bucket = stage.cloud.client("s3"), stage.outputs["BucketName"]
        listed = s3.list_objects_v2(Bucket=bucket, Prefix="users/")["Contents"]
        (key,) = (one["Key"] for one in listed if one["Key"].endswith("/outcome.json"))
        outcome = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        (mesh,) = (file for file in job["objects"][0]["files"] if file["name"] == "object-0.glb")
        (tmp_path / "object-0.glb").write_bytes(httpx.get(mesh["url"]).raise_for_status().content)
    assert (outcome["status"], outcome["engine"], outcome["preview"]) == ("succeeded", "sam3d", False)
    assert (job["status"], job["engine"], job["preview"]) == ("succeeded", "sam3d", False)
    assert len(trimesh.load_mesh(tmp_path / "object-0.glb").faces) > 0
