"""Image messages: reading of input, packing of output."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from ...io.encodings import decode_message
from .buffers import PayloadBuffer


def read_rgb(message: Image | CompressedImage) -> Tensor:
    """The image of a message as (H, W, 3) uint8 RGB on the CPU.

    ``rgb8`` is a view of the message, other encodings a converted copy: do not write to it.

    Raises:
        EncodingError: size 0, a step or length that does not match, an unknown encoding, damaged
            data; the text names the value.
    """
    pixels = decode_message(message)
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


def colours_on_grid(image: Tensor, height: int, width: int) -> Tensor:
    """(height, width, 3) uint8 RGB on the device of the image.

    The image is halved by the mean of 2 x 2 pixels while it stays at least as large as the grid,
    then resampled bilinearly from the four nearest pixels. This takes a fifth of the time of an
    antialiasing filter; if the remaining factor is close to 2, the finest texture is sampled, not
    averaged. An image that cannot be halved (odd sides) and is still twice as large is resampled
    with that filter. The CPU rounds in fixed point, which differs by at most 1 from other devices.

    Args:
        image: (H, W, 3) uint8 RGB.
        height, width: of the grid, pixels.
    """
    if tuple(image.shape[:2]) == (height, width):
        return image
    on_cpu = image.device.type == "cpu"
    while _can_halve(image.shape[0], 2 * height) and _can_halve(image.shape[1], 2 * width):
        image = _halved_on_cpu(image) if on_cpu else _halved(image)
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    is_coarse = rows >= 2 * height or columns >= 2 * width
    if on_cpu and not is_coarse:
        pixels = cv2.resize(image.numpy(), (width, height), interpolation=cv2.INTER_LINEAR)
        return torch.from_numpy(pixels)
    planes = image.permute(2, 0, 1)[None].float()
    planes = interpolate(
        planes, (height, width), mode="bilinear", align_corners=False, antialias=is_coarse
    )
    return planes.round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0)


def _can_halve(size: int, least: int) -> bool:
    return size >= least and size % 2 == 0


def _halved_on_cpu(image: Tensor) -> Tensor:
    rows, columns = image.shape[:2]
    half = (columns // 2, rows // 2)
    return torch.from_numpy(cv2.resize(image.numpy(), half, interpolation=cv2.INTER_AREA))


def _halved(image: Tensor) -> Tensor:
    means = avg_pool2d(image.permute(2, 0, 1)[None].float(), 2)
    return means.add_(0.5).to(torch.uint8)[0].permute(1, 2, 0)
