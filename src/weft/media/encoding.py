"""Pixels as the bytes of a picture file."""

from __future__ import annotations

from io import BytesIO

from weft.core.errors import MediaError
from weft.core.picture import Pixels
from weft.core.suggest import did_you_mean

RAW = "image/x-raw"
JPEG_QUALITY = 90
WEBP_QUALITY = 90
PNG_LEVEL = 3

WRITABLE = ("image/jpeg", "image/png", "image/webp", "image/bmp", RAW)


def encode(pixels: Pixels, media_type: str) -> bytes:
    """RGB pixels [height, width, 3] as ``media_type``; MediaError for one that is not in ``WRITABLE``."""
    if media_type == RAW:
        return pixels.tobytes()
    if media_type == "image/jpeg":
        return _jpeg(pixels)
    if media_type in WRITABLE:
        return _pillow(pixels, media_type)
    cure = did_you_mean(media_type, WRITABLE) or f"one of {', '.join(WRITABLE)}"
    raise MediaError(f"a picture cannot be written as '{media_type}'", cure=cure)


def _jpeg(pixels: Pixels) -> bytes:
    import simplejpeg

    try:
        encoded: bytes = simplejpeg.encode_jpeg(pixels, JPEG_QUALITY, "RGB", "420")
    except ValueError as error:
        raise MediaError(f"the picture does not fit a JPEG: {error}", cure="write it as image/png") from error
    return encoded


def _pillow(pixels: Pixels, media_type: str) -> bytes:
    from PIL import Image

    out = BytesIO()
    options = {"image/png": {"compress_level": PNG_LEVEL}, "image/webp": {"quality": WEBP_QUALITY}}
    try:
        Image.fromarray(pixels).save(out, media_type.partition("/")[2].upper(), **options.get(media_type, {}))
    except (OSError, ValueError) as error:
        raise MediaError(f"the picture does not fit {media_type}: {error}", cure="write it as image/png") from error
    return out.getvalue()
