"""The weights in the bucket, brought from the hub by a build that alone may read the token. Reads no weight."""

import hashlib
import json
from typing import Final

from infra.deploy.builds import run_build
from infra.deploy.sources import source_key
from infra.deploy.step import Deployment, Step
from infra.lambda_codes import has_object
from model_loader.catalog import bundle_files
from model_loader.layout import DINOV2_COPIES, PARTS
from model_loader.manifest import MANIFEST
from serve.errors import Gen3DError

_DIGITS: Final = 12
HUB_PAGE: Final = "https://huggingface.co/facebook/sam-3d-objects"


class WeightsStep(Step):
    """Has the repacked weights in the bucket, where the engine is sam3d."""

    name = "weights"

    @property
    def needs(self) -> frozenset[str]:
        """See `Step`."""
        is_built = self.deployment.engine == "sam3d" and not are_weights_there(self.deployment)
        return frozenset(("codebuild",) if is_built else ())

    def plan(self) -> list[str]:
        """See `Step`."""
        deployment = self.deployment
        if deployment.engine != "sam3d" or are_weights_there(deployment):
            return []
        is_put = deployment.hub_token is not None or not has_token(deployment)
        lines = ["put the hub's token into the stage's secret"] if is_put else []
        return [*lines, f"bring 14 GB of weights from the hub to {weights_prefix()} (CodeBuild, up to four hours)"]

    def do(self) -> None:
        """See `Step`."""
        deployment, outputs = self.deployment, self.deployment.outputs
        # Also where there is one: the hub may have refused that, and nobody may read it to compare.
        if deployment.hub_token is not None:
            deployment.account.client("secretsmanager").put_secret_value(
                SecretId=outputs["HubTokenArn"], SecretString=deployment.hub_token
            )
        elif not has_token(deployment):
            raise Gen3DError("deployment_failed", f"The secret {outputs['HubTokenArn']} is empty. {ADVICE}")
        try:
            run_build(
                deployment.account.client("codebuild"),
                outputs["WeightsBuildName"],
                f"{outputs['BucketName']}/{source_key(deployment.commit)}",
                {"GEN3D_WEIGHTS_URI": weights_uri(deployment)},
                deployment.tell,
            )
        except Gen3DError as error:
            raise Gen3DError(error.code, f"{error.message} Where the hub refused the token: {ADVICE}") from None
        if not are_weights_there(deployment):
            raise Gen3DError(
                "deployment_failed", f"The build succeeded, but there is no {weights_uri(deployment)}{MANIFEST}."
            )


ADVICE: Final = (
    f"Put the token of a Hugging Face account with access to {HUB_PAGE} into the variable HF_TOKEN, and repeat the"
    " command."
)


def weights_prefix() -> str:
    """Below which key the weights lie: by a hash of what is fetched, and into which files it is repacked."""
    files = [(each.path, each.repository.revision, each.sha256) for each in bundle_files("sam2")]
    content = json.dumps([files, PARTS, DINOV2_COPIES], sort_keys=True)
    return f"weights/{hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]}/"


def weights_uri(deployment: Deployment) -> str:
    """Where they lie, as the endpoint's template takes it; empty for an engine without weights."""
    return f"s3://{deployment.outputs['BucketName']}/{weights_prefix()}" if deployment.engine == "sam3d" else ""


def are_weights_there(deployment: Deployment) -> bool:
    """Whether the bucket has all of them: their manifest comes last."""
    bucket = deployment.outputs.get("BucketName")
    s3 = deployment.account.client("s3")
    return bucket is not None and has_object(s3, bucket, f"{weights_prefix()}{MANIFEST}")


def has_token(deployment: Deployment) -> bool:
    """Whether the secret has a value; who deploys may not read it, and need not."""
    if "HubTokenArn" not in deployment.outputs:
        return False
    secrets = deployment.account.client("secretsmanager")
    return bool(secrets.describe_secret(SecretId=deployment.outputs["HubTokenArn"]).get("VersionIdsToStages"))
