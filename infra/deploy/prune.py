"""What earlier deployments have put into the bucket and this one does not use: deleted. Knows no users and no jobs."""

from datetime import datetime
from typing import Any, Final

from infra.deploy.sources import source_key
from infra.deploy.step import Step
from infra.deploy.weights import weights_prefix
from infra.lambda_codes import lambda_codes
from model_loader.disk import size_text
from model_loader.manifest import MANIFEST
from serve.errors import Gen3DError

_AT_ONCE: Final = 1000  # as many as S3 deletes in one request

Found = dict[str, Any]


class PruneStep(Step):
    """Has no zip, archive or weights of an earlier commit in the bucket. The bucket's OldVersionDays take them back.

    It comes last: a change that CloudFormation takes back needs the old ones.
    """

    name = "prune"

    def plan(self) -> list[str]:
        """See `Step`."""
        groups: dict[str, list[Found]] = {}
        for each in self._unused():
            folder = each["Key"].split("/")
            groups.setdefault("/".join(folder[: 2 if folder[0] == "weights" else 1]), []).append(each)
        return [
            f"delete {len(found)} of {folder}/, which this commit does not use"
            f" ({size_text(sum(each['Size'] for each in found))})"
            for folder, found in groups.items()
        ]

    def do(self) -> None:
        """See `Step`."""
        s3, bucket = self.deployment.account.client("s3"), self.deployment.outputs["BucketName"]
        doomed = [{"Key": each["Key"]} for each in self._unused()]
        for first in range(0, len(doomed), _AT_ONCE):
            objects = doomed[first : first + _AT_ONCE]
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            for failed in answer.get("Errors", ()):
                message = f"S3 did not delete '{failed.get('Key')}' in the bucket {bucket}: {failed.get('Code')}."
                raise Gen3DError("deployment_failed", message)

    def _unused(self) -> list[Found]:
        if "BucketName" not in self.deployment.outputs:
            return []
        codes = set(lambda_codes())
        source = {source_key(self.deployment.commit)}
        unused = [*_older(self._listed("code/"), codes), *_older(self._listed("source/"), source)]
        if self.deployment.engine == "sam3d":
            own = weights_prefix()
            weights = self._listed("weights/")
            others = {key: each for key, each in weights.items() if not key.startswith(own)}
            marks = {key: each for key, each in weights.items() if key == f"{own}{MANIFEST}"}
            unused += _older(others | marks, set(marks))
        return unused

    def _listed(self, prefix: str) -> dict[str, Found]:
        pages = self.deployment.account.client("s3").get_paginator("list_objects_v2")
        bucket = self.deployment.outputs["BucketName"]
        return {
            each["Key"]: each
            for page in pages.paginate(Bucket=bucket, Prefix=prefix)
            for each in page.get("Contents", ())
        }


def _older(listed: dict[str, Found], used: set[str]) -> list[Found]:
    """What is not used, but for what is newer than what is: somebody else may be deploying that just now."""
    since: datetime | None = max((listed[key]["LastModified"] for key in used & set(listed)), default=None)
    unused = [each for key, each in listed.items() if key not in used]
    return [each for each in unused if since is None or each["LastModified"] <= since]
