import io
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from serve.contract import TextureFormat
from serve.mesh.meshes import WebMesh
from serve.mesh.textures import Picture, encode_textures

FORMATS: tuple[TextureFormat, ...] = get_args(TextureFormat)


def pixels(picture: Picture | None) -> NDArray[Any]:
    """What an independent reader sees."""
    assert picture is not None
    with Image.open(io.BytesIO(picture.data)) as opened:
        assert opened.format == picture.format.upper()
        assert opened.mode == "RGB"
        return np.asarray(opened).astype(int)


def degrees_between(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """The angles between the normals of two maps."""
    a, b = (2 * (one.reshape(-1, 3) / 255) - 1 for one in (first, second))
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


@pytest.mark.parametrize(("texture_format", "worst"), [("jpeg", 4), ("png", 0), ("webp", 8)])
def test_the_base_colour_reads_back(texture_format: TextureFormat, worst: int, cube: WebMesh) -> None:
    read = pixels(encode_textures(cube, texture_format).base_colour)
    assert np.abs(read - cube.texture).max() <= worst


@pytest.mark.parametrize(
    ("texture_format", "media_type", "suffix"),
    [("jpeg", "image/jpeg", ".jpg"), ("png", "image/png", ".png"), ("webp", "image/webp", ".webp")],
)
def test_every_format_has_its_type_and_suffix(
    texture_format: TextureFormat, media_type: str, suffix: str, cube: WebMesh
) -> None:
    colour = encode_textures(cube, texture_format).base_colour
    assert (colour.format, colour.media_type, colour.suffix) == (texture_format, media_type, suffix)


def test_jpeg_is_the_default_and_has_full_chroma(embossed: WebMesh) -> None:
    textures = encode_textures(embossed)
    assert textures == encode_textures(embossed, "jpeg")
    for picture in (textures.base_colour, textures.normal_map):
        assert picture is not None
        assert JpegImagePlugin.get_sampling(Image.open(io.BytesIO(picture.data))) == 0  # 4:4:4


@pytest.mark.parametrize("texture_format", FORMATS)
def test_the_same_mesh_gives_the_same_bytes(texture_format: TextureFormat, embossed: WebMesh) -> None:
    assert encode_textures(embossed, texture_format) == encode_textures(embossed, texture_format)


def test_a_mesh_without_a_normal_map_gets_none(cube: WebMesh) -> None:
    assert encode_textures(cube).normal_map is None


@pytest.mark.parametrize("texture_format", FORMATS)
def test_normals_keep_their_direction(texture_format: TextureFormat, embossed: WebMesh) -> None:
    assert embossed.normal_map is not None
    read = pixels(encode_textures(embossed, texture_format).normal_map)
    error = degrees_between(read, embossed.normal_map)
    assert error.max() <= (1e-3 if texture_format == "png" else 2.5)


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    texture_format=st.sampled_from(FORMATS),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_pictures_of_any_size_keep_it_and_png_keeps_everything(
    height: int, width: int, texture_format: TextureFormat, seed: int, cube: WebMesh
) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    textures = encode_textures(replace(cube, texture=noise, normal_map=noise), texture_format)
    for picture in (textures.base_colour, textures.normal_map):
        read = pixels(picture)
        assert read.shape == noise.shape
        assert texture_format != "png" or (read == noise).all()
