from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from moge.model.dinov2.hub import backbones
from omegaconf import OmegaConf
from torch.utils._python_dispatch import TorchDispatchMode

from model_loader.layout import SAM3D_FOLDER
from model_loader.locate import Bundle, locate
from selftest.bundle import empty_modules
from selftest.configuration import configuration
from serve.errors import Gen3DError
from serve.reconstruct.sam3d import build
from serve.reconstruct.sam3d.build import build_pipeline, same_preprocessing
from serve.reconstruct.sam3d.weights import Checkpoints

CPU = torch.device("cpu")
EMBEDDERS = ("ss_condition_embedder", "slat_condition_embedder")


def networks(pipeline: Any) -> dict[str, torch.nn.Module]:
    models = {name: module for name, module in pipeline.models.items() if module is not None}
    return {**models, **pipeline.condition_embedders, "moge": pipeline.depth_model.model}


def assert_same(one: torch.nn.Module, other: torch.nn.Module) -> None:
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.dtype == second[name].dtype, name
        assert torch.equal(tensor, second[name]), name


def test_the_published_and_the_repacked_bundle_make_the_same_networks(
    bundle: Bundle, repacked: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = build._loader
    monkeypatch.setattr(
        build, "_loader", lambda checkpoints, *, halved: loader(checkpoints, halved=True)
    )  # as on a GPU
    one, other = (networks(build_pipeline(each, CPU)) for each in (bundle, repacked))
    for name, module in one.items():
        assert_same(module, other[name])
    assert {parameter.dtype for parameter in one["slat_generator"].parameters()} == {torch.float16, torch.float32}


@pytest.mark.parametrize("name", ["slat_decoder_mesh", "slat_decoder_gs", "ss_decoder"])
def test_networks_are_filled_as_upstream_fills_them(name: str, bundle: Bundle, repacked: Bundle) -> None:
    """Upstream draws them at random, halves some of them, and copies the checkpoint over that."""
    folder = bundle.folder / SAM3D_FOLDER
    config = OmegaConf.load(folder / f"{name}.yaml")
    if "mesh" in name:
        config["device"] = "cpu"
    theirs = instantiate(config)
    theirs.load_state_dict(torch.load(folder / f"{name}.ckpt", weights_only=True))
    for one in (bundle, repacked):
        load = build._loader(Checkpoints(one), halved=True)
        assert_same(load(OmegaConf.load(folder / f"{name}.yaml"), f"{name}.ckpt"), theirs)


@pytest.mark.parametrize("part", ["generator", "condition_embedder"])
def test_halves_of_a_checkpoint_are_filled_as_upstream_fills_them(part: str, bundle: Bundle, repacked: Bundle) -> None:
    folder = bundle.folder / SAM3D_FOLDER
    prefix = f"_base_models.{part}."

    def chosen(tensors: Any) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    config = OmegaConf.load(folder / "slat_generator.yaml")["module"][part]["backbone"]
    ours = [
        build._loader(Checkpoints(one), halved=True)(config, "slat_generator.ckpt", chosen)
        for one in (bundle, repacked)
    ]
    original = torch.hub.load
    torch.hub.load = build._dinov2
    try:
        theirs = instantiate(config)
    finally:
        torch.hub.load = original
    theirs.load_state_dict(chosen(torch.load(folder / "slat_generator.ckpt", weights_only=True)["state_dict"]))
    for one in ours:
        assert_same(one, theirs)


def test_equal_backbones_are_one_module_where_the_bundle_says_so(upstream: Any, repacked: Bundle) -> None:
    def backbones_of(pipeline: Any) -> set[int]:
        embedders = [pipeline.condition_embedders[name] for name in EMBEDDERS]
        return {id(dino.backbone) for one in embedders for dino, _ in one.embedder_list if hasattr(dino, "backbone")}

    assert len(backbones_of(upstream)) == 4, "as published, nobody has compared them"
    assert len(backbones_of(build_pipeline(repacked, CPU))) == 1


class RandomNumbers(TorchDispatchMode):  # type: ignore[misc]  # torch is Any where types are checked
    """Counts the numbers drawn at random within."""

    drawn = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if "random" in str(func) or "normal" in str(func) or "uniform" in str(func) or "randn" in str(func):
            self.drawn += 0 if made.is_meta else made.numel()
        return made


def test_hardly_anything_is_drawn_at_random(bundle: Bundle) -> None:
    with RandomNumbers() as random:
        pipeline = build_pipeline(bundle, CPU)
    parameters = sum(parameter.numel() for module in networks(pipeline).values() for parameter in module.parameters())
    assert random.drawn < parameters / 1000, "four learnt positions, which are overwritten"


@pytest.mark.usefixtures("offline")
def test_no_network_is_needed(bundle: Bundle) -> None:
    assert build_pipeline(bundle, CPU).depth_model is not None


def test_dinov2_is_the_genuine_one() -> None:
    """What stands in for `torch.hub.load` makes the very network, in its published size."""
    with build.unfilled():
        theirs = backbones.dinov2_vitl14_reg(pretrained=False)
    (ours, *_) = [
        module.backbone
        for _, part in empty_modules(configuration("genuine")["ss_generator"])
        for module in part.modules()
        if hasattr(module, "backbone") and hasattr(module, "prenorm_features")
    ]
    assert {name: tensor.shape for name, tensor in ours.state_dict().items()} == {
        name: tensor.shape for name, tensor in theirs.state_dict().items()
    }
    assert str(ours) == str(theirs)
    for name in ("num_register_tokens", "interpolate_antialias", "interpolate_offset", "patch_size", "num_heads"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_both_stages_see_the_photo_alike_as_published(bundle: Bundle) -> None:
    assert same_preprocessing(bundle)


def test_stages_that_see_the_photo_differently_are_noticed(own_weights: Path) -> None:
    bundle = locate(own_weights)
    path = own_weights / SAM3D_FOLDER / "pipeline.yaml"
    path.write_text(path.read_text().replace("box_size_factor: 1.2", "box_size_factor: 1.3", 1))
    assert not same_preprocessing(bundle)


def spoil(own_weights: Path, name: str, change: Any) -> Bundle:
    """The bundle after `change` of the tensors in a checkpoint."""
    bundle = locate(own_weights)
    path = own_weights / SAM3D_FOLDER / name
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    return bundle


def test_a_missing_tensor_is_named(own_weights: Path) -> None:
    bundle = spoil(own_weights, "ss_decoder.ckpt", lambda tensors: tensors.pop("input_layer.weight"))
    with pytest.raises(Gen3DError, match=r"weights_damaged: ss_decoder.ckpt .*1 tensors missing") as caught:
        build_pipeline(bundle, CPU)
    assert caught.value.details["missing"] == ["input_layer.weight"]


def test_a_tensor_of_another_shape_is_named(own_weights: Path) -> None:
    bundle = spoil(own_weights, "ss_decoder.ckpt", lambda tensors: tensors.update({"input_layer.bias": torch.zeros(5)}))
    with pytest.raises(Gen3DError, match="weights_damaged") as caught:
        build_pipeline(bundle, CPU)
    assert caught.value.details["misshapen"] == ["input_layer.bias"]


def test_a_checkpoint_that_is_none_is_told_of(own_weights: Path) -> None:
    bundle = locate(own_weights)
    (own_weights / SAM3D_FOLDER / "slat_decoder_gs.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(Gen3DError, match="weights_damaged: The checkpoint slat_decoder_gs cannot be read"):
        build_pipeline(bundle, CPU)


class Intruder:
    """Something that runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return print, ("you have been had",)


def test_a_checkpoint_with_code_in_it_is_refused(own_weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bundle = spoil(own_weights, "ss_decoder.ckpt", lambda tensors: tensors.update(more=Intruder()))
    with pytest.raises(Gen3DError, match="weights_damaged"):
        build_pipeline(bundle, CPU)
    assert "had" not in capfd.readouterr().out


@pytest.mark.parametrize("file", ["pipeline.yaml", "ss_generator.yaml", "slat_decoder_mesh.yaml"])
def test_a_yaml_file_may_name_nothing_but_what_is_published(own_weights: Path, file: str) -> None:
    bundle = locate(own_weights)
    path = own_weights / SAM3D_FOLDER / file
    config = OmegaConf.load(path)
    config["more"] = {"deep": [{"_target_": "os.system", "command": "touch /tmp/had"}]}
    OmegaConf.save(config, path)
    with pytest.raises(Gen3DError, match="weights_untrusted") as caught:
        build_pipeline(bundle, CPU)
    assert caught.value.details == {"file": file, "name": "os.system"}


def test_a_backbone_that_is_not_dinov2s_is_refused(own_weights: Path) -> None:
    bundle = locate(own_weights)
    path = own_weights / SAM3D_FOLDER / "ss_generator.yaml"
    path.write_text(path.read_text().replace("dinov2_vitl14_reg", "resnet50"))
    with pytest.raises(Gen3DError, match="weights_untrusted") as caught:
        build_pipeline(bundle, CPU)
    assert "resnet50" in caught.value.message
