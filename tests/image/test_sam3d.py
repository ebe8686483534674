"""The target sam3d, really built and run on a CPU, with small random weights. Run by `make test-image-sam3d`."""

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from serve import __version__
from tests.image.containers import DOCKER, HARDENED, ROOT, Image, docker, listed_packages, packages_under_the_gpl, pins

pytestmark = pytest.mark.timeout(1200)  # the first test builds the image

DOCKERFILE = (ROOT / "Dockerfile").read_text()
LOCKS = [ROOT / "container" / name for name in ("sam3d.txt", "sam3d-upstream.txt")]
# The network needs more memory than the preview.
LARGE = [*HARDENED, "--memory=6g", "--memory-swap=6g"]


# The source, as an archive at an address, as GitHub gives it.


@pytest.fixture(scope="session")
def upstream() -> Path:
    """The folder that holds Meta's package sam3d_objects."""
    folder = Path(os.environ["SAM3D_SOURCE"])  # `make test-image-sam3d` sets it
    assert (folder / "sam3d_objects" / "__init__.py").is_file()
    return folder


def digest(upstream: Path) -> str:
    """Of the package, as the Dockerfile wants it."""
    paths = [path for path in (upstream / "sam3d_objects").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(upstream)}\n"
        for path in sorted(paths, key=lambda path: str(path.relative_to(upstream)).encode())
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.fixture(scope="session")
def archive(upstream: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an archive with the package in it, and with a licence."""
    folder = tmp_path_factory.mktemp("archive")
    with tarfile.open(folder / "source.tar.gz", "w:gz") as packed:
        packed.add(upstream / "sam3d_objects", "sam-3d-objects-main/sam3d_objects")
        licence = b"The terms.\n"
        entry = tarfile.TarInfo("sam-3d-objects-main/LICENSE")
        entry.size = len(licence)
        packed.addfile(entry, io.BytesIO(licence))
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/source.tar.gz"
        server.shutdown()


@pytest.fixture(scope="session")
def sam3d_image(build: Callable[..., Image], archive: str, upstream: Path) -> Image:
    """The image `gen3d:sam3d`, with the code of SAM 3D Objects that is tested here."""
    return build("sam3d", f"--build-arg=SAM3D_SOURCE={archive}", f"--build-arg=SAM3D_SHA256={digest(upstream)}")


def test_other_code_than_was_asked_for_fails_the_build(build: Callable[..., Image], archive: str) -> None:
    flags = os.environ.get("IMAGE_BUILD_FLAGS", "").split()
    source = [f"--build-arg=SAM3D_SOURCE={archive}", f"--build-arg=SAM3D_SHA256={'0' * 64}"]
    command = [DOCKER, "build", *flags, "--progress=plain", "--target=sam3d-source", *source, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert re.search(r"[0-9a-f]{64}  -", done.stderr), "it prints the digest that it found"


def test_the_pinned_digest_is_of_the_official_commit(upstream: Path) -> None:
    """Where the official source is given, as by hand; CI has the copy in a package, which differs in five files."""
    (pinned,) = re.findall(r"^ARG SAM3D_SHA256=([0-9a-f]{64})$", DOCKERFILE, re.MULTILINE)
    if "third_party" in upstream.parts:
        assert digest(upstream) != pinned
    else:
        assert digest(upstream) == pinned


# The recipe.


def test_the_image_gets_the_versions_that_are_tested() -> None:
    locked = {**pins(LOCKS[0]), **pins(LOCKS[1])}
    tested = {
        **pins(ROOT / "requirements" / "sam3d.txt"),
        **pins(ROOT / "requirements" / "sam3d-upstream.txt"),
    }
    # torch and what is built for it: the tests have torch's newer build for the CPU.
    differ = {name for name, version in locked.items() if tested.get(name) != version}
    of_cuda = {name for name in differ if name.startswith(("nvidia-", "cuda-", "cumm-", "spconv-"))}
    assert differ - of_cuda == {"torch", "torchvision"}
    assert locked["spconv-cu126"] == tested["spconv"]
    assert pins(ROOT / "container" / "preview.txt").items() <= locked.items()


# By Docker's word.


def test_it_is_small(sam3d_image: Image) -> None:
    assert sam3d_image.report["megabytes"] <= 5500, sam3d_image.report


def test_what_changes_seldom_lies_below_what_changes_often(sam3d_image: Image) -> None:
    copied = [layer["CreatedBy"].split()[1] for layer in sam3d_image.layers if layer["CreatedBy"].startswith("COPY")]
    wanted = ["/opt/gen3d", "container/preview.txt", "/cuda", "/torch", "/sam3d", "/source", "container/sam3d.txt"]
    assert copied[::-1] == [*wanted, "/code"]
    (selftest,) = [layer for layer in sam3d_image.layers if "gen3d selftest" in layer["CreatedBy"]]
    assert selftest["Size"] < 10_000_000, "the self-test leaves compiled kernels behind"
    assert ".nbi" in sam3d_image.run(
        "find", "/opt/gen3d/lib/python3.11/site-packages/serve/mesh/finish", "-name", "*.nbi"
    )


def test_it_says_what_it_needs_of_a_gpu(sam3d_image: Image) -> None:
    variables = dict(line.split("=", 1) for line in sam3d_image.config["Env"])
    assert variables["NVIDIA_REQUIRE_CUDA"] == "cuda>=13.0"
    assert variables["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert variables["GEN3D_ENGINE"] == "sam3d"
    assert sam3d_image.config["Labels"]["org.opencontainers.image.title"] == "Gen3D sam3d"
    assert sam3d_image.config["Entrypoint"] == ["gen3d"]


# By a look inside.


def test_the_selftest_passes_for_any_user_with_a_read_only_root(sam3d_image: Image) -> None:
    program = "gen3d selftest --json /tmp/selftest.json >&2; status=$?; cat /tmp/selftest.json; exit $status"
    result = json.loads(sam3d_image.run("bash", "-c", program, flags=LARGE))
    sam3d_image.report["selftest"] = result["checks"]
    assert result["passed"]
    skipped = {check["check"]: check["finding"] for check in result["checks"] if check["status"] == "skipped"}
    findings = {check["check"]: check["finding"] for check in result["checks"]}
    assert re.fullmatch(r"\d+ kernels, 0 of them compiled just now", findings["kernels"])
    assert skipped == {"network on the GPU": "no GPU here: nothing was run on one"}


def test_it_holds_the_locked_packages_and_no_others(sam3d_image: Image) -> None:
    installed = sam3d_image.packages()
    assert installed == listed_packages("sam3d")
    assert re.fullmatch(r"0\.0\.1\+[0-9a-f]{12}", installed.pop("sam3d-objects"))
    assert installed == {**pins(LOCKS[0]), **pins(LOCKS[1]), "gen3d": __version__}


def test_no_package_in_it_is_under_the_gpl(sam3d_image: Image) -> None:
    assert not packages_under_the_gpl(sam3d_image)


def test_the_licence_of_the_source_goes_with_it(sam3d_image: Image) -> None:
    found = sam3d_image.run("find", "/opt/gen3d", "-path", "*/sam3d_objects-*/licenses/LICENSE")
    assert sam3d_image.run("cat", found.strip()) == "The terms.\n"


def test_no_weights_compilers_or_leftovers_are_in_it(sam3d_image: Image) -> None:
    weights = ["-name", "*.ckpt", "-o", "-name", "*.safetensors", "-o", "-name", "*.pt", "-o", "-name", "*.pth"]
    found = sam3d_image.run("find", "/opt", "(", *weights, ")", "-size", "+100k")
    assert found == ""
    tools = ["cc", "gcc", "g++", "clang", "nvcc", "ptxas", "ld", "as", "make", "git", "uv"]
    gone = ["/archive", "/build", "/build.txt", "/cuda", "/digest", "/opt/sbom", "/root/.cache", "/root/.config"]
    gone += ["/sam3d", "/sam3d.txt", "/source", "/torch"]
    look = (
        f"import os, shutil; print([tool for tool in {tools} if shutil.which(tool)],"
        f" [path for path in {gone} if os.path.exists(path)], os.listdir('/tmp'))"
    )
    assert sam3d_image.run("python", "-c", look).strip() == "[] [] []"
    leftovers = ["-name", "tests", "-o", "-name", "pip", "-o", "-name", "__editable__*", "-o", "-name", "*.a"]
    assert sam3d_image.run("find", "/opt/gen3d", *leftovers) == ""


# As a server.


@pytest.fixture(scope="session")
def weights(sam3d_image: Image) -> Iterator[str]:
    """The name of a volume with a tiny bundle, made by the image itself."""
    volume = docker("volume", "create").strip()
    program = (
        "from pathlib import Path; from serve.reconstruct.sam3d.upstream import import_pipeline; import_pipeline();"
        " from selftest.bundle import write_tiny_bundle; write_tiny_bundle(Path('/weights'))"
    )
    sam3d_image.run("python", "-c", program, flags=["--volume", f"{volume}:/weights", "--env", "OMP_NUM_THREADS=1"])
    yield volume
    docker("volume", "rm", "--force", volume)


def test_without_weights_it_says_so_and_is_never_ready(sam3d_image: Image) -> None:
    with sam3d_image.serve() as server:
        server.wait_for(lambda it: "engine could not be loaded" in it.log())
        error = server.ask("GET", "/ping").json()["error"]
    assert error["code"] == "engine_failed"
    assert "/opt/ml/model" in error["message"]


def test_without_a_gpu_it_says_so_and_is_never_ready(sam3d_image: Image, weights: str) -> None:
    with sam3d_image.serve("--volume", f"{weights}:/opt/ml/model:ro") as server:
        server.wait_for(lambda it: "engine could not be loaded" in it.log())
        error = server.ask("GET", "/ping").json()["error"]
    assert (error["code"], error["details"]) == ("engine_failed", {"cause": "no_gpu"})


def test_a_photo_becomes_a_scene_on_a_cpu_where_that_is_asked_for(
    sam3d_image: Image,
    weights: str,
    coffee: dict[str, Any],
    tmp_path: Path,
    validate_glb: Callable[..., list[dict[str, Any]]],
) -> None:
    flags = [*LARGE, "--volume", f"{weights}:/opt/ml/model:ro"]
    with sam3d_image.serve(*flags, GEN3D_DEVICE="cpu") as server:
        server.wait_until_ready()
        form = {**coffee["data"], "options": json.dumps({"quality": "draft"})}
        accept = {"Accept": "model/gltf-binary"}
        answer = server.ask("POST", "/invocations", files=coffee["files"], data=form, headers=accept)
        assert answer.status_code == 200, answer.text + server.log()
        server.stop(25)
        assert server.state()["ExitCode"] == 0
    scene = tmp_path / "scene.glb"
    scene.write_bytes(answer.content)
    (report,) = validate_glb(scene)
    assert report["info"]["totalTriangleCount"] > 1000
