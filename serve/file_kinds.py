"""What kind of file some bytes are, by how they begin. Decodes nothing."""

import re

from serve.errors import Gen3DError

CAMERA_RAW = "a camera RAW file"
_VIDEO = "a video"
_OTHER_FILES = (
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (4, b"JXL ", "a JPEG XL picture"),
    (4, b"jP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (4, b"ftypcrx ", CAMERA_RAW),  # Canon CR3
    (8, b"CR\x02", CAMERA_RAW),  # Canon CR2
    (0, b"FUJIFILMCCD-RAW", CAMERA_RAW),
    (0, b"IIU\0", CAMERA_RAW),  # Panasonic
    (0, b"IIRO", CAMERA_RAW),  # Olympus
    (0, b"IIRS", CAMERA_RAW),  # Olympus
    (0, b"FOVb", CAMERA_RAW),  # Sigma
    (4, b"ftyp", _VIDEO),  # MP4 and QuickTime; the picture formats of this family are told apart before
    (0, b"\x1a\x45\xdf\xa3", _VIDEO),  # Matroska, WebM
    (8, b"AVI ", _VIDEO),
    (0, b"\x00\x00\x01\xba", _VIDEO),  # MPEG
    (0, b"FLV", _VIDEO),
    (0, b"\x30\x26\xb2\x75", _VIDEO),  # Windows Media
)
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BMP_HEADER_SIZES = (12, 16, 40, 52, 56, 64, 108, 124)
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}


def identify(data: bytes) -> str:
    """The format of a photo by its first bytes: AVIF, BMP, GIF, HEIF, JPEG, PNG, TIFF or WEBP.

    Raises:
        Gen3DError: `image_unsupported`, saying what it seems to be instead.
    """
    head = data[:4096]
    if head[4:8] == b"ftyp":
        brands = head[8 : int.from_bytes(head[:4])]
        names = {brands[i : i + 4] for i in range(0, len(brands), 4)}
        # `mif1` says only that it is a picture, so the codec's own brand goes first.
        if names & _AVIF_BRANDS:
            return "AVIF"
        if names & _HEIF_BRANDS:
            return "HEIF"
    for offset, magic, what in _OTHER_FILES:
        if head.startswith(magic, offset):
            raise unsupported(what)
    if head.startswith(b"\xff\xd8"):
        return "JPEG"
    if head.startswith(b"\x89PNG"):
        return "PNG"
    if head.startswith(b"GIF8"):
        return "GIF"
    if head.startswith(_TIFF_STARTS):
        return "TIFF"
    if head.startswith(b"RIFF") and head.startswith(b"WEBP", 8):
        return "WEBP"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    raise unsupported(_kind_of_text(head))


def _kind_of_text(head: bytes) -> str | None:
    """What a file without a known signature seems to be, where it is text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head[2:].replace(b"\0", b"")  # UTF-16
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<"):
        root = re.search(rb"<(svg|html|!doctype html)\b", text)
        if root:
            return "an SVG drawing" if root[1] == b"svg" else "an HTML page"
        return "an XML document"
    if text and not re.search(rb"[\x00-\x08\x0e-\x1f]", text):
        return "a text file"
    return None


def unsupported(what: str | None) -> Gen3DError:
    """The error for a file that seems to be `what` (None: nothing known)."""
    seems = f"This seems to be {what}, which is not read" if what else "This is in no known picture format"
    message = f"{seems}: export the photo as JPEG or PNG (WebP, TIFF, GIF, BMP, AVIF and HEIC are read too)."
    return Gen3DError("image_unsupported", message, seems_to_be=what)
