"""What an image file says about itself, read before a pixel is decoded."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from ..limits import IMAGE_PIXELS

_ORIENTATION, _BITS = 0x0112, 0x0102
_ANIMATED = ("GIF", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_PORTABLE_ANYMAP = re.compile(rb"P7\n.*?WIDTH (\d+).*?HEIGHT (\d+)", re.DOTALL)
_lock = threading.Lock()


@dataclass(frozen=True)
class ImageHeader:
    """The header of an image file.

    Attributes:
        format: such as JPEG, PNG, TIFF, HEIF.
        height, width: of the stored pixels.
        orientation: EXIF orientation that is still to be applied, 1 to 8.
        frames: 2 or more for an animation or several pages.
        has_alpha: whether pixels may be transparent.
    """

    format: str
    height: int
    width: int
    orientation: int = 1
    frames: int = 1
    has_alpha: bool = False


def read_header(data: bytes, name: str = "image") -> ImageHeader | None:
    """The header of the bytes of an image file; None for an unknown or damaged format.

    Raises:
        LimitError: the image has more pixels than :data:`..limits.IMAGE_PIXELS`.
    """
    if match := _PORTABLE_ANYMAP.match(data[:4096]):
        return _checked(ImageHeader("PAM", int(match[2]), int(match[1])), name)
    image = open_image(data)
    if image is None:
        size = _tiff_size(data) if data[:4] in (b"II*\0", b"MM\0*") else None
        return None if size is None else _checked(ImageHeader("TIFF", *size), name)
    width, height = image.size
    alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    sample_bytes = _sample_bytes(image, data)
    _checked(ImageHeader(image.format, height, width, has_alpha=alpha), name, sample_bytes)
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
        frames = getattr(image, "n_frames", 1) if image.format in _ANIMATED else 1
    except Exception:  # of a damaged block, of many kinds
        orientation = frames = 1
    if image.format == "TIFF" or orientation not in range(1, 9):  # decoders turn TIFF themselves
        orientation = 1
    return ImageHeader(image.format, height, width, orientation, frames, alpha)


def open_image(data: bytes) -> Any:
    """A Pillow image whose pixels are not decoded yet; None for an unknown or damaged format.

    Unlike ``PIL.Image.open`` it neither warns of nor rejects large images.
    """
    from PIL import Image

    with _lock:
        Image.init()
        _add_heif()
    for kind in Image.ID:
        factory, accept = Image.OPEN[kind]
        try:
            fits = accept is None or accept(data[:16])
            if fits and not isinstance(fits, str):
                return factory(BytesIO(data), "")
        except Exception:  # of many kinds, for files that only look like this format
            continue
    return None


def is_heif(data: bytes) -> bool:
    """Whether the bytes are those of a HEIF or HEIC file."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS


def _tiff_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) of a TIFF whose kind of samples Pillow does not know."""
    from PIL import TiffImagePlugin

    file = BytesIO(data)
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        return int(tags[TiffImagePlugin.IMAGELENGTH]), int(tags[TiffImagePlugin.IMAGEWIDTH])
    except Exception:  # of many kinds, for damaged files
        return None


def _sample_bytes(image: Any, data: bytes) -> int:
    """Bytes of a decoded sample."""
    if image.format == "PNG":
        return 2 if data[24] > 8 else 1
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS, 8)
        return max(1, max(bits if isinstance(bits, tuple) else (bits,)) // 8)
    return 4 if image.mode in ("I", "F") else 2 if image.mode.startswith("I;16") else 1


def _checked(header: ImageHeader, name: str, sample_bytes: int = 1) -> ImageHeader:
    """The header, if what is decoded is not larger than that of an 8-bit image at the limit."""
    what = f"{name} is {header.width} x {header.height}"
    weight = sample_bytes * (4 / 3 if header.has_alpha else 1)
    if weight > 1:
        what += (
            f", {8 * sample_bytes} bits{', with transparency' if header.has_alpha else ''}, like"
        )
    IMAGE_PIXELS.check(weight * header.width * header.height, what)
    return header


def _add_heif() -> None:
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()
