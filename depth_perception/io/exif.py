"""Focal lengths in the EXIF block of images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_EXIF, _ORIENTATION = 0x8769, 0x0112
_FOCAL_MM, _FOCAL_35_MM = 0x920A, 0xA405
_PIXELS_X, _PIXELS_Y = 0xA002, 0xA003
_PLANE_X, _PLANE_Y, _PLANE_UNIT = 0xA20E, 0xA20F, 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # inch, centimetre, millimetre, micrometre
_FILM_DIAGONAL_MM = math.hypot(36, 24)
_TURNED = (5, 6, 7, 8)  # orientations that swap width and height


@dataclass(frozen=True)
class ExifFocal:
    """Focal lengths of an image after applying its EXIF orientation.

    Attributes:
        fx, fy: pixels.
        source: origin of the values, for logs.
    """

    fx: float
    fy: float
    source: str


def exif_focal(path: str | Path, height: int, width: int) -> ExifFocal | None:
    """The focal length in the EXIF block of an image; None without any.

    The 35 mm equivalent is preferred: it remains valid when an image is resized. It refers to the
    diagonal (CIPA DCG-001), also for other aspect ratios than 3:2. Otherwise the focal length in
    millimetres and the pixel pitch of the sensor are used.

    Args:
        path: image file; None is returned if it cannot be read.
        height, width: size of the image after its orientation is applied, in pixels.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            block = image.getexif()
            tags = block.get_ifd(_EXIF)
            turned = block.get(_ORIENTATION) in _TURNED
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    equivalent = _positive(tags.get(_FOCAL_35_MM))
    if equivalent is not None:
        focal = equivalent / _FILM_DIAGONAL_MM * math.hypot(height, width)
        return ExifFocal(focal, focal, f"EXIF, {equivalent:g} mm on 35 mm film")
    length, pitch_x = _positive(tags.get(_FOCAL_MM)), _positive(tags.get(_PLANE_X))
    unit = _UNIT_MM.get(tags.get(_PLANE_UNIT, 2))
    if length is None or pitch_x is None or unit is None:
        return None
    pitch_y = _positive(tags.get(_PLANE_Y)) or pitch_x
    stored = (height, width) if turned else (width, height)
    full = (_positive(tags.get(_PIXELS_X)), _positive(tags.get(_PIXELS_Y)))
    focals = [
        length * pitch / unit * (now / (taken or now))
        for pitch, now, taken in zip((pitch_x, pitch_y), stored, full, strict=True)
    ]
    fx, fy = reversed(focals) if turned else focals
    return ExifFocal(fx, fy, f"EXIF, {length:g} mm and the pixel pitch of the sensor")


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
