"""Modulated deformable convolution, 3 x 3.

Zhu et al., "Deformable ConvNets v2" (arXiv 1811.11168), section 3.2: each of the nine taps samples
at an offset and with a weight that the network computes for every pixel.
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
_CORNERS = 4
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
    """Convolve at the offsets, with zero padding and stride 1; the result has the input's size.

    Positions and samples are float32 or float64 at any precision of the input.

    Args:
        x: (B, C, H, W).
        offsets: (B, 18, H, W) pixels; channels 2k and 2k + 1 are dy and dx of tap k, row by row.
        weights: (B, 9, H, W) factor of each tap.
        kernel, bias: (D, C, 3, 3) and (D,).
        fused: use torchvision's kernel; None: on CUDA if torchvision is installed. On a CPU that
            kernel is slow, especially its gradient.

    Returns:
        (B, D, H, W) in the precision of ``kernel``.
    """
    precision = torch.promote_types(x.dtype, torch.float32)
    inputs = (x.to(precision), offsets.to(precision), weights.to(precision))
    if deform_conv2d is not None and x.is_cuda if fused is None else fused:
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
    """Process a few rows at a time, so that the samples of all taps are never in memory at once."""
    batch, channels, height, width = x.shape
    rows = max(1, _TILE_VALUES // (batch * channels * _TAPS * width))
    matrix = kernel.permute(2, 3, 1, 0).reshape(_TAPS * channels, -1)
    table = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).flatten(0, 2)
    parts = []
    for top in range(0, height, rows):
        tile = slice(top, min(top + rows, height))
        places, shares = _corners(offsets[:, :, tile], weights[:, :, tile], top, height)
        samples = F.embedding_bag(places, table, mode="sum", per_sample_weights=shares)
        part = samples.view(batch, -1, width, _TAPS * channels).to(kernel.dtype) @ matrix
        parts.append(part.permute(0, 3, 1, 2))
    result = torch.cat(parts, 2)
    return result if bias is None else result + bias[:, None, None]


def _corners(offsets: Tensor, weights: Tensor, top: int, height: int) -> tuple[Tensor, Tensor]:
    """The four pixels around every sample of the rows from ``top`` on, and their weights.

    Returns:
        Two (N, 4), N in the order batch, row, column, tap: rows of the flattened image with a
        border of one pixel of zeros, and factors.
    """
    batch, _, rows, width = offsets.shape
    options = {"device": offsets.device, "dtype": offsets.dtype}
    v = torch.arange(top, top + rows, **options)[:, None, None]
    u = torch.arange(width, **options)[:, None]
    tap = torch.arange(3, **options) - 1
    offsets = offsets.reshape(batch, _TAPS, 2, rows, width).permute(2, 0, 3, 4, 1)
    y = (offsets[0] + v + tap.repeat_interleave(3)).clamp(-1, height)
    x = (offsets[1] + u + tap.repeat(3)).clamp(-1, width)
    row, column = _before(y, height), _before(x, width)
    down, right = y - row, x - column
    image = torch.arange(batch, device=offsets.device)[:, None, None, None] * (height + 2)
    first = ((image + row.long() + 1) * (width + 2) + column.long() + 1)[..., None]
    places = first + first.new_tensor((0, 1, width + 2, width + 3))
    shares = torch.stack(
        ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right), -1
    )
    shares = shares * weights.permute(0, 2, 3, 1)[..., None]
    return places.reshape(-1, _CORNERS), shares.reshape(-1, _CORNERS)


def _before(place: Tensor, size: int) -> Tensor:
    """The whole number at or before a place in -1..size, at most size - 1; of NaN it is -1."""
    return torch.nan_to_num(place.detach(), nan=-1.0).floor().clamp(max=size - 1)


class DeformConv(nn.Module):
    """A deformable convolution that computes its own offsets and weights.

    Args:
        norm: makes the norm of a number of channels; None is a bias instead.

    Attributes:
        is_still: for every image all offsets are 0 and all weights 0.5. An ordinary convolution
            then has the same result and is much faster. Set when parameters are loaded.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, norm: Callable[[int], nn.Module] | None
    ) -> None:
        super().__init__()
        self.offsets = nn.Conv2d(channels_in, 3 * _TAPS, 3, padding=1)
        self.conv = _Kernel(channels_in, channels_out, norm)
        self.is_still = False
        self.register_load_state_dict_post_hook(_find_stillness)

    def hold_still(self) -> None:
        """Set offsets and logits of the weights to 0, and stop training them."""
        for parameter in self.offsets.parameters():
            nn.init.zeros_(parameter).requires_grad_(False)
        self.is_still = True

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, channels_out, H, W)."""
        if self.is_still:
            return self.conv.plain(x)
        offsets, logits = self.offsets(x).split((2 * _TAPS, _TAPS), 1)
        return self.conv(x, offsets, logits.sigmoid())


def _find_stillness(layer: DeformConv, _: object) -> None:
    weight, bias = layer.offsets.weight, layer.offsets.bias
    layer.is_still = not weight.is_meta and not bool(weight.any() or bias.any())


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

    def plain(self, x: Tensor) -> Tensor:
        """Ordinary convolution: no offsets, weight 0.5 for every tap."""
        result = 0.5 * F.conv2d(x, self.weight, padding=1)
        return self.norm(result if self.bias is None else result + self.bias[:, None, None])
