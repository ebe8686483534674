"""The genuine SAM 2.1 and SAM 3 classes, with weights that are small and random: masks mean nothing, their way does."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers import (
    Sam2Config,
    Sam2ImageProcessor,
    Sam2Model,
    Sam2Processor,
    Sam3ImageProcessor,
    Sam3TrackerConfig,
    Sam3TrackerModel,
    Sam3TrackerProcessor,
)

from selftest.configuration import SAM2_SIDE, sam2_configuration
from serve.errors import Gen3DError
from serve.segment import PixelBox
from serve.segment.clean import above_zero, clean
from serve.segment.sam import Sam, load_sam, window_of

Kind = Literal["sam2", "sam3"]
CPU = torch.device("cpu")
SIDES: dict[Kind, int] = {"sam2": SAM2_SIDE, "sam3": 112}
PROCESSORS = {
    "sam2": (Sam2ImageProcessor, Sam2Processor),
    "sam3": (Sam3ImageProcessor, Sam3TrackerProcessor),
}


def tiny(kind: Kind) -> Any:
    """The network at a size that answers in milliseconds, with weights large enough for boxes to matter."""
    side = SIDES[kind]
    torch.manual_seed(0)
    if kind == "sam2":
        model = Sam2Model(Sam2Config(**sam2_configuration()))
    else:
        decoder = {"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32}
        prompts = {"hidden_size": 32, "image_size": side, "patch_size": side // 8, "mask_input_channels": 8}
        backbone = {
            "model_type": "sam3_vit_model",
            "image_size": side,
            "patch_size": 14,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "window_size": 4,
            "global_attn_indexes": [1],
            "pretrain_image_size": 56,
        }
        vision = {
            "model_type": "sam3_vision_model",
            "backbone_config": backbone,
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
            "fpn_hidden_size": 32,
        }
        model = Sam3TrackerModel(
            Sam3TrackerConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
        )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    return model.eval()


@pytest.fixture(scope="session", params=["sam2", "sam3"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]  # pytest's parameters are Any


@pytest.fixture(scope="session")
def model(kind: Kind) -> Any:
    return tiny(kind)


@pytest.fixture(scope="session")
def processor(kind: Kind) -> Any:
    image_processor, whole = PROCESSORS[kind]
    return whole(image_processor(size={"height": SIDES[kind], "width": SIDES[kind]}))


@pytest.fixture(scope="session")
def sam(model: Any, processor: Any) -> Sam:
    return Sam("tiny", model, processor.image_processor.image_mean, processor.image_processor.image_std)


@pytest.fixture
def bundle(tmp_path: Path, kind: Kind, model: Any, processor: Any) -> Path:
    """A folder of weights as `save_pretrained` writes it."""
    model.save_pretrained(tmp_path / kind)
    processor.image_processor.save_pretrained(tmp_path / kind)
    return tmp_path


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Blots of colour."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))[:height, :width].copy()


def official(model: Any, processor: Any, pixels: NDArray[np.uint8], box: PixelBox) -> tuple[NDArray[np.bool_], float]:
    """The mask of the whole picture, and its IoU, by transformers' own processor, one box at a time."""
    inputs = processor(images=pixels, input_boxes=[[list(map(float, box))]], return_tensors="pt")
    with torch.inference_mode():
        said = model(pixel_values=inputs["pixel_values"], input_boxes=inputs["input_boxes"], multimask_output=False)
    masks = processor.post_process_masks(said.pred_masks, inputs["original_sizes"])
    return masks[0][0, 0].numpy(), float(said.iou_scores[0, 0, 0])


LARGE = [PixelBox(10, 20, 150, 110), PixelBox(100, 5, 190, 160), PixelBox(0, 0, 200, 170)]


def test_masks_and_confidences_are_those_of_transformers_own_road(sam: Sam, model: Any, processor: Any) -> None:
    photo = picture(200, 170)
    segment = sam.on(photo, LARGE)
    for box in LARGE:
        found = segment(box)
        mask, iou = official(model, processor, photo, box)
        assert found.box == box
        assert found.mask.dtype == np.bool_
        assert np.array_equal(found.mask, clean(mask[box.y_min : box.y_max, box.x_min : box.x_max]))
        assert found.confidence == pytest.approx(iou, abs=1e-6)


def test_a_small_box_is_seen_in_a_crop_around_it(sam: Sam, model: Any, processor: Any) -> None:
    photo = picture(900, 300)
    box = PixelBox(600, 30, 650, 70)
    window = window_of(box, 900, 300, sam.side)
    assert window == PixelBox(575, 0, 675, 100)
    crop = photo[window.y_min : window.y_max, window.x_min : window.x_max]
    mask, iou = official(model, processor, crop, PixelBox(25, 30, 75, 70))
    found = sam.on(photo, [box])(box)
    assert np.array_equal(found.mask, clean(mask[30:70, 25:75]))
    assert found.confidence == pytest.approx(iou, abs=1e-6)


def test_what_lies_far_from_a_small_box_does_not_matter_to_it(sam: Sam) -> None:
    photo, box = picture(900, 300), PixelBox(600, 30, 650, 70)
    changed = photo.copy()
    changed[:, :500] = 255 - changed[:, :500]
    one, other = sam.on(photo, [box])(box), sam.on(changed, [box])(box)
    assert np.array_equal(one.mask, other.mask)
    assert one.confidence == other.confidence


SMALL = [PixelBox(x, y, x + 40, y + 30) for x in range(50, 850, 100) for y in (20, 220)]


def test_boxes_together_give_what_each_gives_alone(sam: Sam) -> None:
    photo = picture(900, 300)
    boxes = [PixelBox(50, 20, 600, 280), *SMALL[:6], PixelBox(300, 0, 880, 250)]
    together = sam.on(photo, boxes)
    for box in boxes:
        one, alone = together(box), sam.on(photo, [box])(box)
        # A batch adds its sums in another order: a pixel on the very outline may change sides.
        assert np.mean(one.mask != alone.mask) < 0.002
        assert one.confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_boxes_change_the_mask(sam: Sam) -> None:
    """Or random weights would prove nothing above."""
    photo = picture(200, 170)
    segment = sam.on(photo, LARGE)
    inside = [segment(box).mask[20 - box.y_min :, 100 - box.x_min :][:90, :50] for box in (LARGE[0], LARGE[2])]
    assert np.mean(inside[0] != inside[1]) > 0.01
    assert 0.02 < segment(LARGE[2]).mask.mean() < 0.98


@pytest.fixture
def embedded(model: Any) -> Iterator[list[int]]:
    """How many pictures each pass through the vision encoder held."""
    passes: list[int] = []
    hook = model.vision_encoder.register_forward_pre_hook(lambda _, given: passes.append(len(given[0])))
    yield passes
    hook.remove()


def test_thirty_two_boxes_cost_one_embedding(sam: Sam, embedded: list[int]) -> None:
    boxes = [PixelBox(x, y, x + 100, y + 90) for x in range(0, 80, 10) for y in range(0, 80, 20)]
    segment = sam.on(picture(200, 170), boxes)
    assert len(boxes) == 32
    assert embedded == [1]
    for box in boxes:
        segment(box)
    assert embedded == [1]


def test_crops_are_embedded_a_few_at_a_time_and_the_photo_not_at_all(sam: Sam, embedded: list[int]) -> None:
    sam.on(picture(900, 300), SMALL[:10])
    assert embedded == [4, 4, 2]


def test_a_box_asked_for_twice_is_looked_at_once(sam: Sam, embedded: list[int]) -> None:
    segment = sam.on(picture(900, 300), [SMALL[0], SMALL[0]])
    assert embedded == [1]
    assert np.array_equal(segment(SMALL[0]).mask, segment(SMALL[0]).mask)


def test_a_mask_of_nothing_is_refused(kind: Kind, processor: Any) -> None:
    blind = tiny(kind)
    with torch.no_grad():
        for mlp in blind.mask_decoder.output_hypernetworks_mlps:
            for parameter in mlp.parameters():
                parameter.zero_()  # all logits are zero, and zero is outside
    sam = Sam("tiny", blind, processor.image_processor.image_mean, processor.image_processor.image_std)
    segment = sam.on(picture(200, 170), LARGE[:1])
    with pytest.raises(Gen3DError, match="sees no object") as caught:
        segment(LARGE[0])
    assert caught.value.code == "no_object_in_box"


def test_an_answer_of_no_numbers_is_a_defect_and_no_empty_mask(kind: Kind, processor: Any) -> None:
    broken = tiny(kind)
    with torch.no_grad():
        broken.mask_decoder.upscale_conv2.bias.fill_(float("nan"))
    sam = Sam("tiny", broken, processor.image_processor.image_mean, processor.image_processor.image_std)
    with pytest.raises(RuntimeError, match="not finite"):
        sam.on(picture(200, 170), LARGE[:1])(LARGE[0])


@pytest.mark.parametrize("size", [(200, 170), (64, 48), (1301, 333)])
def test_the_network_sees_what_transformers_would_show_it(
    sam: Sam, model: Any, processor: Any, size: tuple[int, int]
) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    shown: list[torch.Tensor] = []
    hook = model.vision_encoder.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    sam.on(photo, [PixelBox(0, 0, *size)])
    hook.remove()
    expected = processor.image_processor(photo, return_tensors="pt")["pixel_values"]
    # Within the noise of float32: both average bytes to the same bytes.
    torch.testing.assert_close(shown[0], expected, rtol=0, atol=1e-5)


def test_a_photo_that_may_not_be_written_to_is_read(sam: Sam) -> None:
    photo = picture(200, 170)
    free = sam.on(photo, LARGE)(LARGE[0])
    photo.flags.writeable = False
    assert np.array_equal(sam.on(photo, LARGE)(LARGE[0]).mask, free.mask)


def test_a_thread_of_its_own_changes_nothing(sam: Sam) -> None:
    photo, found = picture(200, 170), []
    worker = threading.Thread(target=lambda: found.append(sam.on(photo, LARGE)(LARGE[0])))
    worker.start()
    worker.join()
    assert np.array_equal(found[0].mask, sam.on(photo, LARGE)(LARGE[0]).mask)


@given(
    logits=st.integers(0, 1000).map(lambda seed: np.random.default_rng(seed).normal(size=(9, 7)).astype(np.float32)),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_logits_are_enlarged_on_transformers_grid(logits: NDArray[np.float32], size: tuple[int, int]) -> None:
    width, height = size
    enlarged = Sam2ImageProcessor().post_process_masks(
        torch.from_numpy(logits)[None, None, None], [(height, width)], binarize=False
    )[0][0, 0]
    mask = above_zero(logits, size, PixelBox(0, 0, width, height))
    clear = enlarged.abs().numpy() > 1e-5  # nearer to zero, rounding decides
    assert np.array_equal(mask[clear], (enlarged > 0).numpy()[clear])


sizes = st.integers(8, 9000)


@given(width=sizes, height=sizes, data=st.data())
def test_a_window_lies_in_the_photo_and_holds_the_box(width: int, height: int, data: st.DataObject) -> None:
    x_min, y_min = data.draw(st.integers(0, width - 8)), data.draw(st.integers(0, height - 8))
    box = PixelBox(x_min, y_min, data.draw(st.integers(x_min + 8, width)), data.draw(st.integers(y_min + 8, height)))
    window = window_of(box, width, height, 1024)
    assert 0 <= window.x_min <= box.x_min < box.x_max <= window.x_max <= width
    assert 0 <= window.y_min <= box.y_min < box.y_max <= window.y_max <= height
    seen = (window.x_max - window.x_min, window.y_max - window.y_min)
    longest = max(box.x_max - box.x_min, box.y_max - box.y_min)
    if window != PixelBox(0, 0, width, height):
        assert max(seen) * 2 <= max(width, height)
        assert all(side >= min(256, whole) for side, whole in zip(seen, (width, height), strict=True))
    else:
        assert longest * 4 > max(width, height) or max(width, height) < 512


def test_the_weights_arrive_as_they_were_saved(bundle: Path, kind: Kind, model: Any) -> None:
    loaded = load_sam(bundle, kind, CPU)
    assert loaded.name == {"sam2": "SAM 2.1", "sam3": "SAM 3"}[kind]
    again = loaded._model.state_dict()  # not what comes out alone: every tensor
    assert again.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(again[name], tensor), name
        assert again[name].dtype == tensor.dtype


def test_loading_and_running_need_no_network(
    bundle: Path, kind: Kind, sam: Sam, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    for way in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, way, forbidden)
    photo = picture(900, 300)
    boxes = [PixelBox(50, 20, 600, 280), SMALL[0]]
    segment, expected = load_sam(bundle, kind, CPU).on(photo, boxes), sam.on(photo, boxes)
    for box in boxes:
        assert np.array_equal(segment(box).mask, expected(box).mask)
        assert segment(box).confidence == expected(box).confidence


def test_the_published_layout_loads(tmp_path: Path, kind: Kind, model: Any, processor: Any, sam: Sam) -> None:
    """What is published is a whole video model, of which pictures need a part, under names of its own."""
    folder = tmp_path / kind
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    extra = {"memory_attention.layer_norm.weight": torch.ones(3), "no_object_pointer": torch.ones(1, 4)}
    tensors = dict(model.state_dict()) | extra
    if kind == "sam2":
        config |= {"model_type": "sam2_video", "architectures": ["Sam2VideoModel"], "num_maskmem": 7}
    else:
        tracker = config | {"model_type": "sam3_tracker_video", "num_maskmem": 7}
        config = {"model_type": "sam3_video", "architectures": ["Sam3VideoModel"], "tracker_config": tracker}
        tensors = {sam3_published(name): tensor for name, tensor in tensors.items()}
        tensors["detector_model.text_encoder.text_projection.weight"] = torch.ones(2, 2)
        tensors["detector_model.vision_encoder.neck.fpn_layers.0.proj1.bias"] = torch.ones(2)
    (folder / "config.json").write_text(json.dumps(config))
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / "model.safetensors")
    settings = {"image_processor": processor.image_processor.to_dict(), "processor_class": "Sam3VideoProcessor"}
    (folder / "processor_config.json").write_text(json.dumps(settings))

    photo = picture(200, 170)
    found, expected = load_sam(tmp_path, kind, CPU).on(photo, LARGE)(LARGE[0]), sam.on(photo, LARGE)(LARGE[0])
    assert np.array_equal(found.mask, expected.mask)
    assert found.confidence == expected.confidence


def sam3_published(name: str) -> str:
    if name.startswith("vision_encoder.backbone."):
        return f"detector_model.{name}"
    if name.startswith("vision_encoder.neck."):
        return name.replace("vision_encoder.neck.", "tracker_neck.")
    return f"tracker_model.{name}"


def refused(bundle: Path, kind: Kind) -> str:
    with pytest.raises(Gen3DError) as caught:
        load_sam(bundle, kind, CPU)
    assert caught.value.code == "weights_damaged"
    assert "\n" not in caught.value.message
    assert str(bundle / kind) in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("part", ["iou_token.weight", "shared_image_embedding.positional_embedding"])
def test_a_missing_tensor_is_not_drawn_at_random(bundle: Path, kind: Kind, part: str) -> None:
    file = bundle / kind / "model.safetensors"
    save_file({name: tensor for name, tensor in load_file(file).items() if not name.endswith(part)}, file)
    message = refused(bundle, kind)
    assert "missing keys" in message
    assert part in message


def test_an_unknown_tensor_is_refused(bundle: Path, kind: Kind) -> None:
    file = bundle / kind / "model.safetensors"
    save_file({**load_file(file), "mask_decoder.novelty": torch.ones(2)}, file)
    assert "unexpected keys: mask_decoder.novelty" in refused(bundle, kind)


def test_a_tensor_of_another_shape_is_refused(bundle: Path, kind: Kind) -> None:
    file = bundle / kind / "model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith("iou_token.weight"))
    save_file({**tensors, name: torch.ones(1, 5)}, file)
    assert "mismatched keys: mask_decoder.iou_token.weight" in refused(bundle, kind)


def test_a_file_cut_short_is_refused(bundle: Path, kind: Kind) -> None:
    file = bundle / kind / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    refused(bundle, kind)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_missing_file_is_refused(bundle: Path, kind: Kind, name: str) -> None:
    (bundle / kind / name).unlink()
    assert name in refused(bundle, kind)


def test_two_sizes_of_the_input_are_refused(bundle: Path, kind: Kind) -> None:
    file = bundle / kind / "preprocessor_config.json"
    file.write_text(file.read_text().replace(str(SIDES[kind]), "96"))
    assert "96" in refused(bundle, kind)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_a_file_that_is_no_json_is_refused(bundle: Path, kind: Kind, name: str) -> None:
    (bundle / kind / name).write_text("{")
    refused(bundle, kind)


def test_the_weights_of_the_other_are_refused(bundle: Path, kind: Kind) -> None:
    other: Kind = "sam3" if kind == "sam2" else "sam2"
    (bundle / kind).rename(bundle / other)
    assert "config.json describes a model of type" in refused(bundle, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_answers_as_the_cpu_does(bundle: Path, kind: Kind, sam: Sam) -> None:
    photo = picture(900, 300)
    boxes = [PixelBox(50, 20, 600, 280), *SMALL[:5]]
    segment, expected = load_sam(bundle, kind, torch.device("cuda")).on(photo, boxes), sam.on(photo, boxes)
    for box in boxes:
        assert np.mean(segment(box).mask != expected(box).mask) < 0.1, "the embedding is in bfloat16"
        assert segment(box).confidence == pytest.approx(expected(box).confidence, abs=0.05)
