"""Photo files of every kind, whole and damaged, become upright RGB pixels or a clear error."""

import io
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from serve import images
from serve.errors import Gen3DError
from serve.images import Photo, read_photo

WIDTH, HEIGHT = 32, 24
Pixels = NDArray[np.uint8]


def picture() -> Pixels:
    """(24, 32, 3): smooth, so that lossy formats keep it, and with no symmetry, so that every turn shows."""
    x, y = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
    return np.stack([40 + 200 * x, 40 + 150 * y, 200 - 160 * x * y], axis=-1).astype(np.uint8)


def encode(pixels: NDArray[Any], format_name: str, *, mode: str | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(stream, format_name, **options)
    return stream.getvalue()


def read(data: bytes) -> Photo:
    return read_photo(data, max_pixels=1_000_000)


def refused(data: bytes, max_pixels: int = 1_000_000) -> Gen3DError:
    with pytest.raises(Gen3DError) as caught:
        read_photo(data, max_pixels=max_pixels)
    return caught.value


def codes(photo: Photo) -> list[str]:
    return [warning.code for warning in photo.warnings]


def worst(photo: Photo, expected: NDArray[Any]) -> int:
    """The largest difference of any value."""
    assert photo.pixels.shape == expected.shape
    return int(np.abs(photo.pixels.astype(int) - expected).max())


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of ISO/IEC 14496-12."""
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def full_box(kind: bytes, *parts: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]), *parts)


def heic(pixels: Pixels, *, quarter_turns: int = 0, profile: bytes | None = None) -> bytes:
    """A HEIC file of 32 × 24 pixels; no free encoder is at hand, so its HEVC picture is one block of plain samples.

    H.265 has such blocks (`pcm_flag`, section 7.3.8.5). A single one of 32 × 32, cropped by the sequence parameter
    set, leaves only constants around the samples. The picture is shown turned anticlockwise (`irot`).
    """
    parameter_sets = [
        bytes.fromhex("40010c01ffff037000000300b0000003000003001ea024"),  # video
        bytes.fromhex("420101037000000300b0000003000003001ea042087cb97de4c5ddf040"),  # sequence
        bytes.fromhex("4401c07180a480"),  # picture
    ]
    block = np.pad(pixels, ((0, 32 - HEIGHT), (0, 0), (0, 0)), mode="edge")
    y, cb, cr = Image.fromarray(block).convert("YCbCr").split()
    samples = np.concatenate([np.ravel(np.asarray(plane)) for plane in (y, cb.reduce(2), cr.reduce(2))])
    slice_unit = bytes.fromhex("2601af8680") + samples.clip(min=4).tobytes() + bytes.fromhex("fe80")
    item = struct.pack(">I", len(slice_unit)) + slice_unit

    arrays = [struct.pack(">BHH", 0xA0 + i, 1, len(unit)) + unit for i, unit in enumerate(parameter_sets)]
    config = bytes.fromhex("0103700000009000000000001ef000fcfdf8f800000f03") + b"".join(arrays)
    properties = box(
        b"ipco",
        box(b"hvcC", config),
        full_box(b"ispe", struct.pack(">II", WIDTH, HEIGHT)),
        box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 6, 0x80)),
        box(b"irot", bytes([quarter_turns])),
        box(b"colr", b"prof", profile) if profile else b"",
    )

    used = b"\x81\x02\x03\x84" + (b"\x05" if profile else b"")  # 0x80: may not be overlooked

    def meta(item_offset: int) -> bytes:
        return full_box(
            b"meta",
            full_box(b"hdlr", bytes(4) + b"pict" + bytes(13)),
            full_box(b"pitm", struct.pack(">H", 1)),
            full_box(b"iloc", struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, item_offset, len(item))),
            full_box(b"iinf", struct.pack(">H", 1), full_box(b"infe", struct.pack(">HH5s", 1, 0, b"hvc1"), version=2)),
            box(b"iprp", properties, full_box(b"ipma", struct.pack(">IHB", 1, 1, len(used)), used)),
        )

    file_type = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    return file_type + meta(len(file_type) + len(meta(0)) + 8) + box(b"mdat", item)


SAMPLES = {
    "JPEG": encode(picture(), "JPEG", quality=95, subsampling=0),
    "PNG": encode(picture(), "PNG"),
    "WEBP": encode(picture(), "WEBP", lossless=True),
    "TIFF": encode(picture(), "TIFF", compression="tiff_lzw"),
    "GIF": encode(picture(), "GIF"),
    "BMP": encode(picture(), "BMP"),
    "AVIF": encode(picture(), "AVIF", quality=100, subsampling="4:4:4"),
    "HEIF": heic(picture()),
}
VARIANTS = {
    "progressive JPEG": encode(picture(), "JPEG", progressive=True),
    "lossy WebP": encode(picture(), "WEBP"),
    "animated WebP": encode(picture(), "WEBP", save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT))]),
    "animated PNG": encode(picture(), "PNG", save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT))]),
    "animated GIF": encode(picture(), "GIF", save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT))]),
    "raw TIFF": encode(picture(), "TIFF"),
}


# Photos that are read.


@pytest.mark.parametrize("format_name", SAMPLES)
def test_every_format_becomes_rgb(format_name: str) -> None:
    photo = read(SAMPLES[format_name])
    assert (photo.width, photo.height, photo.format, photo.warnings) == (WIDTH, HEIGHT, format_name, ())
    assert worst(photo, picture()) <= {"JPEG": 6, "AVIF": 6, "GIF": 15, "HEIF": 15}.get(format_name, 0)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous
    assert not photo.pixels.flags.writeable


# How an upright picture is stored for each value of the EXIF tag Orientation.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("band", [2**20, 100], ids=["one band", "many bands"])
def test_every_exif_orientation_is_turned_upright(
    format_name: str, orientation: int, band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "_BAND_PIXELS", band)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(STORED[orientation](picture()), format_name, exif=exif, quality=95, lossless=True)
    assert worst(read(data), picture()) <= 12


@pytest.mark.parametrize("quarter_turns", range(4))
def test_heic_is_turned_as_its_own_box_says(quarter_turns: int) -> None:
    assert worst(read(heic(picture(), quarter_turns=quarter_turns)), np.rot90(picture(), quarter_turns)) <= 15


def with_exif(format_name: str, exif: bytes) -> bytes:
    return encode(picture(), format_name, exif=b"Exif\0\0" + exif)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_unreadable_exif_costs_a_warning_and_not_the_photo(format_name: str) -> None:
    photo = read(with_exif(format_name, b"not EXIF at all"))
    assert codes(photo) == ["image_exif_ignored"]
    assert photo.pixels.shape == picture().shape


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=80), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
@example(b"\x01\0\x1a\x01\x02\0\x01\0\0\0" + bytes(8), b"II*\0\x08\0\0\0")  # dots per inch, as an empty text
def test_no_exif_kills_a_photo(body: bytes, header: bytes) -> None:
    for format_name in ("JPEG", "PNG", "WEBP"):
        assert read(with_exif(format_name, header + body)).pixels.size == picture().size


def test_greyscale_and_black_and_white() -> None:
    grey = picture()[..., 0]
    assert worst(read(encode(grey, "PNG")), np.stack([grey] * 3, axis=-1)) == 0
    black_and_white = (grey > 128).repeat(3).reshape(HEIGHT, WIDTH, 3) * 255
    assert worst(read(encode(grey > 128, "PNG")), black_and_white) == 0


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(format_name: str) -> None:
    grey = picture()[..., 0].astype(np.uint16) * 257 - 100  # Rounds up.
    assert worst(read(encode(grey, format_name)), np.stack([picture()[..., 0]] * 3, axis=-1)) == 0


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bit_colour_is_scaled(suffix: str, channels: int) -> None:
    deep = np.full((HEIGHT, WIDTH, channels), 65535, np.uint16)
    deep[..., :3] = picture()[..., ::-1].astype(np.uint16) * 257
    written, data = cv2.imencode(suffix, deep)
    assert written
    assert worst(read(data.tobytes()), picture()) == 0


def with_tiff_tag(data: bytes, tag: int, value: int, replacing: int | None = None) -> bytes:
    """A little-endian TIFF whose entry for one tag is replaced by a 32-bit value."""
    entry = re.search(re.escape(struct.pack("<H", replacing or tag)) + rb"[\x03\x04]\x00\x01\x00\x00\x00", data)
    assert entry
    start = entry.start()
    return data[:start] + struct.pack("<HHII", tag, 4, 1, value) + data[start + 12 :]


def test_tiff_with_12_bits_and_tiff_with_white_as_zero() -> None:
    all_ones = encode(np.full((HEIGHT, WIDTH), 65535, np.uint16), "TIFF")
    assert read(all_ones).pixels.min() == 255
    assert read(with_tiff_tag(all_ones, 258, 12)).pixels.min() == 255
    assert read(with_tiff_tag(all_ones, 262, 0)).pixels.max() == 0


def test_palette() -> None:
    palette = Image.fromarray(picture()).quantize(16)
    stream = io.BytesIO()
    palette.save(stream, "PNG")
    photo = read(stream.getvalue())
    assert worst(photo, np.asarray(palette.convert("RGB"))) == 0
    assert photo.warnings == ()


def test_transparent_parts_lie_on_white() -> None:
    pixels = np.full((2, 2, 4), (200, 100, 0, 0), np.uint8)
    pixels[0, 0, 3], pixels[0, 1, 3] = 255, 128
    photo = read(encode(pixels, "PNG"))
    assert codes(photo) == ["image_alpha_flattened"]
    assert photo.pixels[0, 0].tolist() == [200, 100, 0]
    assert np.abs(photo.pixels[0, 1].astype(int) - (227, 177, 127)).max() <= 1
    assert photo.pixels[1].tolist() == [[255, 255, 255]] * 2


# Dark at one pixel, and transparent at the fifteen others.
DARK = np.zeros((4, 4), np.uint8)
DARK[0, 0] = 9
TRANSPARENT = {
    "grey and alpha": encode(np.dstack([DARK, (DARK > 0) * np.uint8(255)]), "PNG"),
    "a grey level": encode(DARK, "PNG", transparency=0),
    "a colour": encode(np.dstack([DARK] * 3), "PNG", transparency=(0, 0, 0)),
    "a palette entry": encode(DARK, "GIF", transparency=0),
    "palette entries with alpha": encode(DARK, "PNG", mode="P", transparency=b"\0\xff"),
}


@pytest.mark.parametrize("form", TRANSPARENT)
def test_every_form_of_transparency_lies_on_white(form: str) -> None:
    photo = read(TRANSPARENT[form])
    assert codes(photo) == ["image_alpha_flattened"]
    assert photo.pixels[0, 0].tolist() == [9, 9, 9]
    assert np.count_nonzero(photo.pixels == 255) == 15 * 3


def test_an_alpha_channel_that_hides_nothing_is_no_news() -> None:
    opaque = np.dstack([picture(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    photo = read(encode(opaque, "PNG"))
    assert photo.warnings == ()
    assert worst(photo, picture()) == 0


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_of_several_pictures_the_first_is_used(format_name: str) -> None:
    second = Image.new("RGB", (WIDTH, HEIGHT), "black")
    photo = read(encode(np.full_like(picture(), 200), format_name, save_all=True, append_images=[second]))
    assert codes(photo) == ["image_frames_ignored"]
    assert worst(photo, np.full_like(picture(), 200)) <= 3


def test_a_phones_jpeg_with_a_preview_inside_is_a_jpeg() -> None:
    photo = read(encode(picture(), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))]))
    assert (photo.format, photo.warnings) == ("JPEG", ())


# Colour profiles.


def icc(space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A display profile of version 4 (ICC.1:2010, section 7)."""
    directory, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        offset = 128 + 4 + 12 * len(tags) + len(body)
        directory += name + struct.pack(">II", offset, len(value))
        body += value + bytes(-len(value) % 4)
    size = 128 + len(directory) + len(body)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x04200000, b"mntr", space, pcs, b"acsp") + bytes(28)
    return (header + fixed(0.9642, 1, 0.8249)).ljust(128, b"\0") + directory + body


def fixed(*numbers: float) -> bytes:
    """Numbers as s15Fixed16."""
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


# Colorants relative to D50, in columns for red, green and blue: IEC 61966-2-1, SMPTE EG 432-1 and Adobe RGB (1998),
# adapted from D65 with the Bradford matrix.
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])

# parametricCurveType (section 10.18): a power, and sRGB's with its straight piece.
GAMMA = b"para" + bytes(8) + fixed(2.2)
SRGB_CURVE = b"para\0\0\0\0\0\3\0\0" + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def matrix_profile(colorants: NDArray[np.float64], curve: bytes) -> bytes:
    names = zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants.T, strict=True)
    tags = {name: b"XYZ \0\0\0\0" + fixed(*column) for name, column in names}
    return icc(b"RGB ", b"XYZ ", tags | {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def to_srgb(pixels: Pixels, colorants: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = ((pixels / 255) ** 2.2 @ (np.linalg.inv(SRGB) @ colorants).T).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(encoded * 255)


@pytest.mark.parametrize("colorants", [DISPLAY_P3, ADOBE_RGB], ids=["Display P3", "Adobe RGB"])
@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF", "HEIF"])
def test_colours_are_converted_to_srgb(format_name: str, colorants: NDArray[np.float64]) -> None:
    profile = matrix_profile(colorants, GAMMA)
    if format_name == "HEIF":
        data = heic(picture(), profile=profile)
    else:
        data = encode(picture(), format_name, icc_profile=profile, lossless=True, quality=100)
    expected = to_srgb(picture(), colorants)
    photo = read(data)
    assert np.abs(expected - picture()).mean() > 10
    assert np.abs(photo.pixels - expected).mean() < (0.5 if format_name in ("PNG", "TIFF", "WEBP") else 3.5)
    assert photo.warnings == ()


def test_a_transparent_picture_is_converted_before_it_lies_on_white() -> None:
    half = np.dstack([picture(), np.full((HEIGHT, WIDTH), 128, np.uint8)])
    photo = read(encode(half, "PNG", icc_profile=matrix_profile(ADOBE_RGB, GAMMA)))
    assert worst(photo, (to_srgb(picture(), ADOBE_RGB) * 128 + 255 * 127) / 255) <= 3


def test_an_srgb_profile_changes_no_pixel() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    assert worst(read(encode(noise, "PNG", icc_profile=matrix_profile(SRGB, SRGB_CURVE))), noise) == 0


def test_a_grey_profile_is_used() -> None:
    linear = icc(b"GRAY", b"XYZ ", {b"kTRC": b"para" + bytes(8) + fixed(1)})
    grey = np.full((2, 2), 128, np.uint8)
    assert worst(read(encode(grey, "PNG", icc_profile=linear)), np.full((2, 2, 3), 188)) <= 1


@pytest.mark.parametrize("profile", [b"broken", matrix_profile(SRGB, GAMMA)[:300]], ids=["no profile", "cut off"])
def test_a_broken_profile_costs_a_warning_and_not_the_photo(profile: bytes) -> None:
    photo = read(encode(picture(), "PNG", icc_profile=profile))
    assert codes(photo) == ["image_profile_ignored"]
    assert worst(photo, picture()) == 0


def test_a_profile_for_other_colours_is_ignored() -> None:
    photo = read(encode(picture()[..., 0], "PNG", icc_profile=matrix_profile(DISPLAY_P3, GAMMA)))
    assert codes(photo) == ["image_profile_ignored"]


def cmyk(icc_profile: bytes | None = None) -> bytes:
    """A JPEG of pure cyan ink."""
    stream = io.BytesIO()
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(stream, "JPEG", quality=100, icc_profile=icc_profile)
    return stream.getvalue()


def test_cmyk_without_a_profile() -> None:
    assert worst(read(cmyk()), np.full((8, 8, 3), (0, 255, 255))) <= 3


def test_cmyk_with_a_profile() -> None:
    """The profile says that cyan ink looks red: a table from ink to CIE Lab (lut8Type), white where there is none."""
    ramp = bytes(range(256))
    white, red = bytes((255, 128, 128)), bytes((130, 200, 190))
    table = b"mft1\0\0\0\0\x04\x03\x02\0" + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + ramp * 4 + white * 8 + red * 8 + ramp * 3
    photo = read(cmyk(icc(b"CMYK", b"Lab ", {b"A2B0": table})))
    red_value, green, blue = photo.pixels[4, 4].tolist()
    assert red_value > 150 > 60 > max(green, blue)
    assert photo.warnings == ()


# Photos that are refused.


def test_no_bytes() -> None:
    assert refused(b"").code == "image_empty"


RAW_TIFF = encode(picture(), "TIFF")
NOT_PHOTOS = {
    "an SVG drawing": b'<?xml version="1.0"?>\n<!-- drawn --><svg xmlns="http://www.w3.org/2000/svg"/>',
    "an HTML page": b"\xef\xbb\xbf\n<!DOCTYPE html><html><body><svg></svg></body></html>",
    "an XML document": b"<Error><Code>AccessDenied</Code></Error>",
    "a text file": "ein Foto, größer als erwartet".encode("utf-16"),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
    "a PostScript file": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "a Photoshop document": b"8BPS\0\1" + bytes(20),
    "a JPEG XL picture": b"\xff\x0a" + bytes(20),
    "a JPEG 2000 picture": b"\0\0\0\x0cjP  \r\n\x87\n",
    "a ZIP archive or an office document": b"PK\x03\x04" + bytes(20),
    "a video": box(b"ftyp", b"isom", bytes(4), b"isomavc1mp41"),
    "a camera RAW file": box(b"ftyp", b"crx ", bytes(4), b"crx isom"),
}


@pytest.mark.parametrize("what", NOT_PHOTOS)
def test_what_is_no_photo_is_named_whatever_its_file_name_says(what: str) -> None:
    error = refused(NOT_PHOTOS[what])
    assert error.code == "image_unsupported"
    assert what in error.message
    assert "export the photo as JPEG or PNG" in error.message


@pytest.mark.parametrize("data", [b"\x07" * 500, bytes(500), b"BMW makes cars, too"])
def test_anything_else_is_refused_too(data: bytes) -> None:
    assert refused(data).code == "image_unsupported"


@pytest.mark.parametrize(
    ("tag", "value"), [(254, 1), (262, 32803), (50706, 0x0104)], ids=["thumbnail", "sensor", "DNG"]
)
def test_camera_raw_in_a_tiff_is_named(tag: int, value: int) -> None:
    error = refused(with_tiff_tag(RAW_TIFF, tag, value, replacing=tag if tag == 262 else 284))
    assert (error.code, error.details["seems_to_be"]) == ("image_unsupported", "a camera RAW file")


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), np.float32), np.zeros((4, 4), np.int32)])
def test_pixels_without_a_known_white_are_refused(pixels: NDArray[Any]) -> None:
    assert refused(encode(pixels, "TIFF")).code == "image_unsupported"


def test_a_whole_tiff_of_an_unknown_kind_is_unsupported_and_not_damaged() -> None:
    assert refused(with_tiff_tag(RAW_TIFF, 259, 12345)).code == "image_unsupported"


@pytest.mark.parametrize("name", [*SAMPLES, *VARIANTS])
def test_a_file_that_ends_too_early_is_truncated(name: str) -> None:
    whole = (SAMPLES | VARIANTS)[name]
    for share in (0.3, 0.6, 0.9):
        cut = whole[: int(len(whole) * share)]
        if name.startswith("animated") and share > 0.5:
            continue  # The first picture may be whole.
        error = refused(cut)
        assert error.code == "image_truncated"
        assert "ends too early or is damaged" in error.message


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([b"", *(sample[:40] for sample in SAMPLES.values())]))
def test_random_bytes_give_a_photo_or_an_error_for_people(body: bytes, head: bytes) -> None:
    photo_or_error(head + body)


@settings(deadline=None, max_examples=1000)
@given(st.sampled_from([*SAMPLES, *VARIANTS]), st.data())
def test_damage_gives_a_photo_or_an_error_for_people(name: str, draw: st.DataObject) -> None:
    data = bytearray((SAMPLES | VARIANTS)[name])
    for _ in range(draw.draw(st.integers(0, 4))):
        data[draw.draw(st.integers(0, min(len(data), 400) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.one_of(st.none(), st.integers(0, len(data))))
    photo_or_error(bytes(data[:cut]))


def photo_or_error(data: bytes) -> None:
    try:
        photo = read_photo(data, max_pixels=100_000)
    except Gen3DError as error:
        assert error.code in ("image_empty", "image_unsupported", "image_truncated", "image_too_large")  # noqa: PT017
    else:
        assert 0 < photo.width * photo.height <= 100_000
        assert photo.pixels.shape == (photo.height, photo.width, 3)


# Photos that would cost too much.


def png_claiming(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0")
    chunks = (
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (header, data)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def overwritten(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def after(data: bytes, marker: bytes) -> int:
    return data.index(marker) + len(marker)


WEBP_WITH_EXIF = encode(picture(), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
JPEG, AVIF, HEIC = SAMPLES["JPEG"], SAMPLES["AVIF"], SAMPLES["HEIF"]
HUGE = struct.pack(">II", 100_000, 100_000)
BOMBS = {
    "PNG": ("PNG", png_claiming(100_000, 100_000)),
    "JPEG": ("JPEG", overwritten(JPEG, after(JPEG, b"\xff\xc0\0\x11\x08"), struct.pack(">HH", 65500, 65500))),
    "GIF": ("GIF", overwritten(SAMPLES["GIF"], 6, b"\xff" * 4)),
    "BMP": ("BMP", overwritten(SAMPLES["BMP"], 18, struct.pack("<ii", 100_000, 100_000))),
    "TIFF": ("TIFF", with_tiff_tag(with_tiff_tag(RAW_TIFF, 256, 100_000), 257, 100_000)),
    "TIFF tile": ("TIFF", with_tiff_tag(with_tiff_tag(RAW_TIFF, 322, 100_000, 259), 323, 100_000, 284)),
    "lossless WebP": ("WEBP", overwritten(SAMPLES["WEBP"], 21, b"\xff" * 4)),
    "lossy WebP": ("WEBP", overwritten(VARIANTS["lossy WebP"], 26, b"\xff\x3f" * 2)),
    "extended WebP": ("WEBP", overwritten(WEBP_WITH_EXIF, 24, b"\xff" * 6)),
    "AVIF": ("AVIF", overwritten(AVIF, after(AVIF, b"ispe\0\0\0\0"), HUGE)),
    "HEIC": ("HEIF", overwritten(HEIC, after(HEIC, b"ispe\0\0\0\0"), HUGE)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_is_refused_by_its_header(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    format_name, data = BOMBS[name]
    decoder = images._DECODERS[format_name]
    monkeypatch.setattr(decoder, "load", lambda self: pytest.fail("pixels were decoded"))
    if format_name in ("WEBP", "AVIF", "HEIF"):  # These libraries may allocate, or give up, on opening.
        monkeypatch.setattr(decoder, "_open", lambda self: pytest.fail("the decoder was started"))
    error = refused(data, max_pixels=64_000_000)
    assert error.code == "image_too_large"
    assert error.details["max_pixels"] == 64_000_000
    assert error.details["width"] * error.details["height"] > 64_000_000
    assert "at most 64 million" in error.message


def test_the_limit_is_the_callers_and_not_pillows() -> None:
    assert read_photo(SAMPLES["PNG"], max_pixels=WIDTH * HEIGHT).width == WIDTH
    assert refused(SAMPLES["PNG"], max_pixels=WIDTH * HEIGHT - 1).code == "image_too_large"
    grey = encode(picture()[..., 0], "TIFF")
    beyond_pillows_limit = with_tiff_tag(with_tiff_tag(grey, 256, 14_000), 257, 14_000)
    assert refused(beyond_pillows_limit, max_pixels=10**9).code == "image_truncated"


def test_a_jpeg_with_endless_scans_is_refused() -> None:
    progressive = VARIANTS["progressive JPEG"]
    scans = [match.start() for match in re.finditer(rb"\xff\xda", progressive)]
    last_scan = progressive[scans[-1] : -2]
    assert read(progressive[:-2] + last_scan * 50 + b"\xff\xd9").format == "JPEG"
    error = refused(progressive[:-2] + last_scan * 200 + b"\xff\xd9")
    assert (error.code, error.details["seems_to_be"]) == (
        "image_unsupported",
        f"a JPEG file with {len(scans) + 200} scans",
    )


def test_a_tiff_in_endless_strips_is_refused() -> None:
    strips = 300_000
    entries = [(256, 3, 1, 16), (257, 3, 1, 16), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, strips, 74)]
    directory = struct.pack("<H", 5) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    error = refused(b"II*\0\x08\0\0\0" + directory + bytes(4 * strips))
    assert error.code == "image_unsupported"
    assert "300000 strips" in error.message


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of one process is read from /proc")
def test_a_large_photo_is_held_twice_at_most(tmp_path: Path) -> None:
    """Pillow's copy has 4 bytes a pixel, the result 3; a third copy would come to 10 or more."""
    file = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture()).resize((4000, 3000)).save(file, "JPEG", exif=exif)
    script = r"""
import re, sys
from pathlib import Path
from serve.images import read_photo
def peak(): return 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
data = Path(sys.argv[1]).read_bytes()
before = peak()
photo = read_photo(data, max_pixels=20_000_000)
print((peak() - before) / (photo.width * photo.height))
"""
    measured = subprocess.run([sys.executable, "-c", script, file], check=True, capture_output=True, text=True)
    assert 6 < float(measured.stdout) < 9
