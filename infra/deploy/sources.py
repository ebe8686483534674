"""The Lambdas' zips and the archive of the checkout → the bucket, each under a key that says what is in it."""

import subprocess
import tempfile
from pathlib import Path
from typing import Final

from infra.deploy.step import Step
from infra.lambda_codes import has_object, lambda_codes, put_codes
from serve.errors import Gen3DError

_COMMIT_DIGITS: Final = 16


class SourcesStep(Step):
    """Puts into the bucket what Lambdas and builds are made of."""

    name = "sources"

    def plan(self) -> list[str]:
        """See `Step`."""
        bucket = self.deployment.outputs.get("BucketName")
        keys = [*lambda_codes(), source_key(self.deployment.commit)]
        return [f"upload {key}" for key in keys if bucket is None or not self._is_there(bucket, key)]

    def do(self) -> None:
        """See `Step`."""
        bucket, s3 = self.deployment.outputs["BucketName"], self.deployment.account.client("s3")
        put_codes(s3, bucket)
        key = source_key(self.deployment.commit)
        if not self._is_there(bucket, key):
            with tempfile.TemporaryDirectory() as folder:
                file = archive(self.deployment.checkout, self.deployment.commit, Path(folder))
                s3.upload_file(str(file), bucket, key)

    def _is_there(self, bucket: str, key: str) -> bool:
        return has_object(self.deployment.account.client("s3"), bucket, key)


def source_key(commit: str) -> str:
    """Where in the bucket the archive of a commit lies."""
    return f"source/gen3d-{commit[:_COMMIT_DIGITS]}.zip"


def archive(checkout: Path, commit: str, folder: Path) -> Path:
    """A zip of what git has of a commit.

    Args:
        checkout: The repository.
        commit: The commit.
        folder: Where the zip goes.

    Raises:
        Gen3DError: `revision_unclear`: git cannot say what is in the commit.
    """
    file = folder / "source.zip"
    command = ["git", "-C", str(checkout), "archive", "--format=zip", f"--output={file}", commit]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise Gen3DError("revision_unclear", f"git cannot archive the commit {commit}; it says: {said[0]}")
    return file
