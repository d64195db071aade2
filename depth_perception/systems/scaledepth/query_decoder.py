"""Queries with masked cross-attention to the memories of an image.

The masked-attention decoder of Cheng et al., "Masked-attention Mask Transformer for Universal Image
Segmentation" (arXiv 2112.01527), section 3.2.1, with queries that have no mask beside those that
have one (ScaleDepth, arXiv 2407.08187).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers import perceptron
from .pixel_decoder import PixelFeatures


@dataclass(frozen=True)
class QueryOutput:
    """The state of the queries after one layer.

    Attributes:
        logits: (B, masked) one number of each masked query.
        masks: (B, masked, H/4, W/4) logits of its pixels.
        free: (B, free, C) the queries without a mask.
    """

    logits: Tensor
    masks: Tensor
    free: Tensor


class QueryLayer(nn.Module):
    """Cross attention, self attention and a two-layer network, each normalised after."""

    def __init__(self, channels: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.cross = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.cross_norm = nn.LayerNorm(channels)
        self.mutual = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.mutual_norm = nn.LayerNorm(channels)
        self.mlp = perceptron(channels, hidden, channels)
        self.mlp_norm = nn.LayerNorm(channels)

    def forward(
        self,
        queries: Tensor,
        query_positions: Tensor,
        memory: Tensor,
        memory_positions: Tensor,
        hidden_from: Tensor,
    ) -> Tensor:
        """Update the queries.

        Args:
            queries, query_positions: (B, Q, C).
            memory, memory_positions: (B, N, C) and (N, C) or (B, N, C).
            hidden_from: (B, Q, N) bool, true where attention of a query is masked out.
        """
        placed = queries + query_positions
        mask = hidden_from.repeat_interleave(self.cross.num_heads, 0)
        read, _ = self.cross(
            placed, memory + memory_positions, memory, attn_mask=mask, need_weights=False
        )
        queries = self.cross_norm(queries + read)
        placed = queries + query_positions
        shared, _ = self.mutual(placed, placed, queries, need_weights=False)
        queries = self.mutual_norm(queries + shared)
        return self.mlp_norm(queries + self.mlp(queries))


class QueryDecoder(nn.Module):
    """Layers of queries over the three memories in turn.

    Args:
        channels, heads, hidden: width, heads and hidden width of the layers.
        layers: number of layers.
        masked, free: number of queries with and without a mask; the free ones come last.
    """

    def __init__(
        self, channels: int, *, heads: int, hidden: int, layers: int, masked: int, free: int
    ) -> None:
        super().__init__()
        self.masked = masked
        self.content = nn.Embedding(masked + free, channels)
        self.position = nn.Embedding(masked + free, channels)
        self.level = nn.Embedding(3, channels)
        self.layers = nn.ModuleList(QueryLayer(channels, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        self.logit = nn.Linear(channels, 1)
        self.mask = perceptron(*[channels] * 4)
        for layer in self.layers:
            for weight in layer.parameters():
                if weight.ndim > 1:
                    nn.init.xavier_normal_(weight)

    def forward(self, pixels: PixelFeatures) -> tuple[QueryOutput, ...]:
        """The state of the queries after each layer."""
        batch = pixels.features.shape[0]
        levels = self.level.weight
        memories = [
            m.flatten(2).transpose(1, 2) + e for m, e in zip(pixels.memories, levels, strict=True)
        ]
        waves = [wave.flatten(1).T.to(memories[0].dtype) for wave in pixels.positions]
        sizes = [tuple(m.shape[-2:]) for m in pixels.memories]
        queries = self.content.weight.expand(batch, -1, -1)
        positions = self.position.weight.expand(batch, -1, -1)
        _, masks = self.read(queries[:, : self.masked], pixels.features)
        outputs = []
        for index, layer in enumerate(self.layers):
            level = index % len(memories)
            hidden = hidden_cells(masks, sizes[level])
            nothing = hidden.new_zeros((batch, queries.shape[1] - self.masked, hidden.shape[2]))
            hidden = torch.cat((hidden, nothing), 1)
            queries = layer(queries, positions, memories[level], waves[level], hidden)
            logits, masks = self.read(queries[:, : self.masked], pixels.features)
            outputs.append(QueryOutput(logits, masks, queries[:, self.masked :]))
        return tuple(outputs)

    def read(self, queries: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Number (B, Q) and mask logits (B, Q, h, w) of queries (B, Q, C)."""
        queries = self.norm(queries)
        masks = torch.einsum("bqc,bchw->bqhw", self.mask(queries), features)
        return self.logit(queries)[..., 0], masks


def hidden_cells(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, Q, h * w) bool: the cells that masks (B, Q, H, W) leave out; never all of a query's."""
    with torch.no_grad():
        hidden = F.interpolate(masks, size, mode="bilinear").flatten(2) < 0
        return hidden & ~hidden.all(-1, keepdim=True)
