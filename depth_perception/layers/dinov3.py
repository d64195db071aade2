"""The vision transformer of DINOv3 (arXiv 2508.10104) on timm's parts, read at several depths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import LayerScale, Mlp, PatchEmbed
from torch import Tensor, nn

from .vit import TapTokens, check_taps, patch_grid

_EPS = 1e-5
_BASE = 100.0


class AxialRope(NamedTuple):
    """Sines and cosines (N, head_dim) float32 of the rotations of N patch tokens."""

    sin: Tensor
    cos: Tensor

    def rotate(self, tokens: Tensor) -> Tensor:
        """Tokens (B, heads, T, head_dim), of which the last N are rotated, in float32."""
        others = tokens.shape[-2] - len(self.sin)
        patches = tokens[..., others:, :].float()
        first, second = patches.chunk(2, -1)
        turned = patches * self.cos + torch.cat((-second, first), -1) * self.sin
        return torch.cat((tokens[..., :others, :], turned.to(tokens.dtype)), -2)


def rope_periods(head_dim: int) -> Tensor:
    """Periods (head_dim / 4,) of the rotations, in units of half the image."""
    return _BASE ** (torch.arange(head_dim // 4, dtype=torch.float32) / (head_dim // 4))


def axial_rope(grid: tuple[int, int], periods: Tensor) -> AxialRope:
    """Rotations of a grid (rows, columns) of tokens, whose centres span -1 to 1 on either axis."""
    places = [(2 * torch.arange(count, device=periods.device) + 1) / count - 1 for count in grid]
    row, column = torch.meshgrid(*places, indexing="ij")
    angles = 2 * math.pi * torch.stack((row, column), -1).flatten(0, 1)[..., None] / periods
    angles = angles.flatten(1).repeat(1, 2)
    return AxialRope(angles.sin(), angles.cos())


class MaskedBiasQkv(nn.Linear):
    """The qkv projection, whose bias is multiplied by a stored mask: keys have none."""

    bias_mask: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__(dim, 3 * dim)
        mask = torch.ones(3 * dim)
        mask[dim : 2 * dim] = 0
        self.register_buffer("bias_mask", mask)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.linear(tokens, self.weight, self.bias * self.bias_mask)


class Attention(nn.Module):
    """Self-attention with rotated queries and keys."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = MaskedBiasQkv(dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, rope: AxialRope) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        qkv = self.qkv(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(rope.rotate(query), rope.rotate(key), value)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and perceptron, each normed before and scaled after."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=_EPS)
        self.attn = Attention(dim, heads)
        self.ls1 = LayerScale(dim, init_values=1e-5)
        self.norm2 = nn.LayerNorm(dim, eps=_EPS)
        self.mlp = Mlp(dim, 4 * dim)
        self.ls2 = LayerScale(dim, init_values=1e-5)

    def forward(self, tokens: Tensor, rope: AxialRope) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens), rope))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))


class DinoV3Encoder(nn.Module):
    """ViT with class token, storage tokens, LayerScale and rotary positions for any input size.

    Parameter names are those of DINOv3, but for ``periods`` (``rope_embed.periods`` there).
    ``mask_token`` only serves its pre-training.

    Args:
        dim, depth, heads: width, number of blocks, attention heads.
        taps: indices (from 0, ascending) of the blocks whose output is returned.
        patch_size: pixels per patch side.
        storage_tokens: their number.
    """

    periods: Tensor

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        taps: Sequence[int],
        *,
        patch_size: int = 16,
        storage_tokens: int = 4,
    ) -> None:
        check_taps(taps, depth)
        super().__init__()
        self.taps = tuple(taps)
        self.patch_size = patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.storage_tokens = nn.Parameter(torch.zeros(1, storage_tokens, dim))
        self.mask_token = nn.Parameter(torch.zeros(1, dim))
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.normal_(self.storage_tokens, std=0.02)
        self.patch_embed = PatchEmbed(
            img_size=None, patch_size=patch_size, embed_dim=dim, strict_img_size=False
        )
        self.register_buffer("periods", rope_periods(dim // heads))
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=_EPS)

    def grid_of(self, height: int, width: int) -> tuple[int, int]:
        """Patch rows and columns; ValueError unless sides are positive multiples of a patch."""
        return patch_grid(height, width, self.patch_size)

    def embed(self, images: Tensor) -> Tensor:
        """Class, storage and patch tokens (B, T, D) before the first block."""
        patches = self.patch_embed(images)
        others = torch.cat((self.cls_token, self.storage_tokens), 1)
        return torch.cat((others.expand(len(patches), -1, -1), patches), 1)

    def forward(self, images: Tensor) -> tuple[TapTokens, ...]:
        """Tokens of every tap block for normalised images (B, 3, H, W)."""
        rope = axial_rope(self.grid_of(*images.shape[-2:]), self.periods.float())
        tokens, taps = self.embed(images), []
        others = 1 + self.storage_tokens.shape[1]
        for index, block in enumerate(self.blocks[: self.taps[-1] + 1]):
            tokens = block(tokens, rope)
            if index in self.taps:
                normed = self.norm(tokens)
                taps.append(TapTokens(normed[:, others:], normed[:, 0]))
        return tuple(taps)
