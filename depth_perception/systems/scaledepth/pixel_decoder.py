"""From the maps of an encoder to per-pixel features and memories for queries.

The pixel decoder of Cheng et al., "Masked-attention Mask Transformer for Universal Image
Segmentation" (arXiv 2112.01527), section 3.2.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .deformable import DeformableLayer, Size

_TEMPERATURE = 10_000.0  # of the sine encodings
_EPSILON = 1e-6


@dataclass(frozen=True)
class PixelFeatures:
    """What a pixel decoder returns.

    Attributes:
        features: (B, C, H/4, W/4).
        memories: three maps (B, C, h, w) of strides 32, 16 and 8.
        positions: sine encodings (C, h, w) of the memories.
    """

    features: Tensor
    memories: tuple[Tensor, Tensor, Tensor]
    positions: tuple[Tensor, Tensor, Tensor]


class DeformablePixelDecoder(nn.Module):
    """Deformable attention over strides 8 to 32, and one step up to stride 4.

    Args:
        widths: channels of the encoder's maps of strides 4, 8, 16 and 32.
        channels, heads, hidden: width, heads and hidden width of the attention layers.
        layers: number of attention layers.
        groups: of the group normalisations.
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int],
        channels: int,
        *,
        heads: int,
        hidden: int,
        layers: int,
        groups: int,
    ) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1), nn.GroupNorm(groups, channels))
            for width in reversed(widths[1:])
        )
        self.level = nn.Embedding(3, channels)
        self.layers = nn.ModuleList(DeformableLayer(channels, heads, hidden) for _ in range(layers))
        self.lateral = nn.Sequential(
            nn.Conv2d(widths[0], channels, 1, bias=False), nn.GroupNorm(groups, channels)
        )
        self.merge = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.GroupNorm(groups, channels),
            nn.ReLU(),
        )
        self.features = nn.Conv2d(channels, channels, 1)
        self._initialise()

    def forward(self, maps: tuple[Tensor, Tensor, Tensor, Tensor]) -> PixelFeatures:
        """Features and memories of the encoder's maps, strides 4, 8, 16 and 32."""
        finest, *coarse = maps
        levels = [project(x) for project, x in zip(self.inputs, reversed(coarse), strict=True)]
        sizes: list[Size] = [(x.shape[-2], x.shape[-1]) for x in levels]
        device, channels = finest.device, levels[0].shape[1]
        waves = [sine_positions(*size, channels, device=device) for size in sizes]
        tokens = torch.cat([x.flatten(2).transpose(1, 2) for x in levels], 1)
        positions = torch.cat(
            [
                wave.flatten(1).T + level
                for wave, level in zip(waves, self.level.weight, strict=True)
            ]
        ).to(tokens.dtype)
        anchors = torch.cat([_centres(*size, device=device) for size in sizes]).to(tokens.dtype)
        for layer in self.layers:
            tokens = layer(tokens, positions, anchors, sizes)
        parts = tokens.split([height * width for height, width in sizes], 1)
        memories = [
            part.transpose(1, 2).unflatten(2, size) for part, size in zip(parts, sizes, strict=True)
        ]
        lateral = self.lateral(finest)
        upper = F.interpolate(memories[-1], lateral.shape[-2:], mode="bilinear")
        features = self.features(self.merge(lateral + upper))
        return PixelFeatures(features, tuple(memories), tuple(waves))

    def _initialise(self) -> None:
        """As the authors of ScaleDepth do, after mmdetection."""
        for project, _ in self.inputs:
            nn.init.xavier_uniform_(project.weight)
            nn.init.zeros_(project.bias)
        for conv in (self.lateral[0], self.merge[0], self.features):
            nn.init.kaiming_uniform_(conv.weight, a=1)  # Caffe2's Xavier
        nn.init.zeros_(self.features.bias)
        for layer in self.layers:
            for linear in (layer.mlp[0], layer.mlp[2]):
                nn.init.xavier_normal_(linear.weight)


def _centres(height: int, width: int, *, device: torch.device) -> Tensor:
    """(height * width, 2) centres of the cells as (x, y) in [0, 1]."""
    y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height
    x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((columns, rows), -1).flatten(0, 1)


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
