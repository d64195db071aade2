"""Reading and writing images, and images side by side."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from .atomic import write_bytes
from .suffixes import IMAGE_SUFFIXES

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # but no stuffed zero, fill or restart marker
_GAP_PX = 50


class ImageReadError(OSError):
    """A file is not a readable image."""


def read_image(path: str | Path) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 RGB.

    Gray images get three equal channels, 16-bit samples are scaled to 8 bits, an alpha channel
    is dropped, and the orientation in the EXIF block is applied.

    Raises:
        ImageReadError: the file is missing, empty, truncated, or not an image.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageReadError(f"cannot read {path}: {error.strerror}") from error
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str = "image") -> np.ndarray:
    """Decode the bytes of an image file, as :func:`read_image`; ``name`` is for the error."""
    if not data:
        raise ImageReadError(f"{name} is empty")
    if _is_cut_jpeg(data):
        raise ImageReadError(f"{name} is truncated: the JPEG has no end marker")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise ImageReadError(f"{name} cannot be decoded: {error.err}") from error
    if image is None:
        raise ImageReadError(f"{name} is not a readable image (damaged, or an unknown format)")
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ImageReadError(
            f"{name} has {image.dtype} samples; convert it to an 8 or 16 bit image first"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) uint8 RGB or (H, W) uint8 gray; the suffix selects the format.

    Raises:
        ValueError: another shape or type, no codec for the suffix, or too large for it.
    """
    path = Path(path)
    if image.dtype != np.uint8 or not (image.ndim == 2 or image.shape[2:] == (3,)):
        raise ValueError(
            f"an image must be uint8 of shape (H, W, 3) or (H, W), got {image.dtype} of shape "
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
            f"cannot write {path}: the format does not support images of "
            f"{image.shape[1]} x {image.shape[0]} pixels; .png does"
        )
    write_bytes(path, data.tobytes())


def side_by_side(*images: np.ndarray, gap_px: int = _GAP_PX) -> np.ndarray:
    """Join RGB images with white columns between them.

    Args:
        images: (H, W, 3) uint8 each; resized (cubic) to the size of the last one (h, w) if they
            differ.
        gap_px: number of white columns.

    Returns:
        (h, n w + (n - 1) gap_px, 3) uint8 of n images.
    """
    height, width = images[-1].shape[:2]
    gap = np.full((height, gap_px, 3), 255, np.uint8)
    parts: list[np.ndarray] = []
    for image in images:
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
        parts += [gap, image]
    return np.hstack(parts[1:])


def _is_cut_jpeg(data: bytes) -> bool:
    """Whether a JPEG ends before its end marker (decoders silently fill the rest with gray).

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
