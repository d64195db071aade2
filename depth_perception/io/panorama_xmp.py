"""Which part of the sphere a panorama shows, by the XMP of its file (GPano and GSpherical)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..geometry import Equirectangular

_PACKET = re.compile(
    rb"<x:xmpmeta\b.*?</x:xmpmeta>|<rdf:SphericalVideo\b.*?</rdf:SphericalVideo>", re.DOTALL
)
_FIELD = r'G(?:Pano|Spherical):{}\s*(?:=\s*["\']|>)\s*([^"\'<]+?)\s*["\'<]'
_TILT_DEG = 1.0
_ASPECT_TOLERANCE = 0.03  # crops are given in whole pixels, often of a larger image


@dataclass(frozen=True)
class PanoramaXmp:
    """The panorama of an XMP packet.

    Attributes:
        projection: such as equirectangular or cylindrical.
        full: (height, width) of the whole sphere, pixels.
        crop: (top, left, height, width) of the image in it.
        pitch_deg, roll_deg: how the camera was tilted; 0 if unknown.
    """

    projection: str
    full: tuple[float, float]
    crop: tuple[float, float, float, float]
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    def camera(self, height: int, width: int) -> Equirectangular:
        """The camera of the image, which may be resized since.

        Raises:
            ValueError: another projection, a crop outside the sphere, or an image that was
                cropped since.
        """
        from ..geometry import Equirectangular
        from ..geometry.camera import same_aspect

        if self.projection != "equirectangular":
            raise ValueError(
                f"its XMP says that its projection is {self.projection!r}: convert it to "
                "equirectangular first"
            )
        top, left, rows, columns = self.crop
        total_rows, total_columns = self.full
        inside = top >= 0 and rows > 0 and columns > 0
        if not inside or top + rows > total_rows * 1.001 or columns > total_columns * 1.001:
            raise ValueError(
                f"its XMP has a crop {self.crop} outside the sphere {self.full}: remove it"
            )
        if not same_aspect((height, width), (rows, columns), _ASPECT_TOLERANCE):
            raise ValueError(
                f"its XMP describes {columns:g} x {rows:g} pixels and the image is {width} x "
                f"{height}: it was cropped since; remove the XMP"
            )
        west = -math.pi + 2 * math.pi * (left / total_columns)
        north = -math.pi / 2 + math.pi * (top / total_rows)
        span = min(2 * math.pi, 2 * math.pi * columns / total_columns)
        south = min(math.pi / 2, north + math.pi * rows / total_rows)
        return Equirectangular(height, width, west, west + span, north, south)

    @property
    def remark(self) -> str:
        """What the camera does not take into account, "" if nothing."""
        if max(abs(self.pitch_deg), abs(self.roll_deg)) < _TILT_DEG:
            return ""
        return (
            f"its XMP says that the camera was tilted (pitch {self.pitch_deg:g}, roll "
            f"{self.roll_deg:g} degrees): clouds are in the axes of the image"
        )


def panorama_xmp(data: bytes) -> PanoramaXmp | None:
    """The panorama in the XMP of the bytes of a file; None without any."""
    for packet in _PACKET.finditer(data):
        text = packet[0].decode(errors="replace")
        if "GPano:" in text or "GSpherical:" in text:
            return _parsed(text)
    return None


def _parsed(text: str) -> PanoramaXmp | None:
    def number(name: str, default: float | None = None) -> float:
        found = re.search(_FIELD.format(name), text)
        value = float(found[1]) if found else default
        if value is None or not math.isfinite(value):
            raise ValueError(name)
        return value

    found = re.search(_FIELD.format("ProjectionType"), text)
    try:
        size = number("FullPanoHeightPixels"), number("FullPanoWidthPixels")
        crop = (
            number("CroppedAreaTopPixels", 0.0),
            number("CroppedAreaLeftPixels", 0.0),
            number("CroppedAreaImageHeightPixels", size[0]),
            number("CroppedAreaImageWidthPixels", size[1]),
        )
        tilt = number("PosePitchDegrees", 0.0), number("PoseRollDegrees", 0.0)
    except ValueError:
        return None
    if min(size) <= 0:
        return None
    return PanoramaXmp(found[1] if found else "equirectangular", size, crop, *tilt)
