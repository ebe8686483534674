"""The Docker client as it is installed, and the engine that it talks to. Knows no registry and nothing of Gen3D.

What Docker says while it works goes to standard error, as it comes.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from serve.errors import Gen3DError

# Of the two types of a manifest of one image, Docker's and OCI's, the one that SageMaker takes: of OCI's, CreateModel
# says "Unsupported manifest media type". Source: https://github.com/aws/amazon-sagemaker-feedback/issues/180
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_STDERR = 2


class Docker:
    """The client, once an engine has answered it.

    Args:
        program: The client's name or path.

    Raises:
        Gen3DError: `docker_unavailable`.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._environment = {
            **os.environ,
            "DOCKER_BUILDKIT": "1",
            # Provenance would make an OCI index of an image. Builders older than the variable add none.
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        }
        done = self._ask("info", "--format", "{{json .}}")
        # Some clients exit with 0 though no engine answers.
        info = _read(done.stdout) if done.returncode == 0 else {}
        if not info or info.get("ServerErrors"):
            said = " ".join(info.get("ServerErrors") or [done.stderr.strip()])
            raise Gen3DError("docker_unavailable", f"No Docker engine answers: start Docker. Its client says: {said}")
        self._keeps_manifests = ["driver-type", "io.containerd.snapshotter.v1"] in (info.get("DriverStatus") or [])

    def build_image(self, context: Path, tag: str, *flags: str) -> dict[str, Any]:
        """Builds an image of this name, with Docker's media types, from a folder.

        Returns:
            What the engine knows of it.

        Raises:
            Gen3DError: `build_failed`.
        """
        # An engine of the older kind keeps no manifest: it writes Docker's when it pushes, and may not know the type
        # `image`. One with containerd's image store pushes the manifest that the build made, by default OCI's.
        # Source: https://docs.docker.com/build/exporters/image-registry/
        output = ["--output", "type=image,oci-mediatypes=false"] if self._keeps_manifests else []
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "id"
            self.build(context, *flags, "--tag", tag, *output, "--iidfile", str(file))
            made = self.inspect(file.read_text().strip())
        if made is None:
            raise Gen3DError(
                "build_failed",
                "The image was built, but the engine did not get it: your builder keeps it. Choose the engine's own"
                " builder (docker buildx use default).",
            )
        return made

    def build(self, context: Path, *flags: str) -> None:
        """Builds what the flags say from a folder.

        Raises:
            Gen3DError: `build_failed`.
        """
        if self._run("build", *flags, str(context)) != 0:
            raise Gen3DError("build_failed", "The image could not be built; Docker says why, above.")

    def inspect(self, image: str) -> dict[str, Any] | None:
        """What the engine knows of an image; None where it has none of that name."""
        done = self._ask("image", "inspect", image)
        if done.returncode != 0:
            return None
        (found,) = json.loads(done.stdout)
        return dict(found)

    def push(self, image: str, name: str, authorization: str) -> None:
        """Pushes an image under another name.

        Args:
            image: The name it has.
            name: The name it gets: `REGISTRY/REPOSITORY:TAG`.
            authorization: User and password for the registry, joined by a colon, in base64. The client gets them in a
                file that nobody else can read, for the time of the push; its own configuration never holds them.

        Raises:
            Gen3DError: `push_failed`.
        """
        # Where the engine is may be written in that configuration.
        host = self._ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").stdout.strip()
        tagged = self._ask("tag", image, name)
        if tagged.returncode != 0:
            raise Gen3DError("push_failed", f"'{image}' cannot be called '{name}': {tagged.stderr.strip()}")
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "config.json"
            config.touch(0o600)
            config.write_text(json.dumps({"auths": {name.partition("/")[0]: {"auth": authorization}}}))
            status = self._run("push", name, DOCKER_CONFIG=folder, DOCKER_HOST=host)
        self._ask("image", "rm", name)  # the name alone: it would keep the image's gigabytes when the other one goes
        if status != 0:
            raise Gen3DError("push_failed", f"'{name}' could not be pushed; Docker says why, above.")

    def _ask(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(  # noqa: S603 - the arguments are ours, and no shell reads them
                [self._program, *arguments], env=self._environment, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise self._missing(error) from None

    def _run(self, *arguments: str, **environment: str) -> int:
        """Runs the client for the person to see; its exit status."""
        command, given = [self._program, *arguments], {**self._environment, **environment}
        return subprocess.run(command, env=given, stdout=_STDERR, check=False).returncode  # noqa: S603 - as above

    def _missing(self, error: OSError) -> Gen3DError:
        return Gen3DError(
            "docker_unavailable",
            f"There is no Docker client {self._program!r} here ({error.strerror}): install Docker"
            " (https://docs.docker.com/get-docker/), or name the client in the variable DOCKER.",
        )


def _read(said: str) -> dict[str, Any]:
    """The JSON object in what a client said; empty where that is none."""
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
