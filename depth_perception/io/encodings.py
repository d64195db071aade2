"""Pixels of uncompressed and compressed image messages, without ROS.

The encodings are those of ``sensor_msgs/image_encodings``. Conversions follow cv_bridge: 16-bit
values are scaled to 8 bit (by the 10, 12, 14 or 16 bits that they use), floats are taken as 0..255
and not scaled. Three and four
channels without a colour name (``8UC3``, ``32FC4`` ...) are BGR and BGRA, the channel order of
OpenCV. All functions take and return numpy arrays; the nodes and the bag readers share them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..limits import IMAGE_PIXELS, LimitError, printable
from .images import ImageReadError, eight_bits
from .images import decode_image as decode_file

Buffer = Any  # bytes, bytearray, memoryview, array.array or a uint8 array


class EncodingError(ValueError):
    """An image message that cannot be decoded; the text names the invalid value."""


@dataclass(frozen=True)
class Layout:
    """How an encoding stores a pixel: type, number and meaning of the channels.

    ``colour`` is "gray", "rgb", "bgr", "rgba", "bgra", "bayer_rggb" and so on, "yuv422",
    "yuv422_yuy2", or "" where the channels (two, or more than four) have no colour meaning.
    """

    dtype: np.dtype
    channels: int
    colour: str


# name without bits, channels, colour
_KINDS = [("mono", 1, "gray"), *((c, len(c), c) for c in ("rgb", "bgr", "rgba", "bgra"))]
_KINDS += [(f"bayer_{o}", 1, f"bayer_{o}") for o in ("rggb", "bggr", "gbrg", "grbg")]
_YUV422 = {"yuv422": "yuv422", "uyvy": "yuv422", "yuv422_yuy2": "yuv422_yuy2"}
_YUV422 |= {"yuyv": "yuv422_yuy2"}
_NAMED = {
    **{
        f"{name}{bits}": Layout(np.dtype(f"uint{bits}"), channels, colour)
        for name, channels, colour in _KINDS
        for bits in (8, 16)
    },
    **{name: Layout(np.dtype(np.uint8), 2, order) for name, order in _YUV422.items()},
}
_GENERIC = re.compile(r"(8|16|32|64)([USF])C([1-4]?)")
_GENERIC_TYPES = {"8U": "u1", "8S": "i1", "16U": "u2", "16S": "i2", "32S": "i4", "32F": "f4"}
_GENERIC_TYPES |= {"64F": "f8"}
_GENERIC_COLOURS = {1: "gray", 2: "", 3: "bgr", 4: "bgra"}
_DEPTH = ("16UC1", "32FC1", "64FC1", "32SC1")
_SEMI_PLANAR = ("nv12", "nv21", "nv24")
# ROS names a mosaic by its first two rows, OpenCV by the second and third pixel of its second row.
_BAYER_CODES = {
    "bayer_rggb": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg": cv2.COLOR_BayerGB2RGB,
}
_PACKED_CODES = {
    "gray": cv2.COLOR_GRAY2RGB,
    "bgr": cv2.COLOR_BGR2RGB,
    "rgba": cv2.COLOR_RGBA2RGB,
    "bgra": cv2.COLOR_BGRA2RGB,
}
_YUV422_CODES = {"yuv422": cv2.COLOR_YUV2RGB_UYVY, "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2}


def is_depth(encoding: str) -> bool:
    """Whether an encoding, or the format of a compressed image, is that of depth (REP-118)."""
    return encoding in _DEPTH or "compressedDepth" in encoding


def layout_of(encoding: str) -> Layout:
    """The layout of a packed encoding such as ``rgb8``, ``bayer_rggb16``, ``yuv422`` or ``32FC1``.

    Raises:
        EncodingError: the name is unknown, or the encoding is semi-planar (nv12, nv21, nv24).
    """
    if encoding in _NAMED:
        return _NAMED[encoding]
    match = _GENERIC.fullmatch(encoding)
    dtype = _GENERIC_TYPES.get(match[1] + match[2]) if match else None
    if match is None or dtype is None:
        known = ", ".join((*_NAMED, *_SEMI_PLANAR))
        raise EncodingError(
            f"unknown image encoding {printable(encoding, 40)!r}; known are {known} and OpenCV "
            "type names such as 8UC3"
        )
    channels = int(match[3] or 1)
    return Layout(np.dtype(dtype), channels, _GENERIC_COLOURS[channels])


def raw_pixels(
    height: int, width: int, encoding: str, step: int, is_bigendian: bool | int, data: Buffer
) -> np.ndarray:
    """The stored pixels of a packed image in native byte order.

    Returns (H, W) for one channel, else (H, W, C), of the type of the encoding; a view of ``data``
    if there is no padding and the byte order is native.

    Raises:
        EncodingError: unknown encoding, size 0, step too small, or data of another length.
    """
    layout = layout_of(encoding)
    row_bytes = int(width) * layout.channels * layout.dtype.itemsize
    rows = _rows(height, width, encoding, step, row_bytes, data)
    order = ">" if is_bigendian else "<"
    values = np.ascontiguousarray(rows[:, :row_bytes]).view(layout.dtype.newbyteorder(order))
    values = values.astype(layout.dtype, copy=False)
    return values if layout.channels == 1 else values.reshape(height, width, layout.channels)


def decode_image(
    height: int, width: int, encoding: str, step: int, is_bigendian: bool | int, data: Buffer
) -> np.ndarray:
    """An image message as (H, W, 3) uint8 RGB.

    ``height``, ``width``, ``encoding``, ``step`` (bytes per row), ``is_bigendian`` and ``data`` are
    the fields of ``sensor_msgs/Image``. For nv12, nv21 and nv24, ``step`` is that of the luminance.
    The result may share memory with ``data`` (rgb8): do not write to it.

    Raises:
        EncodingError: see :func:`raw_pixels`; or the channels have no colour meaning.
    """
    if is_depth(encoding):
        raise EncodingError(
            f"encoding {encoding!r} holds depth (REP-118), not a camera image: name another topic"
        )
    if encoding in _SEMI_PLANAR:
        return _decode_semi_planar(height, width, encoding, step, data)
    colour = layout_of(encoding).colour
    if not colour:
        raise EncodingError(
            f"encoding {encoding!r} has two channels without a colour meaning: send rgb8 or mono8"
        )
    if colour in _YUV422_CODES and width % 2:
        raise EncodingError(f"encoding {encoding!r} needs an even width, got {width}")
    pixels = raw_pixels(height, width, encoding, step, is_bigendian, data)
    if colour == "rgb" and pixels.dtype == np.uint8:
        return pixels
    if colour in _BAYER_CODES:
        return _to_uint8(_demosaic(pixels, colour))
    if colour in _YUV422_CODES:
        return cv2.cvtColor(pixels, _YUV422_CODES[colour])
    pixels = _to_uint8(pixels)
    return cv2.cvtColor(pixels, _PACKED_CODES[colour]) if colour in _PACKED_CODES else pixels


def decode_compressed(data: Buffer, image_format: str = "") -> np.ndarray:
    """A ``sensor_msgs/CompressedImage`` (JPEG, PNG, ...) as (H, W, 3) uint8 RGB.

    Raises:
        EncodingError: empty, truncated or damaged data, or a compressed depth image.
    """
    image_format = printable(image_format, 80)
    if is_depth(image_format):
        raise EncodingError(
            f"format {image_format!r} is a depth image, not a colour image: name another topic"
        )
    content = bytes(memoryview(data))
    name = f"compressed image of {len(content)} bytes (format {image_format!r})"
    try:
        return decode_file(content, name)
    except ImageReadError as error:
        raise EncodingError(str(error)) from error


def decode_message(message: Any) -> np.ndarray:
    """A ``sensor_msgs`` Image or CompressedImage, of rclpy or a bag, as (H, W, 3) uint8 RGB.

    Raises:
        EncodingError: see :func:`decode_image` and :func:`decode_compressed`.
    """
    if not hasattr(message, "encoding"):
        return decode_compressed(message.data, message.format)
    return decode_image(*pixel_fields(message))


def pixel_fields(message: Any) -> tuple[int, int, str, int, int, Any]:
    """The fields of a sensor_msgs/Image as arguments of :func:`decode_image`."""
    return (
        message.height, message.width, message.encoding, message.step, message.is_bigendian,
        message.data,
    )  # fmt: skip


def _rows(
    height: int, width: int, encoding: str, step: int, row_bytes: int, data: Buffer, rows: int = 0
) -> np.ndarray:
    """``data`` as (rows or height, step) bytes, after checking the size."""
    if height < 1 or width < 1:
        raise EncodingError(f"image size must be positive, got height {height} and width {width}")
    if step < row_bytes:
        raise EncodingError(
            f"step is {step} bytes, but a row of {width} pixels in {encoding!r} takes {row_bytes}: "
            "correct the driver"
        )
    rows = rows or height
    flat = np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
    if flat.size != rows * step:
        raise EncodingError(
            f"data holds {flat.size} bytes, but {rows} rows of step {step} take {rows * step} "
            f"(height {height}, width {width}, encoding {encoding!r}): correct the driver"
        )
    try:
        IMAGE_PIXELS.check(int(height) * int(width), f"the image is {width} x {height}")
    except LimitError as error:
        raise EncodingError(str(error)) from error
    return flat.reshape(rows, step)


def _to_uint8(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16:
        return eight_bits(values)
    scale = 255.0 / 65535.0 if values.dtype.itemsize == 2 else 1.0
    with np.errstate(invalid="ignore"):  # signalling NaN
        wide = values.astype(np.float64)
    scaled = np.nan_to_num(wide, nan=0.0, posinf=255.0, neginf=0.0)
    return np.rint(np.clip(scaled * scale, 0.0, 255.0)).astype(np.uint8)


def _demosaic(mosaic: np.ndarray, colour: str) -> np.ndarray:
    """Bilinear demosaicing; the border is mirrored, as OpenCV needs a minimum size."""
    height, width = mosaic.shape
    if height < 2 or width < 2:
        raise EncodingError(f"a Bayer image needs at least 2 x 2 pixels, got {height} x {width}")
    padded = np.pad(mosaic, ((2, 2), (0, 0)), mode="reflect" if height > 2 else "wrap")
    padded = np.pad(padded, ((0, 0), (2, 2)), mode="reflect" if width > 2 else "wrap")
    return np.ascontiguousarray(cv2.cvtColor(padded, _BAYER_CODES[colour])[2:-2, 2:-2])


def _decode_semi_planar(
    height: int, width: int, encoding: str, step: int, data: Buffer
) -> np.ndarray:
    """Decode a luminance plane followed by interleaved chrominance (BT.601, video range)."""
    halved = encoding != "nv24"
    if halved and (height % 2 or width % 2):
        raise EncodingError(f"encoding {encoding!r} needs an even size, got {height} x {width}")
    chroma_rows = height // 2 if halved else 2 * height
    rows = _rows(height, width, encoding, step, width, data, rows=height + chroma_rows)
    if halved:
        code = cv2.COLOR_YUV2RGB_NV12 if encoding == "nv12" else cv2.COLOR_YUV2RGB_NV21
        return cv2.cvtColor(np.ascontiguousarray(rows[:, :width]), code)
    chroma = rows[height:].reshape(height, 2 * step)[:, : 2 * width].reshape(height, width, 2)
    return _bt601(rows[:height, :width], chroma[..., 0], chroma[..., 1])


def _bt601(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Video-range Y'CbCr to RGB, ITU-R BT.601."""
    luma = 1.164 * (y.astype(np.float32) - 16.0)
    blue, red = u.astype(np.float32) - 128.0, v.astype(np.float32) - 128.0
    channels = (luma + 1.596 * red, luma - 0.813 * red - 0.391 * blue, luma + 2.018 * blue)
    return np.rint(np.clip(np.stack(channels, axis=-1), 0.0, 255.0)).astype(np.uint8)
