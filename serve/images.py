"""Photo files → upright RGB pixels, whatever the bytes are. Knows nothing of boxes, HTTP or storage."""

import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pi_heif import HeifImageFile
from PIL import ExifTags, Image, ImageCms, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from serve.contract import Warned
from serve.errors import Gen3DError
from serve.file_kinds import CAMERA_RAW, identify, unsupported

Pixels = NDArray[np.uint8]


class _JpegImageFile(JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Nobody here needs the dots per inch, and Pillow fails the whole photo over some damaged ones."""


# The only decoders that ever see a byte, by Pillow's name of the format. They are called directly: `Image.open`
# turns every refusal into one sentence, and takes a JPEG with previews inside for a format of its own.
_DECODERS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "AVIF": AvifImageFile,
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "HEIF": HeifImageFile,
    "JPEG": _JpegImageFile,
    "PNG": PngImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
}

# Pillow's own limit on pixels is one for the whole process, and warns before it refuses. Here every size is
# held against the caller's `max_pixels` before anything is decoded, and that alone decides.
Image.MAX_IMAGE_PIXELS = None

# What the decoders raise on damaged files, as found by feeding them some; a MemoryError is told apart below.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

# The colours that each of Pillow's modes holds. The modes that are absent (32-bit and floating-point pixels,
# CIE Lab) are not photos that cameras or phones make, and have no agreed black and white to scale by.
_COLOURS = {
    "1": "L",
    "L": "L",
    "LA": "L",
    "La": "L",
    "I;16": "L",
    "I;16B": "L",
    "I;16L": "L",
    "P": "RGB",
    "PA": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
    "YCbCr": "RGB",
    "CMYK": "CMYK",
}

# Pixels are taken out of Pillow in bands of about this many, so that a photo is never held more than twice.
_BAND_PIXELS = 2**20

# Every scan of a JPEG costs a pass over all its pixels, and takes less than 100 bytes; encoders write about ten.
_MOST_SCANS = 100
# Pillow builds some 250 bytes for each strip or tile of a TIFF; a strip is a row of the photo or more.
_MOST_STRIPS = 2**18


@dataclass(frozen=True)
class _Turn:
    """How a stored picture becomes upright: `method`; its rows then run along x, and from the far end."""

    method: Image.Transpose | None = None
    sideways: bool = False
    from_the_end: bool = False


# By the EXIF tag Orientation (EXIF 2.32, section 4.6.4).
_TURNS = {
    1: _Turn(),
    2: _Turn(Image.Transpose.FLIP_LEFT_RIGHT),
    3: _Turn(Image.Transpose.ROTATE_180, from_the_end=True),
    4: _Turn(Image.Transpose.FLIP_TOP_BOTTOM, from_the_end=True),
    5: _Turn(Image.Transpose.TRANSPOSE, sideways=True),
    6: _Turn(Image.Transpose.ROTATE_270, sideways=True, from_the_end=True),
    7: _Turn(Image.Transpose.TRANSVERSE, sideways=True, from_the_end=True),
    8: _Turn(Image.Transpose.ROTATE_90, sideways=True),
}


@dataclass(frozen=True)
class Photo:
    """A photo as everything after this sees it.

    Attributes:
        pixels: (H, W, 3) uint8 sRGB, upright, C-contiguous and read-only, so that threads may share it.
        format: Pillow's name of the file's format, such as "JPEG".
        warnings: What was left out or changed on the way, with the codes `image_alpha_flattened`,
            `image_exif_ignored`, `image_frames_ignored` and `image_profile_ignored`.
    """

    pixels: Pixels
    format: str
    warnings: tuple[Warned, ...] = ()

    @property
    def width(self) -> int:
        """The upright photo's width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """The upright photo's height in pixels."""
        return int(self.pixels.shape[0])


def read_photo(data: bytes, *, max_pixels: int) -> Photo:
    """Reads a JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF or HEIC file, told by its first bytes.

    The file's first picture is turned upright by its EXIF data, converted to sRGB by its ICC profile, scaled to
    8 bits and laid on white where it is transparent.

    Args:
        data: The whole file.
        max_pixels: The most pixels that are decoded; held against the header first.

    Raises:
        Gen3DError: `image_empty`, `image_unsupported`, `image_truncated` or `image_too_large`.
    """
    if not data:
        raise Gen3DError("image_empty", "The photo has no bytes: send the file itself.")
    # Pillow warns of odd metadata, which is of no use here. Set at each call, because `-W` and test runners put
    # their filters in front; `catch_warnings` is not safe between threads.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    format_name = identify(data)
    notes: list[Warned] = []
    with _decoding(format_name):
        image = _open(format_name, data, max_pixels)
        image.load()
        _check_size(image.size, max_pixels)  # Again: the pixels decide, whatever the header said.
        turn = _turn(image, notes)
        transform = _transform_to_srgb(image, notes)
        pixels, flattened = _upright_rgb(image, turn, transform)
    if flattened:
        message = "The photo has transparent parts; they were laid on white."
        notes.append(Warned(code="image_alpha_flattened", message=message))
    # Last, because looking for a second picture may lose the first; a damaged second one is nobody's loss.
    with suppress(*_DECODER_ERRORS):
        if getattr(image, "is_animated", False):
            message = "The file holds several pictures (frames or pages); only the first or main one is used."
            notes.append(Warned(code="image_frames_ignored", message=message))
    return Photo(pixels, format_name, tuple(notes))


# From the file to Pillow's picture.


@contextmanager
def _decoding(format_name: str) -> Iterator[None]:
    """Turns whatever the decoders raise on bad data into the error for the person who sent it."""
    try:
        yield
    except MemoryError as error:
        message = "The photo needs more memory than the server has: send a smaller one."
        raise Gen3DError("image_too_large", message) from error
    except _DECODER_ERRORS as error:
        message = f"The {format_name} file ends too early or is damaged: send it again, or export it anew."
        raise Gen3DError("image_truncated", message, format=format_name, reason=str(error)) from error


def _open(format_name: str, data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """Reads the header alone, and refuses what would cost too much before anything is decoded."""
    tags = None
    if format_name == "TIFF":
        tags = _tiff_tags(data)
        _check_tiff(tags, max_pixels)
    elif format_name == "JPEG":
        scans = len(re.findall(rb"\xff\xda\0[\x08\x0a\x0c\x0e][\x01-\x04]", data))
        if scans > _MOST_SCANS:
            raise unsupported(f"a JPEG file with {scans} scans")
    else:
        for size in _sizes_before_opening(format_name, data):
            _check_size(size, max_pixels)
    try:
        image = _DECODERS[format_name](BytesIO(data))
    except _DECODER_ERRORS as error:
        if tags:  # The directory was read, so the file is whole but unusual.
            raise unsupported(f"a rare kind of TIFF file ({error})") from error
        raise
    _check_size(image.size, max_pixels)
    if image.mode not in _COLOURS:
        raise unsupported(f"a {format_name} file with pixels in Pillow's mode {image.mode}")
    return image


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        message = (
            f"The photo has {width} × {height} pixels, {width * height / 1e6:.1f} million;"
            f" at most {max_pixels / 1e6:g} million are read: send a smaller one."
        )
        raise Gen3DError("image_too_large", message, width=width, height=height, max_pixels=max_pixels)


def _sizes_before_opening(format_name: str, data: bytes) -> Iterator[tuple[int, int]]:
    """(width, height) from headers, where the decoder allocates or gives up before it tells them."""
    if format_name == "WEBP":
        yield _webp_size(data[:30])
    if format_name in ("AVIF", "HEIF"):
        # Every picture and tile in the file has an `ispe` box (ISO/IEC 23008-12, section 6.5.3).
        for box in re.finditer(rb"\0\0\0\x14ispe\0{4}(.{4})(.{4})", data, re.DOTALL):
            yield int.from_bytes(box[1]), int.from_bytes(box[2])


def _webp_size(head: bytes) -> tuple[int, int]:
    """The canvas of a WebP file (RFC 9649, sections 2.5 to 2.7)."""

    def number(start: int, stop: int) -> int:
        return int.from_bytes(head[start:stop], "little")

    match head[12:16]:
        case b"VP8X":
            return number(24, 27) + 1, number(27, 30) + 1
        case b"VP8L":
            bits = number(21, 25)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            return number(26, 28) & 0x3FFF, number(28, 30) & 0x3FFF


# TIFF tags (TIFF 6.0; DNG 1.7 for its version and its two kinds of sensor values).
_NEW_SUBFILE_TYPE, _BITS_PER_SAMPLE, _PHOTOMETRIC, _DNG_VERSION = 254, 258, 262, 50706
_STRIP_OFFSETS, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS = 273, 322, 323, 324
_SENSOR_VALUES = (32803, 34892)


def _tiff_tags(data: bytes) -> ImageFileDirectory_v2:
    """The directory of the first page; empty where it cannot be read."""
    is_big = b"+" in data[2:4]  # 43, BigTIFF's version number
    directory = ImageFileDirectory_v2(data[: 16 if is_big else 8])
    stream = BytesIO(data)
    stream.seek(directory.next)
    directory.load(stream)
    return directory


def _check_tiff(tags: ImageFileDirectory_v2, max_pixels: int) -> None:
    # The first page of a RAW file is the sensor's values, or a thumbnail that would pass for the photo.
    is_thumbnail = tags.get(_NEW_SUBFILE_TYPE, 0) & 1
    if _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _SENSOR_VALUES or is_thumbnail:
        raise unsupported(CAMERA_RAW)
    # A tile is decoded whole, and may be far larger than the picture.
    _check_size((tags.get(_TILE_WIDTH, 1), tags.get(_TILE_LENGTH, 1)), max_pixels)
    strips = max(len(tags.get(_STRIP_OFFSETS, ())), len(tags.get(_TILE_OFFSETS, ())))
    if strips > _MOST_STRIPS:
        raise unsupported(f"a TIFF file in {strips} strips or tiles")


# From Pillow's picture to upright sRGB.


def _turn(image: ImageFile.ImageFile, notes: list[Warned]) -> _Turn:
    """How to turn the picture; HEIF and TIFF pictures were turned by their decoders, which drop the tag."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1), _TURNS[1])
    except _DECODER_ERRORS:
        message = "The photo's EXIF data is damaged, so the photo is used as it is stored, without turning it."
        notes.append(Warned(code="image_exif_ignored", message=message))
        return _TURNS[1]


def _transform_to_srgb(image: ImageFile.ImageFile, notes: list[Warned]) -> ImageCms.ImageCmsTransform | None:
    """The transform by the picture's ICC profile; None where it has none, or one that changes nothing."""
    embedded = image.info.get("icc_profile")
    if not embedded:
        return None
    colours = _COLOURS[image.mode]
    try:
        profile = ImageCms.getOpenProfile(BytesIO(embedded))
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), colours, "RGB")
    except (ImageCms.PyCMSError, *_DECODER_ERRORS) as error:
        message = f"The photo's colour profile cannot be used ({error}), so its colours are taken as sRGB."
        notes.append(Warned(code="image_profile_ignored", message=message))
        return None
    return None if colours == "RGB" and _changes_nothing(transform) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether the profile is sRGB under some name: then the pixels stay as they are, at no cost."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    moved = np.asarray(transform.apply(Image.fromarray(lattice))).astype(int) - lattice
    return bool(np.abs(moved).max() <= 1)


def _upright_rgb(
    image: ImageFile.ImageFile, turn: _Turn, transform: ImageCms.ImageCmsTransform | None
) -> tuple[Pixels, bool]:
    """(H, W, 3) uint8, upright and read-only, and whether anything transparent was laid on white."""
    width, height = image.size
    pixels = np.empty((width, height, 3) if turn.sideways else (height, width, 3), np.uint8)
    grey_levels = _grey_levels(image) if image.mode.startswith("I;16") else None
    flattened = False
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        colours, alpha = _colours_and_alpha(image.crop((0, top, width, bottom)), grey_levels)
        band = transform.apply(colours) if transform else colours.convert("RGB")
        if alpha and alpha.getextrema() != (255, 255):
            on_white = Image.new("RGB", band.size, "white")
            on_white.paste(band, mask=alpha)
            band, flattened = on_white, True
        if turn.method is not None:
            band = band.transpose(turn.method)
        place = slice(height - bottom, height - top) if turn.from_the_end else slice(top, bottom)
        pixels[(slice(None), place) if turn.sideways else place] = np.asarray(band)
    pixels.setflags(write=False)
    return pixels, flattened


def _grey_levels(image: ImageFile.ImageFile) -> Pixels:
    """(65536,) uint8: the 8-bit grey for each stored value of a 16-bit picture."""
    white, black_is_zero = 65535, True
    if isinstance(image, TiffImageFile):
        # Pillow hands out 12 bits as they are, and inverts "white is zero" up to 8 bits only.
        white = 2 ** image.tag_v2.get(_BITS_PER_SAMPLE, (16,))[0] - 1
        black_is_zero = image.tag_v2.get(_PHOTOMETRIC) != 0
    levels = np.rint(np.arange(65536).clip(max=white) * (255 / white)).astype(np.uint8)
    return levels if black_is_zero else 255 - levels


def _colours_and_alpha(band: Image.Image, grey_levels: Pixels | None) -> tuple[Image.Image, Image.Image | None]:
    """A band in mode L, RGB or CMYK, and its alpha in mode L where it has any."""
    if grey_levels is not None:
        return Image.fromarray(grey_levels[np.asarray(band)]), None
    colours = _COLOURS[band.mode]
    if band.mode == "La":
        band = band.convert("LA")
    if not band.has_transparency_data:
        return (band if band.mode == colours else band.convert(colours)), None
    band = band.convert("LA" if colours == "L" else "RGBA")
    return band.convert(colours), band.getchannel("A")
