"""Modulated deformable convolution, 3 x 3.

Zhu et al., "Deformable ConvNets v2" (arXiv 1811.11168), section 3.2: each of the nine taps looks
beside its place, at an offset and with a weight that the network computes for every pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

try:
    from torchvision.ops import deform_conv2d
except ImportError:  # the same in plain PyTorch is below
    deform_conv2d = None

_TAPS = 9
_TILE_VALUES = 1 << 25  # of the table of samples in plain PyTorch: 128 MB


def modulated_conv(
    x: Tensor,
    offsets: Tensor,
    weights: Tensor,
    kernel: Tensor,
    bias: Tensor | None = None,
    *,
    fused: bool | None = None,
) -> Tensor:
    """Convolve where the offsets point, zeros outside; stride 1, result of the size of the input.

    Positions and samples are float32 or float64 at any precision of the input.

    Args:
        x: (B, C, H, W).
        offsets: (B, 18, H, W) pixels; channels 2k and 2k + 1 are dy and dx of tap k, row by row.
        weights: (B, 9, H, W) factor of each tap.
        kernel, bias: (D, C, 3, 3) and (D,).
        fused: take torchvision's kernel; None where torchvision is installed.

    Returns:
        (B, D, H, W) in the precision of ``kernel``.
    """
    precision = torch.promote_types(x.dtype, torch.float32)
    inputs = (x.to(precision), offsets.to(precision), weights.to(precision))
    if deform_conv2d is not None if fused is None else fused:
        if deform_conv2d is None:
            raise ImportError("fused=True needs torchvision, which is not installed")
        value, shifts, shares = inputs
        full = None if bias is None else bias.to(precision)
        result = deform_conv2d(value, shifts, kernel.to(precision), full, padding=1, mask=shares)
        return result.to(kernel.dtype)
    return _tiled_conv(*inputs, kernel, bias)


def _tiled_conv(
    x: Tensor, offsets: Tensor, weights: Tensor, kernel: Tensor, bias: Tensor | None
) -> Tensor:
    """A few rows at a time, so that the samples of all taps never lie in memory at once."""
    batch, channels, height, width = x.shape
    rows = max(1, _TILE_VALUES // (batch * channels * _TAPS * width))
    matrix = kernel.flatten(1)
    parts = []
    for top in range(0, height, rows):
        tile = slice(top, min(top + rows, height))
        samples = _samples(x, offsets[:, :, tile], weights[:, :, tile], top)
        part = matrix @ samples.to(kernel.dtype)
        parts.append(part.view(batch, len(matrix), -1, width))
    result = torch.cat(parts, 2)
    return result if bias is None else result + bias[:, None, None]


def _samples(x: Tensor, offsets: Tensor, weights: Tensor, top: int) -> Tensor:
    """Weighted samples (B, C * 9, rows * W) of the rows from ``top`` on."""
    batch, channels, height, width = x.shape
    rows = offsets.shape[2]
    v = torch.arange(top, top + rows, device=x.device, dtype=x.dtype)[:, None]
    u = torch.arange(width, device=x.device, dtype=x.dtype)
    tap = torch.arange(3, device=x.device, dtype=x.dtype) - 1
    tap_v = tap.repeat_interleave(3)[:, None, None]
    tap_u = tap.repeat(3)[:, None, None]
    y = offsets[:, 0::2] + tap_v + v
    x_position = offsets[:, 1::2] + tap_u + u
    grid = torch.stack(((2 * x_position + 1) / width - 1, (2 * y + 1) / height - 1), -1)
    grid = grid.view(batch, _TAPS * rows, width, 2)
    samples = F.grid_sample(x, grid, align_corners=False)
    samples = samples.view(batch, channels, _TAPS, rows, width) * weights[:, None]
    return samples.view(batch, channels * _TAPS, rows * width)


class DeformConv(nn.Module):
    """A deformable convolution that finds its own offsets and weights.

    Args:
        norm: makes the norm of a number of channels; None is a bias instead.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, norm: Callable[[int], nn.Module] | None
    ) -> None:
        super().__init__()
        self.offsets = nn.Conv2d(channels_in, 3 * _TAPS, 3, padding=1)
        self.conv = _Kernel(channels_in, channels_out, norm)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, channels_out, H, W)."""
        offsets, logits = self.offsets(x).split((2 * _TAPS, _TAPS), 1)
        return self.conv(x, offsets, logits.sigmoid())


class _Kernel(nn.Module):
    def __init__(
        self, channels_in: int, channels_out: int, norm: Callable[[int], nn.Module] | None
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, 3, 3))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")
        self.bias = nn.Parameter(torch.zeros(channels_out)) if norm is None else None
        self.norm = nn.Identity() if norm is None else norm(channels_out)

    def forward(self, x: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        return self.norm(modulated_conv(x, offsets, weights, self.weight, self.bias))
