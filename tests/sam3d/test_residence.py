import os
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from serve.errors import EngineBrokenError, Gen3DError
from serve.reconstruct.sam3d import residence as module
from serve.reconstruct.sam3d.residence import Residence, diagnose, open_device
from serve.reconstruct.sam3d.reuse import Reuse
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


def test_what_came_halfway_goes_home_too(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Network(), Network()
    residence = Residence(ELSEWHERE, {"one": [first], "two": [second]}, "staged")
    moved, turns = module._moved, iter([True, True, False])

    def run_out(at_home: Any, device: torch.device) -> Any:
        if next(turns, True):
            return moved(at_home, device)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(module, "_moved", run_out)
    with pytest.raises(torch.OutOfMemoryError), residence.stage("two"):
        pytest.fail("it is not there")
    assert devices(second) == {"cpu"}
    with residence.stage("two"):
        assert devices(second) == {"meta"}


@pytest.mark.parametrize("vram", ["auto", "resident"])
def test_what_does_not_fit_is_staged_unless_it_was_to_be_resident(vram: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    moved, turns = module._moved, iter([True, False])

    def run_out(at_home: Any, device: torch.device) -> Any:
        if next(turns, True):
            return moved(at_home, device)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(module, "_moved", run_out)
    monkeypatch.setattr(module, "_is_small", lambda device: False)
    network = Network()
    if vram == "resident":
        with pytest.raises(torch.OutOfMemoryError):
            Residence(ELSEWHERE, {"one": [network]}, vram)
    else:
        assert Residence(ELSEWHERE, {"one": [network]}, vram).staged
        assert devices(network) == {"cpu"}


@pytest.mark.parametrize(("memory", "staged"), [(24e9, True), (48e9, False)])
def test_small_gpus_are_staged_by_themselves(memory: float, staged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = SimpleNamespace(total_memory=memory)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: gpu)
    assert Residence(ELSEWHERE, {"one": [Network()]}, "auto").staged == staged


def test_no_tensor_of_the_genuine_network_is_left_behind(network: Any) -> None:
    """Whatever can be reached from a stage's modules, through lists and closures too, is among what is moved."""
    residence = network._residence
    moved = {id(tensor) for homes in residence._at_home.values() for _, tensor in homes}
    seen: set[int] = set()
    left: list[str] = []

    def walk(item: Any, path: str) -> None:
        if id(item) in seen or isinstance(item, str | int | float | type | ModuleType | Reuse):
            return
        seen.add(id(item))
        if isinstance(item, torch.Tensor):
            left.extend([path] * (id(item) not in moved))
        elif isinstance(item, dict):
            for name, value in list(item.items()):
                walk(value, f"{path}.{name}")
        elif isinstance(item, list | tuple):
            for index, value in enumerate(item):
                walk(value, f"{path}[{index}]")
        elif hasattr(item, "__dict__"):
            walk(vars(item), path)

    for stage, modules in residence._stages.items():
        walk(modules, stage)
    assert not left


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


def test_a_gpu_that_is_too_old_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, answer in {
        "init": None,
        "current_device": 0,
        "get_device_capability": (7, 5),
        "get_device_name": "Tesla T4",
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch, "zeros", lambda *_, **__: None)
    with pytest.raises(Gen3DError, match=r"no_gpu: Tesla T4 has compute capability 7\.5; .* 8\.0 or newer"):
        open_device("cuda")


def test_spconv_has_one_thread_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    open_device("cpu")
    assert os.environ["OMP_NUM_THREADS"] == "1", "read by the OpenMP that it brings"


def test_a_driver_that_is_too_old_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040). Please update it.")

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", refuse)
    with pytest.raises(Gen3DError, match=r"no_gpu: .*too old \(found version 11040\)"):
        open_device("cuda")


@pytest.mark.parametrize(
    "said",
    [
        "CUDA error: an illegal memory access was encountered\nCompile with …",  # PyTorch
        "/io/include/tensorview/core.h(9)\ncuda execution failed with error 700 an illegal memory access",  # spconv
    ],
)
def test_a_cuda_error_breaks_the_engine_for_good(said: str) -> None:
    assert isinstance(diagnose(RuntimeError(said)), EngineBrokenError)


def test_other_errors_say_nothing_of_the_gpu() -> None:
    assert diagnose(RuntimeError("shapes do not match")) is None


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("CUDA error: out of memory"),
    ],
)
def test_too_little_memory_is_the_objects_trouble_alone(error: Exception) -> None:
    short = diagnose(error)
    assert short is not None
    assert short.code == "out_of_memory"
    assert not isinstance(short, EngineBrokenError)
