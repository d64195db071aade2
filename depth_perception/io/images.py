"""Reading and writing images, and images side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..limits import IMAGE_BYTES, LimitError, regular_file
from .atomic import write_bytes
from .image_header import is_heif, open_image, read_header
from .panorama_xmp import PanoramaXmp, panorama_xmp
from .suffixes import IMAGE_SUFFIXES

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # but no stuffed zero, fill or restart marker
_GAP_PX = 50
_UNREADABLE = (
    "not a readable image (damaged, or an unknown format): copy or send it again, as PNG or JPEG"
)


class ImageReadError(OSError):
    """A file is not a readable image."""


@dataclass(frozen=True)
class ImageFile:
    """An image file and what it says about itself.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        notes: what of the file is left out: further frames, transparency.
        panorama: the part of the sphere that it shows, by its XMP; None if it does not say.
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()
    panorama: PanoramaXmp | None = None


def read_image(path: str | Path) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 RGB.

    Gray images get three equal channels, samples of 10 to 16 bits are scaled to 8, an alpha channel
    is dropped, and the orientation in the EXIF block is applied. Of an animation it is the first
    frame.

    Raises:
        ImageReadError: the file is missing, empty, truncated, too large, or not an image.
    """
    return read_image_file(path).pixels


def read_image_file(path: str | Path) -> ImageFile:
    """Read an image with what its file says about it, see :func:`read_image`."""
    path = Path(path)
    try:
        regular_file(path, IMAGE_BYTES)
        data = path.read_bytes()
    except OSError as error:
        raise ImageReadError(f"cannot read {path}: {error.strerror or error}") from error
    except LimitError as error:
        raise ImageReadError(str(error)) from error
    pixels, notes = _decode(data, str(path))
    return ImageFile(pixels, notes, panorama_xmp(data))


def decode_image(data: bytes, name: str = "image") -> np.ndarray:
    """Decode the bytes of an image file, as :func:`read_image`; ``name`` is for the error."""
    return _decode(data, name)[0]


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Samples of 16 bits as uint8.

    Cameras of 10, 12 and 14 bits send their samples in 16: the full scale is that of the fewest
    bits that hold the brightest sample.
    """
    most = int(values.max(initial=0))
    full = next((1 << bits for bits in (10, 12, 14) if most < 1 << bits), 1 << 16) - 1
    return cv2.convertScaleAbs(values, alpha=255.0 / full)


def _decode(data: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pixels (H, W, 3) uint8 RGB, and notes."""
    if not data:
        raise ImageReadError(f"{name} is empty: copy or send it again")
    if _is_cut_jpeg(data):
        raise ImageReadError(
            f"{name} is truncated: the JPEG has no end marker; copy or send it again"
        )
    try:
        header = read_header(data, name)
    except LimitError as error:
        raise ImageReadError(str(error)) from error
    if header is None:
        heif = "a HEIC image: install pillow-heif (pip install pillow-heif), or convert it to JPEG"
        what = heif if is_heif(data) else _UNREADABLE
        raise ImageReadError(f"{name} is {what}")
    kind = cv2.IMREAD_UNCHANGED if header.has_alpha else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), kind | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageReadError(f"{name} is {_UNREADABLE}") from error
    if image is None:
        image = _by_pillow(data, name)
    if image.dtype not in (np.uint8, np.uint16):
        raise ImageReadError(
            f"{name} has {image.dtype} samples; convert it to an 8 or 16 bit image first"
        )
    notes = []
    if header.frames > 1:
        notes.append(f"only the first of its {header.frames} frames or pages is used")
    if image.ndim == 3 and image.shape[2] in (2, 4):
        if (hidden := float((image[..., -1] < np.iinfo(image.dtype).max / 2).mean())) > 0:
            notes.append(f"{hidden:.0%} of its pixels are transparent and taken as opaque")
        image = image[..., :-1]
    if image.ndim == 2 or image.shape[2] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if image.dtype == np.uint16:
        image = eight_bits(image)
    own = image if image.flags.writeable and image.flags.c_contiguous else None
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, own)  # a copy of a large image costs a second
    return _turned(image, header.orientation), tuple(notes)


def _by_pillow(data: bytes, name: str) -> np.ndarray:
    """(H, W, 3) uint8 BGR of a format that OpenCV does not read."""
    try:
        return np.asarray(open_image(data).convert("RGB"))[..., ::-1]
    except Exception as error:  # damaged files end in errors of many kinds
        raise ImageReadError(f"{name} is {_UNREADABLE}") from error


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """The image upright; the numbers are those of EXIF."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


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
