"""Deformable attention over several maps, in plain PyTorch.

Zhu et al., "Deformable DETR" (arXiv 2010.04159), section 4.1: each query samples a few points of
each map, at offsets and with weights computed from the query.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers import perceptron

Size = tuple[int, int]


def deformable_sample(
    value: Tensor, sizes: Sequence[Size], locations: Tensor, weights: Tensor
) -> Tensor:
    """Weighted sums of bilinear samples, zeros outside.

    Args:
        value: (B, tokens, heads, channels), the maps one after the other, row by row.
        sizes: (height, width) of each map.
        locations: (B, queries, heads, maps, points, 2) as (x, y) in [0, 1] from border to border.
        weights: (B, queries, heads, maps, points).

    Returns:
        (B, queries, heads * channels).
    """
    batch, _, heads, channels = value.shape
    queries = locations.shape[1]
    grids = (2 * locations - 1).transpose(1, 2).flatten(0, 1)
    shares = weights.transpose(1, 2).flatten(0, 1)
    total = value.new_zeros((batch * heads, channels, queries))
    parts = value.split([height * width for height, width in sizes], 1)
    for level, ((height, width), part) in enumerate(zip(sizes, parts, strict=True)):
        plane = part.permute(0, 2, 3, 1).reshape(batch * heads, channels, height, width)
        sampled = F.grid_sample(plane, grids[:, :, level], align_corners=False)
        total = total + (sampled * shares[:, None, :, level]).sum(-1)
    return total.view(batch, heads * channels, queries).transpose(1, 2)


class DeformableAttention(nn.Module):
    """Attention of every token to a few points of every map.

    Args:
        channels, heads: width of the tokens and number of heads that share it.
        maps, points: number of maps, and of points that a head samples in each.
    """

    def __init__(self, channels: int, heads: int, *, maps: int = 3, points: int = 4) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels cannot be shared by {heads} heads")
        self.heads, self.maps, self.points = heads, maps, points
        self.offsets = nn.Linear(channels, heads * maps * points * 2)
        self.weights = nn.Linear(channels, heads * maps * points)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self._initialise()

    def forward(
        self, tokens: Tensor, positions: Tensor, anchors: Tensor, sizes: Sequence[Size]
    ) -> Tensor:
        """Attend.

        Args:
            tokens, positions: (B, tokens, channels); offsets also depend on the positions.
            anchors: (tokens, 2) as (x, y) in [0, 1], where each token is in the image.
            sizes: (height, width) of each map.

        Returns:
            (B, tokens, channels), without the residual.
        """
        batch, count, _ = tokens.shape
        query = tokens + positions
        shape = (batch, count, self.heads, self.maps, self.points)
        offsets = self.offsets(query).view(*shape, 2)
        weights = self.weights(query).view(batch, count, self.heads, -1).softmax(-1).view(shape)
        extent = offsets.new_tensor([(width, height) for height, width in sizes])
        locations = anchors[None, :, None, None, None] + offsets / extent[:, None]
        value = self.value(tokens).view(batch, count, self.heads, -1)
        return self.out(deformable_sample(value, sizes, locations, weights))

    def _initialise(self) -> None:
        """Each head has its own direction, distances grow with the points; weights are equal."""
        angle = torch.arange(self.heads, dtype=torch.float32) * (2 * math.pi / self.heads)
        direction = torch.stack((angle.cos(), angle.sin()), -1)
        direction = direction / direction.abs().amax(-1, keepdim=True)
        reach = torch.arange(1, self.points + 1, dtype=torch.float32)[:, None]
        offsets = (direction[:, None, None] * reach).expand(-1, self.maps, -1, -1)
        with torch.no_grad():
            self.offsets.bias.copy_(offsets.flatten())
        for zero in (self.offsets.weight, self.weights.weight, self.weights.bias):
            nn.init.zeros_(zero)
        for linear in (self.value, self.out):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)


class DeformableLayer(nn.Module):
    """One encoder layer: deformable attention and a two-layer network, each normalised after."""

    def __init__(self, channels: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = DeformableAttention(channels, heads)
        self.attention_norm = nn.LayerNorm(channels)
        self.mlp = perceptron(channels, hidden, channels)
        self.mlp_norm = nn.LayerNorm(channels)

    def forward(
        self, tokens: Tensor, positions: Tensor, anchors: Tensor, sizes: Sequence[Size]
    ) -> Tensor:
        """See :meth:`DeformableAttention.forward`."""
        tokens = self.attention_norm(tokens + self.attention(tokens, positions, anchors, sizes))
        return self.mlp_norm(tokens + self.mlp(tokens))
