"""The image of the endpoint's container in ECR: built by CodeBuild, or here by Docker. Deploys nothing."""

import os
import shlex

from infra.deploy.builds import run_build
from infra.deploy.sources import source_key
from infra.deploy.step import Deployment, Step
from infra.docker import DOCKER_MANIFEST, Docker
from infra.image_build import build_image
from infra.image_push import push_image
from serve.errors import Gen3DError


class ImageStep(Step):
    """Has the image of the engine and the commit in the stage's repository."""

    name = "image"

    @property
    def needs(self) -> frozenset[str]:
        """See `Step`."""
        is_built = self.deployment.asked.image == "codebuild" and image_uri(self.deployment) is None
        return frozenset(("codebuild",) if is_built else ())

    def plan(self) -> list[str]:
        """See `Step`."""
        if self.deployment.asked.image == "keep":
            if "ImageUri" not in self.deployment.before["endpoint"]:
                raise Gen3DError("deployment_blocked", "--image keep: the stage has no endpoint, so there is no image.")
            return []
        if image_uri(self.deployment) is not None:
            return []
        how = "Docker on this machine" if self.deployment.asked.image == "local" else "CodeBuild, up to two hours"
        return [f"build and push {_tag(self.deployment)} ({how})"]

    def do(self) -> None:
        """See `Step`."""
        outputs, commit, engine = self.deployment.outputs, self.deployment.commit, self.deployment.engine
        if self.deployment.asked.image == "local":
            docker = find_docker()
            flags = shlex.split(os.environ.get("IMAGE_BUILD_FLAGS", ""))
            name = f"gen3d:{engine}"
            build_image(docker, self.deployment.checkout, engine, name, None, flags)
            push_image(
                lambda: docker, self.deployment.checkout, name, engine, outputs["ImagesUri"], None, self.deployment.tell
            )
        else:
            run_build(
                self.deployment.account.client("codebuild"),
                outputs["ImageBuildName"],
                f"{outputs['BucketName']}/{source_key(commit)}",
                {"GEN3D_REVISION": commit, "GEN3D_TARGETS": engine},
                self.deployment.tell,
            )
        if image_uri(self.deployment) is None:
            raise Gen3DError("deployment_failed", f"The build succeeded, but ECR has no {_tag(self.deployment)}.")


def find_docker() -> Docker:
    """Docker on this machine.

    Raises:
        Gen3DError: `docker_unavailable`.
    """
    return Docker(os.environ.get("DOCKER") or "docker")


def image_uri(deployment: Deployment) -> str | None:
    """The image that the endpoint is to run, by its digest; None where that is not there yet.

    Raises:
        Gen3DError: `image_unsuitable`.
    """
    if deployment.asked.image == "keep":
        return deployment.before["endpoint"].get("ImageUri")
    if "ImagesUri" not in deployment.outputs:
        return None
    ecr = deployment.account.client("ecr")
    repository = deployment.outputs["ImagesUri"].partition("/")[2]
    try:
        answer = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": _tag(deployment)}])
    except ecr.exceptions.ImageNotFoundException:
        return None
    if not answer["imageDetails"]:  # as some clouds that stand for AWS say it
        return None
    (image,) = answer["imageDetails"]
    if image["imageManifestMediaType"] != DOCKER_MANIFEST:
        raise Gen3DError(
            "image_unsuitable",
            f"SageMaker would refuse {_tag(deployment)}: its manifest is {image['imageManifestMediaType']}. Delete it"
            f" (aws ecr batch-delete-image --region {deployment.account.region} --repository-name {repository}"
            f" --image-ids imageTag={_tag(deployment)}).",
        )
    return f"{deployment.outputs['ImagesUri']}@{image['imageDigest']}"


def _tag(deployment: Deployment) -> str:
    """As `gen3d image push` has it."""
    return f"{deployment.engine}-{deployment.commit}"
