"""Image messages: pictures in, depth out."""

from __future__ import annotations

from array import array

import numpy as np
import torch
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from torch import Tensor

from ..io.encodings import EncodingError, decode_compressed, decode_image
from .buffers import PayloadBuffer

ImageError = EncodingError


def read_rgb(message: Image | CompressedImage) -> Tensor:
    """The picture of a message as (H, W, 3) uint8 RGB on the CPU.

    ``rgb8`` is a view of the message, everything else a converted copy: do not write to it.

    Raises:
        ImageError: size 0, a step or length that does not fit, an unknown encoding, damaged data;
            the text names the value.
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

    ``buffer`` lends its memory to ``data``; without one the message owns its own.
    """
    height, width = values.shape[:2]
    data: array = (buffer or PayloadBuffer()).fill(values)
    return Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=len(data) // height,
        data=data,
    )


def depth_message(
    header: Header, depth_m: Tensor, valid: Tensor, buffer: PayloadBuffer | None = None
) -> Image:
    """A 32FC1 image of depth (H, W) float32, NaN where not ``valid`` (REP-118)."""
    masked = torch.where(valid, depth_m, torch.full_like(depth_m, torch.nan))
    return image_message(header, masked, "32FC1", buffer)
