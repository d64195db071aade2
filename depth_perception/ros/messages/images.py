"""Image messages: reading of input, packing of output."""

from __future__ import annotations

import numpy as np
import torch
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from torch import Tensor

from ...io.encodings import EncodingError, decode_compressed, decode_image
from .buffers import PayloadBuffer

ImageError = EncodingError


def read_rgb(message: Image | CompressedImage) -> Tensor:
    """The image of a message as (H, W, 3) uint8 RGB on the CPU.

    ``rgb8`` is a view of the message, other encodings a converted copy: do not write to it.

    Raises:
        ImageError: size 0, a step or length that does not match, an unknown encoding, damaged
            data; the text names the value.
    """
    if isinstance(message, CompressedImage):
        return torch.from_numpy(decode_compressed(message.data, message.format))
    pixels = decode_image(
        message.height,
        message.width,
        message.encoding,
        message.step,
        message.is_bigendian,
        message.data,
    )
    return torch.from_numpy(pixels if pixels.flags.writeable else np.array(pixels))


def image_message(
    header: Header, values: Tensor, encoding: str, buffer: PayloadBuffer | None = None
) -> Image:
    """An Image of a tensor (H, W) or (H, W, C) whose dtype is that of ``encoding``.

    ``data`` is the memory of ``buffer``; without one the message has its own.
    """
    buffer = buffer or PayloadBuffer()
    buffer.fill(values)
    return _image(header, *values.shape[:2], encoding, buffer)


def depth_message(
    header: Header, depth_m: Tensor, valid: Tensor, buffer: PayloadBuffer | None = None
) -> Image:
    """A 32FC1 image of depth (H, W) float32, NaN where not ``valid`` (REP-118)."""
    buffer = buffer or PayloadBuffer()
    if depth_m.device.type != "cpu":
        buffer.fill(torch.where(valid, depth_m, torch.nan))
    elif valid.numpy().all():
        buffer.fill(depth_m)
    else:
        nan, out = depth_m.new_tensor(torch.nan), buffer.reserve(depth_m.shape, depth_m.dtype)
        torch.where(valid, depth_m, nan, out=out)
    return _image(header, *depth_m.shape, "32FC1", buffer)


def _image(header: Header, height: int, width: int, encoding: str, buffer: PayloadBuffer) -> Image:
    message = Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=len(buffer.data) // height,
    )
    buffer.lend(message)
    return message
