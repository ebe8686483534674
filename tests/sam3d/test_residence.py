from collections.abc import Iterator
from typing import Any

import pytest
import torch

from serve.errors import EngineBrokenError, Gen3DError
from serve.reconstruct.sam3d.residence import Residence, diagnose, open_device
from serve.reconstruct.sam3d.upstream import upstream_module

# What is not the CPU: tensors go there and come back as they would to a GPU, but hold nothing.
ELSEWHERE = torch.device("meta")


class Network(torch.nn.Module):  # type: ignore[misc]  # torch is Any where types are checked
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.register_buffer("buffer", torch.ones(2))
        extractor = upstream_module("model.backbone.tdfy_dit.representations.mesh.cube2mesh")
        self.extractor = extractor.SparseFeatures2Mesh(device="cpu", res=4)

    def tensors(self) -> Iterator[Any]:
        yield from (self.layer.weight, self.buffer, self.extractor.reg_v, self.extractor.reg_c)
        yield from (value for value in vars(self.extractor.mesh_extractor).values() if isinstance(value, torch.Tensor))


def devices(network: Network) -> set[str]:
    return {tensor.device.type for tensor in network.tensors()}


def test_staged_networks_are_present_in_their_stage_alone_and_whole() -> None:
    first, second = Network(), Network()
    weight = first.layer.weight.detach().clone()
    residence = Residence(ELSEWHERE, {"one": [first], "two": [second]}, "staged")
    assert devices(first) == devices(second) == {"cpu"}
    with torch.inference_mode():
        with residence.stage("one"):
            assert devices(first) == {"meta"}, "the mesh extractor's grids too, which are no parameters"
            assert first.extractor.mesh_extractor.device == ELSEWHERE, "where it will make tables"
            assert devices(second) == {"cpu"}
        with residence.stage("two"):
            assert devices(first) == {"cpu"}
            assert devices(second) == {"meta"}
    assert torch.equal(first.layer.weight, weight), "what came home is what had left"
    assert first.extractor.mesh_extractor.device == "cpu"


def test_resident_networks_stay() -> None:
    first, second = Network(), Network()
    residence = Residence(ELSEWHERE, {"one": [first], "two": [second]}, "resident")
    assert devices(first) == devices(second) == {"meta"}
    assert residence.economise(), "short of memory, they can still be staged"
    with residence.stage("one"):
        assert devices(second) == {"cpu"}
    assert not residence.economise(), "and then there is nothing left to save"


def test_a_backbone_of_two_stages_comes_home_from_both() -> None:
    shared = Network()
    first, second = torch.nn.Sequential(shared), torch.nn.Sequential(shared)
    residence = Residence(ELSEWHERE, {"one": [first], "two": [second]}, "resident")
    residence.economise()
    for stage in ("one", "two", "one"):
        with residence.stage(stage):
            assert devices(shared) == {"meta"}
    residence._send_home(keep=set())
    assert devices(shared) == {"cpu"}


def test_on_the_cpu_nothing_moves() -> None:
    network = Network()
    residence = Residence(torch.device("cpu"), {"one": [network]}, "staged")
    with residence.stage("one"):
        assert devices(network) == {"cpu"}
    assert not residence.economise()


def test_the_cpu_must_be_asked_for_by_name() -> None:
    assert open_device("cpu") == torch.device("cpu")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(Gen3DError, match=r"no_gpu: .*GEN3D_DEVICE=cpu"):
        open_device("cuda")


def test_a_driver_that_is_too_old_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040). Please update it.")

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", refuse)
    with pytest.raises(Gen3DError, match=r"no_gpu: .*too old \(found version 11040\)"):
        open_device("cuda")


def test_a_cuda_error_breaks_the_engine_for_good() -> None:
    lost = diagnose(RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with …"))
    assert isinstance(lost, EngineBrokenError)
    assert "illegal memory access" in lost.message
    assert diagnose(RuntimeError("shapes do not match")) is None


def test_too_little_memory_is_the_objects_trouble_alone() -> None:
    short = diagnose(torch.OutOfMemoryError("CUDA out of memory"))
    assert short is not None
    assert short.code == "out_of_memory"
    assert not isinstance(short, EngineBrokenError)
