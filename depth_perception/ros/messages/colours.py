"""The colours of an image on the grid of its depth."""

from __future__ import annotations

import cv2
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate


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
