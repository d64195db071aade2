"""Enlarging maps, and convolving them without storing the whole enlarged map."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .padding import SphereConv2d, over_pole, pad_around, padded_conv

_STRIP_VALUES = 1 << 24  # of an enlarged map that are held at once: 64 MiB in float32
_LEAST_ROWS = 16  # of a strip: a convolution reads two more


def resize_map(
    x: Tensor, size: tuple[int, int], circular: bool, *, align_corners: bool = True
) -> Tensor:
    """Bilinear resize of (B, C, H, W) to (B, C, *size).

    With ``circular`` the first and the last column are neighbours and columns are always placed
    by their centres, because a circle has no corners to align.
    """
    if not circular:
        return F.interpolate(x, size, mode="bilinear", align_corners=align_corners)
    x = F.interpolate(x, (size[0], x.shape[-1]), mode="bilinear", align_corners=align_corners)
    width, common = x.shape[-1], math.gcd(x.shape[-1], size[1])
    before, after = width // common, size[1] // common  # columns of margin that map to each other
    x = F.pad(x, (before, before, 0, 0), mode="circular")
    x = F.interpolate(x, (size[0], size[1] + 2 * after), mode="bilinear", align_corners=False)
    return x[..., after:-after]


def enlarged_conv(
    x: Tensor,
    size: tuple[int, int],
    conv: nn.Conv2d,
    circular: bool = False,
    after: nn.Module | None = None,
) -> Tensor:
    """``after(conv(resize_map(x, size)))`` with the enlarged map made a strip of rows at a time.

    Used only without gradients and for large maps: it is the largest map of the whole network.
    Results are equal up to rounding.

    Args:
        x: (B, C, h, w).
        size: (H, W).
        conv: 3 x 3, stride 1, padding 1.
        circular: as in :func:`resize_map`.
        after: works on each pixel by itself.
    """
    rows = max(_LEAST_ROWS, _STRIP_VALUES // (x.shape[0] * x.shape[1] * size[1]))
    plain = torch.is_grad_enabled() or torch.compiler.is_compiling() or rows >= size[0]
    if plain:
        found = padded_conv(conv, resize_map(x, size, circular), circular)
        return found if after is None else after(found)
    result: Tensor | None = None
    for top in range(0, size[0], rows):
        bottom = min(size[0], top + rows)
        strip = _strip_conv(x, size, conv, circular, top, bottom)
        strip = strip if after is None else after(strip)
        if result is None:
            form = torch.channels_last if strip.shape[1] > 1 else torch.contiguous_format
            shape = (*strip.shape[:2], *size)
            result = torch.empty(shape, dtype=strip.dtype, device=x.device, memory_format=form)
        result[:, :, top:bottom] = strip
    assert result is not None
    return result


def _strip_conv(
    x: Tensor, size: tuple[int, int], conv: nn.Conv2d, circular: bool, top: int, bottom: int
) -> Tensor:
    """Rows ``top`` to ``bottom`` of the convolution of the enlarged map."""
    first, last = max(0, top - 1), min(size[0], bottom + 1)
    part = resize_map(_rows_between(x, size[0], first, last), (last - first, size[1]), circular)
    beyond = (first - (top - 1), bottom + 1 - last)  # rows outside of the map
    columns, sphere = conv.padding[1], isinstance(conv, SphereConv2d)
    if sphere:
        ends = (
            over_pole(part[:, :, : beyond[0]]),
            over_pole(part[:, :, last - first - beyond[1] :]),
        )
        part = torch.cat((ends[0], part, ends[1]), 2)
    elif any(beyond):
        part = F.pad(part, (0, 0, *beyond))
    if circular or sphere:
        part, columns = pad_around(part, columns), 0
    return F.conv2d(part, conv.weight, conv.bias, conv.stride, (0, columns), conv.dilation)


def _rows_between(x: Tensor, height: int, first: int, last: int) -> Tensor:
    """Rows ``first`` to ``last`` of (B, C, h, w) enlarged to ``height`` rows, corner to corner."""
    step = (x.shape[-2] - 1) / (height - 1) if height > 1 else 0.0
    place = torch.arange(first, last, device=x.device, dtype=torch.float32) * step
    above = place.floor().long().clamp(max=x.shape[-2] - 1)
    below = (above + 1).clamp(max=x.shape[-2] - 1)
    weight = (place - above).to(x.dtype)[:, None]
    return torch.lerp(x.index_select(2, above), x.index_select(2, below), weight)
