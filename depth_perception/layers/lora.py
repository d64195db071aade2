"""Low-rank adaptation (LoRA, arXiv 2106.09685) of the query and value projections of a ViT.

As PanDA uses it: the products of the low-rank matrices are added without a scale factor.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .vit import VitEncoder


class LoraQkv(nn.Module):
    """A frozen qkv projection (D -> 3D) with trainable low-rank terms on query and value."""

    def __init__(self, qkv: nn.Linear, rank: int) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"LoRA rank must be at least 1, got {rank}")
        dim, like = qkv.in_features, {"device": qkv.weight.device, "dtype": qkv.weight.dtype}
        self.qkv = qkv
        self.linear_a_q = nn.Linear(dim, rank, bias=False, **like)
        self.linear_b_q = nn.Linear(rank, dim, bias=False, **like)
        self.linear_a_v = nn.Linear(dim, rank, bias=False, **like)
        self.linear_b_v = nn.Linear(rank, dim, bias=False, **like)
        for down, up in ((self.linear_a_q, self.linear_b_q), (self.linear_a_v, self.linear_b_v)):
            nn.init.kaiming_uniform_(down.weight, a=math.sqrt(5))
            nn.init.zeros_(up.weight)  # the adapted projection starts equal to the plain one

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., D) tokens to (..., 3D) queries, keys and values."""
        query, key, value = self.qkv(tokens).chunk(3, dim=-1)
        query = query + self.linear_b_q(self.linear_a_q(tokens))
        value = value + self.linear_b_v(self.linear_a_v(tokens))
        return torch.cat((query, key, value), dim=-1)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The plain projection with the low-rank terms added into its weight (in place)."""
        dim = self.qkv.in_features
        weight = self.qkv.weight
        weight[:dim] += self.linear_b_q.weight @ self.linear_a_q.weight
        weight[2 * dim :] += self.linear_b_v.weight @ self.linear_a_v.weight
        return self.qkv


def add_lora(encoder: VitEncoder, rank: int) -> None:
    """Add LoRA to every block and freeze all other parameters of the encoder."""
    encoder.requires_grad_(False)
    for block in encoder.blocks:
        block.attn.qkv = LoraQkv(block.attn.qkv, rank)


def merge_lora(encoder: VitEncoder) -> None:
    """Convert every LoRA projection of the encoder to a plain one; no-op if there is none."""
    for block in encoder.blocks:
        if isinstance(block.attn.qkv, LoraQkv):
            block.attn.qkv = block.attn.qkv.merged()
