"""The script of two users that the documents print."""

import json
import subprocess
from pathlib import Path

import trimesh

from infra.local.example import two_users
from infra.local.stage import Stage


def test_two_users_get_what_is_theirs_and_nothing_of_the_others(stage: Stage, tmp_path: Path) -> None:
    done = subprocess.run(["sh", "-eu", "-c", two_users(stage)], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    ada, bob = tmp_path / "ada", tmp_path / "bob"

    job = json.loads((ada / "job.json").read_text())
    assert job["status"] == "partial"
    assert [each["label"] for each in job["objects"]] == ["cup and saucer", "shuttle", "nothing"]
    assert [each["error"] and each["error"]["code"] for each in job["objects"]] == [None, None, "box_outside_image"]
    assert json.loads((bob / "job.json").read_text())["status"] == "succeeded"

    for made in (ada / "object-0.glb", ada / "object-1.glb", ada / "object-0.stl", bob / "object-0.glb"):
        assert len(trimesh.load_mesh(made).faces) > 100
    assert len(trimesh.load_scene(ada / "scene.glb").geometry) == 2
    assert not (ada / "object-2.glb").exists()

    assert json.loads((bob / "refused.json").read_text())["error"]["code"] == "job_not_found"
    assert "Bob asks for Ada's job: You have no such job." in done.stdout
    for user, subject in ((ada, "2 of your 3 3D objects are ready"), (bob, "Your 3D preview is ready")):
        mail = (user / "mail.txt").read_text()
        assert mail.startswith(f"Subject: {subject}: photo.jpg\n")
        assert json.loads((user / "job.json").read_text())["id"] in mail
