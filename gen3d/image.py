"""`gen3d image`: builds and pushes the image of the inference server, in a checkout. Knows neither Docker nor AWS."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from gen3d.checkout import need_checkout
from serve.errors import Gen3DError

_TARGETS = ("preview", "sam3d")  # stages of the Dockerfile
_EXAMPLES = """examples:
  gen3d image build preview
  gen3d image push preview --repository 123456789012.dkr.ecr.eu-central-1.amazonaws.com/gen3d-prod

Both work in a checkout of Gen3D, with Docker. The variable DOCKER names another client than docker.
"""
_BUILD_EXAMPLES = """examples:
  gen3d image build
  gen3d image build sam3d
  gen3d image build preview -- --build-arg BASE=registry.example/python:3.11-slim-bookworm

What follows -- goes to docker build, and so does what the variable IMAGE_BUILD_FLAGS holds.
The image says by its labels which version and commit it was made of; -dirty follows the commit where files differ from
it. What is in the image is listed in out/image-TARGET.cdx.json (CycloneDX).
"""
_PUSH_EXAMPLES = """examples:
  gen3d image push sam3d --repository 123456789012.dkr.ecr.eu-central-1.amazonaws.com/gen3d-prod
  gen3d image push preview --repository … --output-file out/images.json

The image, which must be of the commit that the checkout is at, gets the tag TARGET-COMMIT. Where the
repository has that tag, nothing is sent. Its address by digest is printed, alone, on standard output.

AWS credentials and profile come from the environment, the region from the repository's name. The repository is one of
Amazon ECR, which SageMaker takes images from, or of a local cloud that AWS_ENDPOINT_URL names (127.0.0.1:PORT/NAME,
its region from AWS_DEFAULT_REGION); for any other, docker push does all there is to do. The password for it is fetched
anew each time, and your Docker configuration never holds it.
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand, its actions and their options."""
    parser = commands.add_parser(
        "image",
        help="build and push the image of the server",
        description="Build and push the image of the server.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")

    action = actions.add_parser(
        "build",
        help="build an image with Docker",
        description="Build an image with Docker, and list what is in it.",
        epilog=_BUILD_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action.add_argument(
        "target",
        nargs="?",
        choices=_TARGETS,
        default="preview",
        help="preview runs on any CPU and is taken where absent; sam3d needs a GPU and the weights",
    )
    _add_names(action)
    action.add_argument("flags", nargs="*", metavar="-- FLAG …", help="more of docker build's; name the target then")
    action.set_defaults(run=_build)

    action = actions.add_parser(
        "push",
        help="push an image to Amazon ECR",
        description="Push an image to Amazon ECR.",
        epilog=_PUSH_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action.add_argument("target", choices=_TARGETS, help="which image")
    action.add_argument("--repository", required=True, metavar="ADDRESS", help="where to; ECR shows it as the URI")
    _add_names(action)
    action.add_argument(
        "--output-file",
        type=Path,
        metavar="FILE",
        help='a JSON file that gets the address too: {"TARGET": "ADDRESS", …}; other targets in it stay',
    )
    action.set_defaults(run=_push)


def _add_names(action: argparse.ArgumentParser) -> None:
    action.add_argument("--tag", metavar="NAME", help="what it is called here; gen3d:TARGET where absent")
    action.add_argument(
        "--revision", metavar="COMMIT", help="the commit, 40 hexadecimal digits, where git does not know it"
    )


def _build(arguments: argparse.Namespace) -> int:
    _need_checkout()
    from infra.checkout import find_checkout
    from infra.docker import Docker
    from infra.image_build import build_image
    from model_loader.disk import size_text

    checkout = find_checkout()
    built = build_image(
        Docker(_client()),
        checkout,
        arguments.target,
        _tag(arguments),
        arguments.revision,
        [*_flags(), *arguments.flags],
    )
    print(f"{built.tag}: {size_text(built.bytes)}, {built.id}")
    print(f"{built.inventory}: what is in it")
    return 0


def _push(arguments: argparse.Namespace) -> int:
    _need_checkout()
    from infra.checkout import find_checkout
    from infra.docker import Docker
    from infra.image_push import push_image, read_addresses, write_addresses

    file: Path | None = arguments.output_file
    addresses = read_addresses(file) if file else {}
    if file:
        write_addresses(file, addresses)  # first of all: a push is not to fail after it was done
    address = push_image(
        lambda: Docker(_client()),
        find_checkout(),
        _tag(arguments),
        arguments.target,
        arguments.repository,
        arguments.revision,
        lambda line: print(line, file=sys.stderr),
    )
    print(address)
    if file:
        write_addresses(file, {**addresses, arguments.target: address})
    return 0


def _tag(arguments: argparse.Namespace) -> str:
    return arguments.tag or f"gen3d:{arguments.target}"


def _flags() -> list[str]:
    try:
        return shlex.split(os.environ.get("IMAGE_BUILD_FLAGS", ""))
    except ValueError as error:
        raise Gen3DError("build_failed", f"IMAGE_BUILD_FLAGS cannot be read as a shell would: {error}.") from None


def _client() -> str:
    return os.environ.get("DOCKER") or "docker"


def _need_checkout() -> None:
    """Raises where the room of this command is not installed, as in the image itself."""
    need_checkout(
        "Images are built and pushed from a checkout of Gen3D, which has the Dockerfile: run the command there."
    )
