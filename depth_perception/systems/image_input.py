"""Network input of an image: size rule and resampling of the MiDaS family, and plain RGB."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers.padding import pad_around
from ..limits import ASPECT

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_RADIUS = 2  # of the bicubic kernel, in pixels of the coarser grid

SizeMethod = Literal["lower_bound", "upper_bound", "minimal"]


def network_size(
    height: int,
    width: int,
    target_height: int,
    target_width: int,
    *,
    multiple: int = 14,
    method: SizeMethod = "lower_bound",
) -> tuple[int, int]:
    """Size (height, width) of the network input that keeps the aspect ratio of an image.

    ``lower_bound`` covers the target on both sides, ``upper_bound`` stays within it, ``minimal``
    takes the scale nearer to 1. Sides are rounded to ``multiple``, halves to even. The ratio of
    the sides is limited, since it decides what the network costs (LimitError).
    """
    vertical, horizontal = target_height / height, target_width / width
    ASPECT.check(
        max(vertical, horizontal) / min(vertical, horizontal),
        f"an image of {width} x {height} (width x height) does not suit a network input of "
        f"{target_width} x {target_height}",
    )
    if method == "lower_bound":
        scale = max(vertical, horizontal)
    elif method == "upper_bound":
        scale = min(vertical, horizontal)
    elif method == "minimal":
        scale = vertical if abs(1 - vertical) <= abs(1 - horizontal) else horizontal
    else:
        raise ValueError(f"method must be lower_bound, upper_bound or minimal, got {method!r}")
    return (
        _rounded(scale * height, target_height, multiple, method),
        _rounded(scale * width, target_width, multiple, method),
    )


def _rounded(side: float, target: int, multiple: int, method: SizeMethod) -> int:
    rounded = round(side / multiple) * multiple
    if method == "lower_bound" and rounded < target:
        return math.ceil(side / multiple) * multiple
    if method == "upper_bound" and rounded > target:
        return math.floor(side / multiple) * multiple
    return rounded


def network_input(
    image: Tensor,
    size: tuple[int, int],
    *,
    antialias: bool = False,
    levels: bool = False,
    normalise: bool = True,
) -> Tensor:
    """Normalised network input (1, 3, *size) float32 of an RGB image (H, W, 3) uint8.

    Bicubic with a = -0.75 at pixel centres, not clipped, which is OpenCV's INTER_CUBIC on floats;
    it runs on the device of the image. ``antialias`` widens the kernel where the image shrinks;
    the published models were trained and are used without it. ``levels`` rounds to the 256 levels
    of a uint8 image: on the CPU as OpenCV does, elsewhere a few samples differ by one level.
    Without ``normalise`` the values are those of RGB from 0 to 1.
    """
    if levels and image.device.type == "cpu" and not antialias:
        image, levels = _resized_levels(image, size), False
    pixels = image.permute(2, 0, 1)[None].to(torch.float32) / 255
    if tuple(pixels.shape[-2:]) != tuple(size):
        pixels = F.interpolate(
            pixels, size, mode="bicubic", align_corners=False, antialias=antialias
        )
    if levels:
        pixels = (255 * pixels).round().clamp(0, 255) / 255
    return normalised(pixels) if normalise else pixels


def normalised(images: Tensor) -> Tensor:
    """RGB (B, 3, H, W) in [0, 1] without the mean and the deviation of ImageNet."""
    mean, std = (_channel_constant(v, images.device) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (images - mean) / std


def _resized_levels(image: Tensor, size: tuple[int, int]) -> Tensor:
    import cv2

    pixels = cv2.resize(image.contiguous().numpy(), size[::-1], interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(pixels)


def plain_input(
    pixels: Tensor,
    size: tuple[int, int],
    circular: bool = False,
    mode: Literal["bicubic", "bilinear"] = "bicubic",
) -> Tensor:
    """Network input (1, 3, *size) float32 in [0, 1] of an RGB image (H, W, 3) uint8.

    At pixel centres, low-pass filtered where the image shrinks. With ``circular`` the left and the
    right border are neighbours: turning the image turns the result. On the CPU, ``bilinear`` is
    much faster and rounds to 8 bits.
    """
    planes = pixels.permute(2, 0, 1)[None]
    if tuple(planes.shape[-2:]) == tuple(size):
        return planes.float() / 255
    if mode == "bicubic" or planes.device.type != "cpu":
        planes = planes.float() / 255
    margin = 0
    if circular:
        width = planes.shape[-1]
        common = math.gcd(width, size[1])
        step = width // common  # columns that become a whole number of columns
        turns = math.ceil((_RADIUS * max(1.0, width / size[1]) + 1) / step)
        planes = pad_around(planes, turns * step)
        margin = turns * (size[1] // common)
    target = (size[0], size[1] + 2 * margin)
    planes = F.interpolate(planes, target, mode=mode, align_corners=False, antialias=True)
    planes = planes[..., margin : margin + size[1]]
    return planes.float() / 255 if planes.dtype == torch.uint8 else planes.clamp(0, 1)


def antialiased(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resampling of (B, C, H, W) to (B, C, *size), low-pass filtered where it shrinks."""
    if not torch.compiler.is_exporting():
        return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
    # the same as two matrix products, which every runtime supports
    rows, columns = (
        _triangle_weights(old, new, images)
        for old, new in zip(images.shape[-2:], size, strict=True)
    )
    return rows @ images @ columns.mT


def _triangle_weights(old: int, new: int, like: Tensor) -> Tensor:
    """(new, old) weights of the old pixels in each new pixel."""
    step = old / new
    centre = (torch.arange(new, dtype=like.dtype, device=like.device) + 0.5) * step
    place = torch.arange(old, dtype=like.dtype, device=like.device) + 0.5
    shares = (1 - ((place - centre[:, None]) / max(step, 1.0)).abs()).clamp(min=0)
    return shares / shares.sum(1, keepdim=True)


_CONSTANTS: dict[tuple[tuple[float, ...], torch.device], Tensor] = {}


def _channel_constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    key = (values, device)
    if key not in _CONSTANTS:
        with torch.inference_mode(False):
            _CONSTANTS[key] = torch.tensor(values, device=device)[:, None, None]
    return _CONSTANTS[key]
