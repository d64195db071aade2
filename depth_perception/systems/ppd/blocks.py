"""Transformer blocks conditioned by adaptive layer norm (DiT, arXiv 2212.09748) with 2-D RoPE."""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import Mlp
from torch import Tensor, nn

_ROPE_BASE = 100.0
_NORM_EPS = 1e-6


class RopeTables(NamedTuple):
    """Cosines and sines (T, head_dim) float32 of every token's rotation."""

    cos: Tensor
    sin: Tensor


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # a tensor born in inference mode could not be trained with later
def rope_tables(
    rows: int, columns: int, head_dim: int, device: torch.device | str = "cpu"
) -> RopeTables:
    """Rotations of a grid of tokens: one half of a head turns with the row, the other with the
    column, counted from 0 at the top left. Angles are position * 100^(-2 j / half).

    Raises:
        ValueError: ``head_dim`` is not a multiple of 4.
    """
    if head_dim % 4:
        raise ValueError(f"head_dim must be a multiple of 4, got {head_dim}")
    half = head_dim // 2
    steps = torch.arange(0, half, 2, dtype=torch.float32) / half
    frequencies = _ROPE_BASE**-steps

    def angles(count: int) -> Tensor:
        angle = torch.arange(count, dtype=torch.float32)[:, None] * frequencies
        return torch.cat((angle, angle), -1)

    row = angles(rows)[:, None].expand(-1, columns, -1)
    column = angles(columns)[None].expand(rows, -1, -1)
    angle = torch.cat((row, column), -1).flatten(0, 1).to(device)
    return RopeTables(angle.cos(), angle.sin())


def rotate(tokens: Tensor, tables: RopeTables) -> Tensor:
    """Tokens (..., T, head_dim) turned by the tables."""
    first, second = tokens.unflatten(-1, (2, 2, -1)).unbind(-2)
    turned = torch.stack((-second, first), -2).flatten(-3)
    return tokens * tables.cos + turned * tables.sin


class RopeAttention(nn.Module):
    """Self-attention with layer-normed, rotated queries and keys."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim {dim} is not a multiple of {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm = nn.LayerNorm(dim // heads)
        self.k_norm = nn.LayerNorm(dim // heads)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, rope: RopeTables) -> Tensor:
        """(B, T, D) to (B, T, D); the rotation runs in the precision of the tables."""
        qkv = self.qkv(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        query = rotate(self.q_norm(query), rope).to(value.dtype)
        key = rotate(self.k_norm(key), rope).to(value.dtype)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class ModulatedBlock(nn.Module):
    """Attention and perceptron between scale, shift and gate vectors of a condition."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        self.norm1 = plain_norm(dim)
        self.attn = RopeAttention(dim, heads)
        self.norm2 = plain_norm(dim)
        gelu = partial(nn.GELU, approximate="tanh")
        self.mlp = Mlp(dim, int(dim * mlp_ratio), act_layer=gelu)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))

    def modulation(self, condition: Tensor) -> Tensor:
        """The six vectors (B, 6, D) of a condition (B, D)."""
        return self.adaLN_modulation(condition).unflatten(-1, (6, -1))

    def forward(self, tokens: Tensor, modulation: Tensor, rope: RopeTables) -> Tensor:
        """(B, T, D) to (B, T, D); ``modulation`` is (B or 1, 6, D)."""
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation[:, :, None].unbind(1)
        tokens = tokens + gate_a * self.attn(self.norm1(tokens) * (1 + scale_a) + shift_a, rope)
        return tokens + gate_m * self.mlp(self.norm2(tokens) * (1 + scale_m) + shift_m)


class TimeEmbedder(nn.Module):
    """Perceptron on the sinusoids of a time-step."""

    def __init__(self, dim: int, frequencies: int = 256) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(nn.Linear(frequencies, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, times: Tensor) -> Tensor:
        """Conditions (B, D) of time-steps (B,)."""
        return self.mlp(time_sinusoids(times, self.frequencies))


def time_sinusoids(times: Tensor, dim: int = 256, longest_period: float = 10000.0) -> Tensor:
    """Sinusoids (B, dim) float32 of time-steps (B,), the cosines first."""
    half = dim // 2
    steps = torch.arange(half, dtype=torch.float32, device=times.device)
    angles = times.float()[:, None] * torch.exp(-math.log(longest_period) * steps / half)
    return torch.cat((angles.cos(), angles.sin()), -1)


def plain_norm(dim: int) -> nn.LayerNorm:
    """Layer norm without parameters."""
    return nn.LayerNorm(dim, eps=_NORM_EPS, elementwise_affine=False)
