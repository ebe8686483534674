"""The service as its users have it, where something goes wrong on the way."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.example import BOX, PHOTO
from infra.local.stage import Stage, User
from infra.operator.service import ApiError, Results, Service, Session
from infra.operator.stage import find_stage
from serve.errors import Gen3DError


@pytest.fixture
def session(demo: User) -> Session:
    return Session(find_stage("local"), demo.email, demo.password)


@pytest.fixture
def service(session: Session) -> Any:
    with Service(find_stage("local"), session) as service:
        yield service


def asked(size: int = PHOTO.stat().st_size) -> dict[str, Any]:
    file = {"name": "photo.jpg", "type": "image/jpeg", "bytes": size}
    return {"boxes": [BOX], "options": {"quality": "draft"}, "file": file}


def ended(service: Service) -> dict[str, Any]:
    """A job that has made a mesh."""
    made = service.create(asked())
    service.upload(made["upload"], PHOTO.read_bytes(), "image/jpeg", lambda _: None)
    *_, last = service.follow(made["id"])
    assert last["status"] == "succeeded"
    return last


def test_a_token_that_has_expired_is_renewed(service: Service, session: Session) -> None:
    made = service.create(asked())
    session.token = "expired"
    assert service.job(made["id"])["status"] == "waiting"
    assert session.token != "expired"


def test_a_link_that_has_expired_is_asked_for_anew(service: Service, tmp_path: Path) -> None:
    job = ended(service)
    for file in (*job["files"], *job["objects"][0]["files"]):
        file["url"] = file["url"].replace("X-Amz-Date=2", "X-Amz-Date=1")
    Results(service, tmp_path).fetch(job)
    assert {file.name for file in tmp_path.iterdir() if file.is_file()} >= {"object-0.glb", "scene.glb"}
    assert (tmp_path / "object-0.glb").read_bytes()[:4] == b"glTF"


def test_what_cannot_be_downloaded_leaves_no_half_a_file(service: Service, stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(Gen3DError, match=r"service_unreachable: a.glb cannot be downloaded \(status 403\)"):
        service.download(f"{stage.cloud.address}/{stage.outputs['BucketName']}/a.glb", tmp_path / "a.glb")
    assert not list(tmp_path.glob("*a.glb*"))


def test_a_file_is_downloaded_once(service: Service, tmp_path: Path) -> None:
    job, results = ended(service), Results(service, tmp_path)
    results.fetch(job)
    (tmp_path / "object-0.glb").unlink()
    results.fetch(job)
    assert not (tmp_path / "object-0.glb").exists()


@pytest.mark.parametrize("name", ["../object-0.glb", "/etc/passwd", "a/b.glb", "", ".hidden"])
def test_a_file_whose_name_leads_elsewhere_is_not_written(service: Service, tmp_path: Path, name: str) -> None:
    job = {"id": "any", "objects": [], "files": [{"name": name, "bytes": 1, "url": "http://127.0.0.1:9/"}]}
    with pytest.raises(Gen3DError, match="no name of a result"):
        Results(service, tmp_path).fetch(job)


def test_a_photo_larger_than_announced_is_refused_by_s3(service: Service) -> None:
    made = service.create(asked(size=10))
    with pytest.raises(Gen3DError, match="upload_refused: S3 does not take the photo: EntityTooLarge"):
        service.upload(made["upload"], PHOTO.read_bytes(), "image/jpeg", lambda _: None)


def test_sending_tells_how_far_it_is(service: Service) -> None:
    told: list[float] = []
    service.upload(service.create(asked())["upload"], PHOTO.read_bytes(), "image/jpeg", told.append)
    assert told == sorted(told)
    assert told[0] < 50
    assert told[-1] == 100


def test_what_the_api_refuses_comes_with_its_own_code(service: Service) -> None:
    with pytest.raises(ApiError) as refused:
        service.job("8204561455749-fbeae30ea5daffa3")
    assert (refused.value.status, refused.value.code) == (404, "job_not_found")


def test_a_user_who_must_choose_a_password_first_is_told_where(stage: Stage) -> None:
    cognito, pool = stage.cloud.client("cognito-idp"), stage.outputs["UserPoolId"]
    cognito.admin_create_user(
        UserPoolId=pool, Username="not-yet@example.com", TemporaryPassword="Aa1-temporary", MessageAction="SUPPRESS"
    )
    with pytest.raises(Gen3DError, match=r"sign_in_failed: .*NEW_PASSWORD_REQUIRED.* on the page first"):
        Session(find_stage("local"), "not-yet@example.com", "Aa1-temporary")


def test_a_cognito_that_is_asked_too_much_says_nothing_of_the_password(
    session: Session, demo: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        said = {"Error": {"Code": "TooManyRequestsException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        raise ClientError(said, "InitiateAuth")  # type: ignore[arg-type]

    monkeypatch.setattr(session._cognito, "initiate_auth", refuse)
    with pytest.raises(Gen3DError, match="aws_unreachable: AWS answers InitiateAuth with TooManyRequestsException"):
        session.renew()


def test_a_cognito_that_is_away_for_a_moment_is_waited_for(
    service: Service, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = service.create(asked())
    session.token, renew = "expired", session.renew

    def refuse() -> None:
        monkeypatch.setattr(session, "renew", renew)
        raise Gen3DError("aws_unreachable", "AWS did not answer.")

    monkeypatch.setattr(session, "renew", refuse)
    assert next(service.follow(made["id"]))["status"] == "waiting"


def test_an_api_that_is_away_for_a_moment_is_waited_for(
    service: Service, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = service.create(asked())
    there = service._jobs
    monkeypatch.setattr(service, "_jobs", "http://127.0.0.1:9/api/jobs")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        monkeypatch.setattr(service, "_jobs", there)

    monkeypatch.setattr("infra.operator.service.time", SimpleNamespace(sleep=pause, monotonic=time.monotonic))
    assert next(service.follow(made["id"]))["status"] == "waiting"
    assert len(pauses) == 1
