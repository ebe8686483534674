"""The configuration of SAM 3D Objects, as its YAML files hold it: in the published size, or a tiny one for tests.

Knows no module and no weights.
"""

import copy
from typing import Any, Literal

Size = Literal["tiny", "genuine"]
Yaml = dict[str, Any]

_BACKBONE = "sam3d_objects.model.backbone"
_TRANSFORMS = "sam3d_objects.data.dataset.tdfy"
_TINY = 64  # channels

_PAD = {"_partial_": True, "_target_": f"{_TRANSFORMS}.img_processing.pad_to_square_centered"}
_CROP = {
    "_partial_": True,
    "_target_": f"{_TRANSFORMS}.img_and_mask_transforms.crop_around_mask_with_padding",
    "box_size_factor": 1.2,
    "padding_factor": 0.0,
}
_SAME_SIZE = {"_partial_": True, "_target_": f"{_TRANSFORMS}.img_and_mask_transforms.resize_all_to_same_size"}
_TIMES = {
    "_partial_": True,
    "_target_": f"{_BACKBONE}.generator.flow_matching.model.lognorm_sampler",
    "mean": -1.0,
    "std": 1.0,
}


def configuration(size: Size) -> dict[str, Yaml]:
    """The content of each YAML file of the checkpoints, by its name without the ending.

    In the genuine size the numbers are those of the published files.
    """
    tiny = size == "tiny"
    decoders = {
        "slat_decoder_gs": _gaussian_decoder(tiny, gaussians=32),
        "slat_decoder_gs_4": _gaussian_decoder(tiny, gaussians=4),
        "slat_decoder_mesh": _mesh_decoder(tiny),
    }
    return {
        "pipeline": _pipeline(tiny),
        "ss_generator": _structure_generator(tiny),
        "slat_generator": _latent_generator(tiny),
        "ss_decoder": _structure_decoder(tiny),
        **decoders,
    }


def _resized(interpolation: int | None = None) -> Yaml:
    resize: Yaml = {"_target_": "torchvision.transforms.Resize", "size": 518}
    if interpolation is not None:
        resize["interpolation"] = interpolation
    return {"_target_": "torchvision.transforms.Compose", "transforms": [_PAD, resize]}


def _pipeline(tiny: bool) -> Yaml:
    names = (
        "ss_generator",
        "slat_generator",
        "ss_decoder",
        "slat_decoder_gs",
        "slat_decoder_gs_4",
        "slat_decoder_mesh",
    )
    files = {f"{name}_config_path": f"{name}.yaml" for name in names}
    files |= {f"{name}_ckpt_path": f"{name}.ckpt" for name in names}
    preprocessor = f"{_TRANSFORMS}.preprocessor.PreProcessor"
    settings: Yaml = {
        "_target_": "sam3d_objects.pipeline.inference_pipeline_pointmap.InferencePipelinePointMap",
        **files,
        "pad_size": 1.0,
        "dtype": "float16",
        "version": "3dfy_v9",
        "slat_cfg_strength": 1,
        "slat_rescale_t": 1,
        "downsample_ss_dist": 1,
        "compile_model": True,
        "ss_condition_input_mapping": [],
        "ss_preprocessor": {
            "_target_": preprocessor,
            "img_mask_joint_transform": [],
            "img_mask_pointmap_joint_transform": [_SAME_SIZE, _CROP],
            "img_transform": _resized(),
            "mask_transform": _resized(0),
            "normalize_pointmap": True,
            "pointmap_normalizer": {
                "_target_": f"{_TRANSFORMS}.img_and_mask_transforms.ObjectCentricSSI",
                "allow_scale_and_shift_override": True,
                "use_scene_scale": True,
            },
            "pointmap_transform": _resized(0),
        },
        "pose_decoder_name": "ScaleShiftInvariant",
        "depth_model": {
            "_target_": "sam3d_objects.pipeline.depth_models.moge.MoGe",
            "model": {
                "_target_": "moge.model.v1.MoGeModel.from_pretrained",
                "pretrained_model_name_or_path": "Ruicheng/moge-vitl",
            },
        },
        "slat_condition_input_mapping": [],
        "slat_preprocessor": {
            "_target_": preprocessor,
            "img_transform": _resized(),
            "mask_transform": _resized(0),
            "img_mask_joint_transform": [_CROP],
        },
        "slat_mean": [
            0.12211431,
            0.37204156,
            -1.26521907,
            -2.05276058,
            -3.10432536,
            -0.11294304,
            -0.85146744,
            0.45506954,
        ],
        "slat_std": [2.37326008, 2.13174402, 2.2413953, 2.30589401, 2.1191894, 1.8969511, 2.41684989, 2.08374642],
    }
    if tiny:
        settings |= {"ss_inference_steps": 3, "slat_inference_steps": 2}
    return copy.deepcopy(settings)


def _dino(tiny: bool, inputs: list[list[str]], *, prenorm: bool) -> list[Any]:
    dino: Yaml = {
        "_target_": f"{_BACKBONE}.dit.embedder.dino.Dino",
        "dino_model": "dinov2_vitl14_reg",
        "input_size": 112 if tiny else 518,
        "normalize_images": True,
    }
    if prenorm:
        dino["prenorm_features"] = True
    if tiny:
        dino["backbone_kwargs"] = {"embed_dim": _TINY, "depth": 2, "num_heads": 2, "img_size": 112}
    return [dino, inputs]


_IMAGES = [["image", "cropped"], ["rgb_image", "full"]]
_MASKS = [["mask", "cropped"], ["rgb_image_mask", "full"]]
_POINTMAPS = [["pointmap", "cropped"], ["rgb_pointmap", "full"]]


def _structure_generator(tiny: bool) -> Yaml:
    channels = _TINY if tiny else 1024
    points = {
        "_target_": f"{_BACKBONE}.dit.embedder.pointmap.PointPatchEmbed",
        "embed_dim": 32 if tiny else 512,
        "input_size": 64 if tiny else 256,
        "patch_size": 8,
        "remap_output": "linear",
    }
    embedder = {
        "_target_": f"{_BACKBONE}.dit.embedder.embedder_fuser.EmbedderFuser",
        "drop_modalities_weight": [[["pointmap", "rgb_pointmap"], 1.0]],
        "dropout_prob": 0.1,
        "embedder_list": [
            _dino(tiny, _IMAGES, prenorm=False),
            _dino(tiny, _MASKS, prenorm=False),
            [points, _POINTMAPS],
        ],
        "force_drop_modalities": None,
        "freeze": True,
        "projection_net_hidden_dim_multiplier": 4.0,
        "use_pos_embedding": "learned",
    }
    backbone = {
        "_target_": f"{_BACKBONE}.tdfy_dit.models.mot_sparse_structure_flow.SparseStructureFlowTdfyWrapper",
        "cond_channels": channels,
        "condition_embedder": None,
        "force_zeros_cond": True,
        "freeze_d_time_embedder": True,
        "freeze_shared_parameters": True,
        "in_channels": 8,
        "is_shortcut_model": True,
        "latent_mapping": {
            "6drotation_normalized": _latent(channels, 6),
            "scale": _latent(channels, 3),
            "shape": _shape_latent(channels),
            "translation": _latent(channels, 3),
            "translation_scale": _latent(channels, 1),
        },
        "latent_share_transformer": {
            "6drotation_normalized": ["6drotation_normalized", "translation", "scale", "translation_scale"]
        },
        "mlp_ratio": 4,
        "model_channels": channels,
        "num_blocks": 2 if tiny else 24,
        "num_heads": 2 if tiny else 16,
        "out_channels": 8,
        "patch_size": 1,
        "pe_mode": "ape",
        "qk_rms_norm": True,
        "resolution": 16,
        "use_checkpoint": False,
        "use_fp16": False,
    }
    guidance = f"{_BACKBONE}.generator.classifier_free_guidance"
    generator = {
        "_target_": f"{_BACKBONE}.generator.shortcut.model.ShortCut",
        "batch_mode": True,
        "cfg_modalities": ["shape"],
        "inference_steps": 2,
        "loss_weights": {
            "6drotation_normalized": 0.1,
            "_target_": "sam3d_objects.config.utils.make_dict",
            "scale": 0.1,
            "shape": 0,
            "translation": 1.0,
            "translation_scale": 0.0,
        },
        "ratio_cfg_samples_in_self_consistency_target": 0.25,
        "rescale_t": 1,
        "reverse_fn": {
            "_target_": f"{guidance}.ClassifierFreeGuidanceWithExternalUnconditionalProbability",
            "backbone": backbone,
            "interval": [0, 500],
            "p_unconditional": 0.1,
            "strength": 2.0,
            "unconditional_handling": "add_flag",
        },
        "self_consistency_cfg_strength": 2.0,
        "self_consistency_prob": 0.25,
        "shortcut_loss_weight": 1.0,
        "sigma_min": 0.0,
        "time_scale": 1000.0,
        "training_time_sampler_fn": _TIMES,
    }
    return _module(embedder, generator)


def _module(embedder: Yaml, generator: Yaml) -> Yaml:
    return copy.deepcopy(
        {"module": {"condition_embedder": {"backbone": embedder}, "generator": {"backbone": generator}}}
    )


def _latent(channels: int, values: int) -> Yaml:
    latent = f"{_BACKBONE}.tdfy_dit.models.mm_latent"
    position = {"_target_": f"{latent}.LearntPositionEmbedder", "model_channels": channels, "token_len": 1}
    return {
        "_target_": f"{latent}.Latent",
        "in_channels": values,
        "model_channels": channels,
        "pos_embedder": position,
    }


def _shape_latent(channels: int) -> Yaml:
    latent = _latent(channels, 8)
    latent["pos_embedder"] = {
        "_target_": f"{_BACKBONE}.tdfy_dit.models.mm_latent.ShapePositionEmbedder",
        "model_channels": channels,
        "patch_size": 1,
        "resolution": 16,
    }
    return latent


def _latent_generator(tiny: bool) -> Yaml:
    channels = _TINY if tiny else 1024
    embedder = {
        "_target_": f"{_BACKBONE}.dit.embedder.embedder_fuser.EmbedderFuser",
        "embedder_list": [_dino(tiny, _IMAGES, prenorm=True), _dino(tiny, _MASKS, prenorm=True)],
        "projection_net_hidden_dim_multiplier": 4.0,
        "use_pos_embedding": "learned",
    }
    backbone = {
        "_target_": f"{_BACKBONE}.tdfy_dit.models.structured_latent_flow.SLatFlowModelTdfyWrapper",
        "cond_channels": channels,
        "condition_embedder": None,
        "force_zeros_cond": True,
        "in_channels": 8,
        "io_block_channels": [32 if tiny else 128],
        "mlp_ratio": 4,
        "model_channels": channels,
        "num_blocks": 2 if tiny else 24,
        "num_heads": 2 if tiny else 16,
        "num_io_res_blocks": 2,
        "out_channels": 8,
        "patch_size": 2,
        "pe_mode": "ape",
        "qk_rms_norm": True,
        "resolution": 16 if tiny else 64,
        "use_fp16": True,
    }
    generator = {
        "_target_": f"{_BACKBONE}.generator.flow_matching.model.FlowMatching",
        "inference_steps": 12,
        "reverse_fn": {
            "_target_": f"{_BACKBONE}.generator.classifier_free_guidance.ClassifierFreeGuidance",
            "backbone": backbone,
            "p_unconditional": 0.0,
            "strength": 0.0,
            "unconditional_handling": "add_flag",
        },
        "sigma_min": 0.0,
        "time_scale": 1000.0,
        "training_time_sampler_fn": _TIMES,
    }
    return _module(embedder, generator)


def _structure_decoder(tiny: bool) -> Yaml:
    return {
        "_target_": f"{_BACKBONE}.tdfy_dit.models.sparse_structure_vae.SparseStructureDecoderTdfyWrapper",
        "out_channels": 1,
        "latent_channels": 8,
        "num_res_blocks": 1 if tiny else 2,
        "num_res_blocks_middle": 1 if tiny else 2,
        "channels": [32] if tiny else [512, 128, 32],
        "reshape_input_to_cube": False,
    }


def _sparse_decoder(name: str, tiny: bool, *, channels: int, heads: int) -> Yaml:
    return {
        "_target_": f"{_BACKBONE}.tdfy_dit.models.structured_latent_vae.{name}",
        "resolution": 16 if tiny else 64,
        "model_channels": channels if tiny else 768,
        "latent_channels": 8,
        "num_blocks": 2 if tiny else 12,
        "num_heads": heads if tiny else 12,
        "mlp_ratio": 4,
        "attn_mode": "swin",
        "window_size": 8,
        "use_fp16": True,
    }


def _mesh_decoder(tiny: bool) -> Yaml:
    # Its width must be a multiple of 256: a quarter of it is normalised in 32 groups, then an eighth.
    decoder = _sparse_decoder("decoder_mesh.SLatMeshDecoderTdfyWrapper", tiny, channels=256, heads=4)
    return decoder | {"representation_config": {"use_color": True}}


def _gaussian_decoder(tiny: bool, *, gaussians: int) -> Yaml:
    decoder = _sparse_decoder("decoder_gs.SLatGaussianDecoderTdfyWrapper", tiny, channels=64, heads=2)
    return decoder | {
        "representation_config": {
            "lr": {"_xyz": 1.0, "_features_dc": 1.0, "_opacity": 1.0, "_scaling": 1.0, "_rotation": 0.1},
            "perturb_offset": True,
            "voxel_size": 1.5,
            "num_gaussians": gaussians,
            "2d_filter_kernel_size": 0.1,
            "3d_filter_kernel_size": 0.0009,
            "scaling_bias": 0.004,
            "opacity_bias": 0.1,
            "scaling_activation": "softplus",
        }
    }


SAM2_SIDE = 128  # pixels on each side of what the tiny SAM 2.1 sees


def sam2_configuration() -> Yaml:
    """The arguments of transformers' `Sam2Config`, at a size that answers in milliseconds."""
    width = 32
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "image_size": [SAM2_SIDE, SAM2_SIDE],
        "hidden_size": 8,
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [8, 4, 4, 2],
        "window_positional_embedding_background_size": [4, 4],
        "global_attention_blocks": [3],
    }
    return {
        "vision_config": {
            "backbone_config": backbone,
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "fpn_hidden_size": width,
        },
        "prompt_encoder_config": {
            "hidden_size": width,
            "image_size": SAM2_SIDE,
            "patch_size": SAM2_SIDE // 8,
            "mask_input_channels": 8,
        },
        "mask_decoder_config": {
            "hidden_size": width,
            "mlp_dim": 64,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": width,
        },
    }
