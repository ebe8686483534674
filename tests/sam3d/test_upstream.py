"""How upstream is imported, and that it is still what this code was written for."""

import inspect
import subprocess
import sys
from typing import Any

import pytest

from model_loader.catalog import bundle_files
from selftest.bundle import empty_modules
from selftest.configuration import configuration
from serve.reconstruct.sam3d.upstream import upstream_module

IMPORT_ON = """
import sys, torch
torch.cuda.is_available = lambda: True
torch.cuda.get_device_name = lambda *_: {name!r}
from serve.reconstruct.sam3d.upstream import import_pipeline, upstream_module
import_pipeline()
from serve.reconstruct.sam3d.attention import attend_by_sequence
attention = upstream_module("model.backbone.tdfy_dit.modules.sparse.attention.full_attn")
dense = upstream_module("model.backbone.tdfy_dit.modules.attention")
assert (attention.ATTN, dense.BACKEND) == ("sdpa", "sdpa"), (attention.ATTN, dense.BACKEND)
assert attention.masked_sdpa is attend_by_sequence
assert torch.cuda.get_device_name() == {name!r}, "what was changed for the import is as it was"
unused = {{"flash_attn", "xformers", "open3d", "pymeshfix", "gsplat", "kaolin"}}
assert not unused & set(sys.modules), unused & set(sys.modules)
"""


@pytest.mark.parametrize("name", ["NVIDIA H100 80GB HBM3", "NVIDIA L40S"])
def test_the_name_of_the_gpu_does_not_choose_the_attention(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ON.format(name=name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "standard output is for JSON lines"


# The functions of upstream that are called or replaced, by module and name, and the parameters relied on.
PIPELINE, DATA, MODEL = "pipeline.inference_pipeline", "data.dataset.tdfy", "model.backbone"
FLOW, SPARSE = f"{MODEL}.generator.flow_matching.model", f"{MODEL}.tdfy_dit.modules.sparse"
RELIED_ON = {
    (PIPELINE, "InferencePipeline.instantiate_and_load_from_pretrained"): "config ckpt_path state_dict_fn device",
    (PIPELINE, "prune_sparse_structure"): "coord_batch max_neighbor_axes_dist",
    (PIPELINE, "downsample_sparse_structure"): "coord_batch max_coords",
    (f"{PIPELINE}_pointmap", "InferencePipelinePointMap.__init__"): "depth_model",
    (f"{PIPELINE}_pointmap", "InferencePipelinePointMap.run"): "image mask seed pointmap stage1_inference_steps",
    (f"{PIPELINE}_pointmap", "camera_to_pytorch3d_camera"): "device",
    ("pipeline.depth_models.moge", "MoGe.__call__"): "image",
    (f"{DATA}.preprocessor", "PreProcessor._process_image_mask_pointmap_mess"): "rgb_image rgb_image_mask pointmap",
    (f"{DATA}.transforms_3d", "compose_transform"): "scale rotation translation",
    (f"{MODEL}.dit.embedder.dino", "Dino.__init__"): "input_size dino_model backbone_kwargs prenorm_features",
    (f"{MODEL}.dit.embedder.dino", "Dino._preprocess_input"): "x",
    (FLOW, "FlowMatching.generate_iter"): "x_shape x_device args_conditionals",
    (FLOW, "FlowMatching._generate_noise_tensor"): "x_shape x_device",
    (f"{MODEL}.generator.shortcut.model", "ShortCut.generate_iter"): "x_shape x_device args_conditionals",
    (f"{MODEL}.generator.classifier_free_guidance", "ClassifierFreeGuidance.inner_forward"): "x t is_cond strength",
    (f"{SPARSE}.attention.masked_sdpa", "masked_sdpa"): "q k v q_seqlen kv_seqlen",
    (f"{SPARSE}.basic", "SparseTensor.__init__"): "args kwargs",
    (f"{MODEL}.tdfy_dit.representations.mesh.cube2mesh", "SparseFeatures2Mesh.__init__"): "device res use_color",
    (f"{MODEL}.tdfy_dit.representations.gaussian.gaussian_model", "Gaussian.__init__"): "aabb device",
}


@pytest.mark.parametrize(("module", "name"), list(RELIED_ON))
def test_upstream_still_has_what_is_relied_on(module: str, name: str) -> None:
    found: Any = upstream_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    missing = set(RELIED_ON[module, name].split()) - set(inspect.signature(found).parameters)
    assert not missing, f"sam3d_objects.{module}.{name} no longer takes {missing}"


def test_gaussians_are_still_made_on_a_device_given_last() -> None:
    gaussian = upstream_module("model.backbone.tdfy_dit.representations.gaussian.gaussian_model").Gaussian
    assert list(inspect.signature(gaussian.__init__).parameters)[-1] == "device"
    assert gaussian.__init__.__defaults__[-1] == "cuda"


def test_both_sparse_attentions_still_call_the_function_that_is_replaced() -> None:
    for name in ("full_attn", "windowed_attn"):
        source = inspect.getsource(upstream_module(f"model.backbone.tdfy_dit.modules.sparse.attention.{name}"))
        assert "masked_sdpa(q, k, v," in source


def numbers(name: str) -> int:
    """How many the tensors of a network's checkpoint hold, in the genuine size."""
    modules = list(empty_modules(configuration("genuine")[name]))
    assert all(parameter.is_meta for _, module in modules for parameter in module.parameters())
    return sum(tensor.numel() for _, module in modules for tensor in module.state_dict().values())


@pytest.mark.parametrize(
    ("name", "bytes_each", "beside"),
    [
        # The structure's decoder lies, in float32, in the generator's checkpoint too.
        ("ss_generator", 4, "ss_decoder"),
        ("slat_generator", 4, None),
        ("slat_decoder_mesh", 4, None),
        ("ss_decoder", 2, None),
        ("slat_decoder_gs", 2, None),
    ],
)
def test_the_networks_have_the_size_of_the_published_files(name: str, bytes_each: int, beside: str | None) -> None:
    (published,) = [file for file in bundle_files("sam2") if file.path.endswith(f"/{name}.ckpt")]
    expected = bytes_each * (numbers(name) + (numbers(beside) if beside else 0))
    assert published.bytes == pytest.approx(expected, rel=0.005)


def test_torch_still_brings_attention_of_variable_length() -> None:
    from torch.nn.attention.varlen import varlen_attn

    assert list(inspect.signature(varlen_attn).parameters)[:7] == [
        "query",
        "key",
        "value",
        "cu_seq_q",
        "cu_seq_k",
        "max_q",
        "max_k",
    ]
