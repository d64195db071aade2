"""Sine encodings of positions in a map."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TEMPERATURE = 10_000.0
_EPSILON = 1e-6


def sine_positions(
    height: int, width: int, channels: int, *, device: torch.device | None = None
) -> Tensor:
    """Encoding (channels, height, width) float32 of each cell, y in the first half, then x.

    Carion et al., "End-to-End Object Detection with Transformers" (arXiv 2005.12872), section A.4,
    with coordinates from 1 to the size scaled to (0, 2 pi].

    Raises:
        ValueError: ``channels`` is not a multiple of 4.
    """
    if channels % 4:
        raise ValueError(f"channels must be a multiple of 4, got {channels}")
    half = channels // 2
    pair = torch.arange(half, device=device, dtype=torch.float32).div(2, rounding_mode="floor")
    divisor = _TEMPERATURE ** (2 * pair / half)
    rows, columns = (_waves(size, divisor) for size in (height, width))
    return torch.cat(
        (
            rows.T[:, :, None].expand(half, height, width),
            columns.T[:, None, :].expand(half, height, width),
        )
    )


def _waves(size: int, divisor: Tensor) -> Tensor:
    """(size, channels): sines in even channels, cosines in odd ones."""
    steps = torch.arange(1, size + 1, device=divisor.device, dtype=torch.float32)
    angle = (steps / (size + _EPSILON) * (2 * math.pi))[:, None] / divisor
    return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), -1).flatten(1)
