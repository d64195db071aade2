"""Reading and writing pictures."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from .atomic import replacing

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".jpeg", ".jpg", ".png", ".pgm", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
)
# what OpenCV reads besides, where it was built with the codec
READABLE_SUFFIXES = IMAGE_SUFFIXES | frozenset(
    (".avif", ".dib", ".gif", ".jp2", ".jpe", ".pbm", ".pxm", ".ras", ".sr")
)
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # but no stuffed zero, fill or restart marker


class ImageReadError(OSError):
    """A file is not a picture that can be read."""


def read_image(path: str | Path) -> np.ndarray:
    """Read a picture as (H, W, 3) uint8 RGB.

    Gray pictures get three equal channels, 16-bit samples are scaled to 8 bits, an alpha channel
    is dropped, and the orientation that a camera wrote into EXIF is applied.

    Raises:
        ImageReadError: the file is missing, empty, truncated, or not a picture.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageReadError(f"cannot read {path}: {error.strerror}") from error
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str = "image") -> np.ndarray:
    """Decode the bytes of a picture file, as :func:`read_image`; ``name`` is for the error."""
    if not data:
        raise ImageReadError(f"{name} is empty")
    if _is_cut_jpeg(data):
        raise ImageReadError(f"{name} is truncated: the JPEG has no end marker")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise ImageReadError(f"{name} cannot be decoded: {error.err}") from error
    if image is None:
        raise ImageReadError(f"{name} is not a readable picture (damaged, or an unknown format)")
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ImageReadError(
            f"{name} has {image.dtype} samples; convert it to an 8 or 16 bit picture first"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write a picture (H, W, 3) uint8 RGB or (H, W) uint8 gray; the suffix chooses the format.

    Raises:
        ValueError: not such an array, no codec for the suffix, or too large for it.
    """
    path = Path(path)
    if image.dtype != np.uint8 or not (
        image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    ):
        raise ValueError(
            f"a picture must be uint8 of shape (H, W, 3) or (H, W), got {image.dtype} of shape "
            f"{image.shape}"
        )
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise ValueError(
            f"cannot write {path}: suffix {path.suffix!r} is none of {sorted(IMAGE_SUFFIXES)}"
        )
    bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded, data = cv2.imencode(path.suffix.lower(), bgr)
    if not encoded:
        raise ValueError(
            f"cannot write {path}: the format does not take a picture of "
            f"{image.shape[1]} x {image.shape[0]} pixels; .png does"
        )
    with replacing(path) as partial:
        partial.write_bytes(data.tobytes())


def _is_cut_jpeg(data: bytes) -> bool:
    """Whether a JPEG ends before its end marker (decoders fill the rest with gray in silence).

    Cameras append further data behind the end marker, so the segments are followed one by one
    (ITU-T T.81, annex B).
    """
    if not data.startswith(b"\xff\xd8") or data.endswith(b"\xff\xd9"):
        return False
    place = 2
    while marker := _MARKER.search(data, place):
        if marker[0] == b"\xff\xd9":
            return False
        place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return True
