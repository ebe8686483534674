"""One photo through the whole service, as a user of it, who is gone afterwards. Knows neither stacks nor steps."""

import hashlib
import json
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from infra.deploy.step import Step
from infra.lambda_codes import has_object
from infra.operator.service import Service, Session
from infra.operator.stage import DeployedStage
from serve.errors import Gen3DError

_PHOTO: Final = Path(__file__).parents[2] / "demo" / "demo.jpg"
_BOX: Final = [20, 20, 400, 400]  # a cup on a plate
# An instance needs up to half an hour to start, and its alarm a few minutes to notice the job.
PATIENCE_SECONDS: Final = 45 * 60.0
# Takes mails in SES's sandbox too, and nobody reads them.
# Source: https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
_MAILBOX: Final = "success+gen3d-{}@simulator.amazonses.com"


class SmokeStep(Step):
    """Has a photo gone through the service as it is now; what has passed is noted in the bucket."""

    name = "smoke test"
    LINE: Final = "send one photo through the endpoint, as a user made for it, and delete both"

    @property
    def needs(self) -> frozenset[str]:
        """See `Step`."""
        return frozenset(("sagemaker-runtime",))

    def plan(self) -> list[str]:
        """See `Step`."""
        note, outputs = self._note(), self.deployment.outputs
        if not self.deployment.asked.with_smoke_test:
            return []
        if note and has_object(self.deployment.account.client("s3"), outputs["BucketName"], note):
            return []
        return [self.LINE]

    def do(self) -> None:
        """See `Step`."""
        account, asked = self.deployment.account, self.deployment.asked
        stage = DeployedStage(asked.stage, self.deployment.outputs, account.client, None)
        seconds = smoke_test(stage, self.deployment.tell)
        account.client("s3").put_object(
            Bucket=self.deployment.outputs["BucketName"],
            Key=self._note(),
            Body=json.dumps({"seconds": round(seconds, 1)}).encode(),
            ContentType="application/json",
        )

    def _note(self) -> str:
        """The key of the note that this has passed: by what the photo goes through. Empty where that is not there."""
        outputs = self.deployment.outputs
        if "EndpointConfigName" not in outputs or "JobsName" not in outputs:
            return ""
        service = self.deployment.stack("service").parameters()
        content = json.dumps([outputs["EndpointConfigName"], service], sort_keys=True)
        return f"deploy/passed-{hashlib.sha256(content.encode()).hexdigest()[:16]}.json"


def smoke_test(stage: DeployedStage, tell: Callable[[str], None]) -> float:
    """Makes a user and a job, waits for the mesh, and removes both again; the seconds from upload to mesh.

    Args:
        stage: Where.
        tell: Is told what the job is at, in one line.

    Raises:
        Gen3DError: `deployment_failed`: no mesh came out; or what the service refuses.
    """
    cognito, pool = stage.client("cognito-idp"), stage.outputs["UserPoolId"]
    email, password = _MAILBOX.format(secrets.token_hex(4)), f"Aa1-{secrets.token_hex(16)}"
    cognito.admin_create_user(
        UserPoolId=pool,
        Username=email,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}],
    )
    try:
        cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=True)
        with Service(stage, Session(stage, email, password)) as service:
            return _try_out(service, tell)
    finally:
        cognito.admin_delete_user(UserPoolId=pool, Username=email)


def _try_out(service: Service, tell: Callable[[str], None]) -> float:
    photo = _PHOTO.read_bytes()
    asked = {
        "boxes": [_BOX],
        "options": {"quality": "draft"},
        "file": {"name": _PHOTO.name, "type": "image/jpeg", "bytes": len(photo)},
        "label": "smoke test",
    }
    made = service.create(asked)
    began = time.monotonic()
    try:
        service.upload(made["upload"], photo, "image/jpeg", lambda _: None)
        tell(f"smoke test: job {made['id']}")
        job = _ended(service, made["id"], tell)
        _check(service, job)
    finally:
        with suppress(Gen3DError):  # what made it fail is worth more
            service.delete(made["id"])
    return time.monotonic() - began


def _ended(service: Service, job_id: str, tell: Callable[[str], None]) -> dict[str, Any]:
    began, told = time.monotonic(), ""
    for job in service.follow(job_id):
        at = str(job["stage"] or job["status"])
        if at != told:
            tell(f"smoke test: {at}")
            told = at
        if job["ended_at"] is None and time.monotonic() - began > PATIENCE_SECONDS:
            message = f"The smoke test's job {job_id} has not ended after {PATIENCE_SECONDS / 60:.0f} minutes ({at})."
            raise Gen3DError("deployment_failed", message)
    return job


def _check(service: Service, job: dict[str, Any]) -> None:
    meshes = [file for each in job["objects"] for file in each["files"] if file["name"].endswith(".glb")]
    problems = [each["error"]["message"] for each in (job, *job["objects"]) if each.get("error")]
    if job["status"] != "succeeded" or not meshes:
        raise Gen3DError(
            "deployment_failed", f"The smoke test's job ended as {job['status']}: {'; '.join(problems) or 'no mesh'}"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "object.glb"
        service.download(meshes[0]["url"], file)
        if file.read_bytes()[:4] != b"glTF":
            raise Gen3DError("deployment_failed", f"The smoke test's {meshes[0]['name']} is no GLB.")
