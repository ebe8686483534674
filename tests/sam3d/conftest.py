"""The genuine networks with small random weights, on the CPU. `make test-sam3d` runs these tests in their own place."""

import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from model_loader.locate import Bundle, locate
from serve.torchvision_operators import declare_torchvision_operators

os.environ["OMP_NUM_THREADS"] = "1"  # for spconv, which is not loaded yet: its CPU path races with more
declare_torchvision_operators()  # before a test file imports transformers

from selftest.bundle import write_tiny_bundle  # noqa: E402
from serve.reconstruct.sam3d.build import build_pipeline  # noqa: E402
from serve.reconstruct.sam3d.reconstructor import Sam3d  # noqa: E402
from serve.reconstruct.sam3d.upstream import import_pipeline  # noqa: E402

import_pipeline()  # it takes seconds, which shall not count as any test's
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """For the same results on every machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle as published, tiny and random; its four copies of DINOv2 are equal. Not to be changed."""
    folder = tmp_path_factory.mktemp("weights")
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="session")
def bundle(weights: Path) -> Bundle:
    return locate(weights)


@pytest.fixture(scope="session")
def repacked(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same bundle after `gen3d weights repack`."""
    from model_loader.repack import repack_bundle

    folder = tmp_path_factory.mktemp("repacked") / "bundle"
    repack_bundle(weights, folder, lambda said: None)
    return locate(folder)


@pytest.fixture
def own_weights(weights: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(weights, tmp_path / "weights"))


@pytest.fixture(scope="session")
def upstream(bundle: Bundle) -> Any:
    """Meta's pipeline with the published bundle, to compare with: nothing of it is made cheaper."""
    return build_pipeline(bundle, CPU)


@pytest.fixture(scope="session")
def network(bundle: Bundle) -> Sam3d:
    return Sam3d(bundle, CPU, vram="auto", objects_at_once=1, longest_side=3072)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket can be opened."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
