"""What kind of picture a file is, by its first bytes. Decodes nothing: the container does, and has the last word."""

from typing import Final

HEAD_BYTES: Final = 4096
# What may be announced and uploaded, and a name for it.
MEDIA_TYPES: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/tiff": "TIFF",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/avif": "AVIF",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
}
_STARTS = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF8", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
)
_AVIF = {b"avif", b"avis"}
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}


def kind_of_picture(head: bytes) -> str | None:
    """JPEG, PNG, WEBP, TIFF, GIF, BMP, AVIF or HEIF; None for anything else."""
    if head[4:8] == b"ftyp":  # ISO/IEC 14496-12: the brands that the file conforms to
        brands = head[8 : int.from_bytes(head[:4], "big")]
        names = {brands[start : start + 4] for start in range(0, len(brands), 4)}
        return "AVIF" if names & _AVIF else "HEIF" if names & _HEIF else None
    if head.startswith(b"RIFF"):
        return "WEBP" if head[8:12] == b"WEBP" else None
    return next((kind for start, kind in _STARTS if head.startswith(start)), None)
