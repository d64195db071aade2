"""Pixel-Perfect Depth as the published program runs it: evaluations share nothing.

The mathematics of the published network on the parameters of ours, without what ours keeps
between evaluations. It is a baseline and a second opinion, not a model to use.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..systems.ppd.blocks import ModulatedBlock, time_sinusoids
from ..systems.ppd.flow import LAST_TIME
from ..systems.ppd.transformer import STRIDE, SpDit

_ROPE_BASE = 100.0


def plain_times(steps: int, last: int = LAST_TIME) -> tuple[int, ...]:
    """Time-steps as published: for some ``steps`` (29, 49, 58, ...) rounding adds one too many."""
    return tuple(torch.arange(last, -1, -(last + 1) / steps).round().int().tolist())


def plain_velocity(network: SpDit, x: Tensor, semantics: Tensor, time: Tensor) -> Tensor:
    """Velocity (B, 1, H, W).

    Args:
        network: gives the parameters.
        x: (B, 4, H, W) noisy depth, then RGB in [-0.5, 0.5]; sides multiples of 16.
        semantics: (B, H/16 * W/16, C).
        time: (1,) or (B,) time-steps in 0..1000.
    """
    rows, columns = x.shape[-2] // STRIDE, x.shape[-1] // STRIDE
    dim, half, side = network.config.dim, len(network.blocks) // 2, STRIDE // 2
    tokens = network.x_embedder.proj(x).flatten(2).mT
    condition = network.t_embedder.mlp(time_sinusoids(time))
    positions = _positions(rows, columns, x.device)
    for block in network.blocks[:half]:
        tokens = _block(block, tokens, condition, positions)
    prompt = F.normalize(semantics, dim=-1)
    cells = network.proj_fusion(torch.cat((tokens, prompt), -1))
    cells = cells.reshape(len(x), rows, columns, 2, 2, dim).permute(0, 1, 3, 2, 4, 5)
    tokens = cells.reshape(len(x), 4 * rows * columns, dim)
    positions = _positions(2 * rows, 2 * columns, x.device)
    for block in network.blocks[half:]:
        tokens = _block(block, tokens, condition, positions)
    last = network.final_layer
    shift, scale = last.adaLN_modulation(condition)[:, None].chunk(2, -1)
    patches = last.linear(last.norm(tokens) * (1 + scale) + shift)
    patches = patches.reshape(len(x), 2 * rows, 2 * columns, side, side)
    return patches.permute(0, 1, 3, 2, 4).reshape(len(x), 1, *x.shape[-2:])


def plain_sample(
    network: SpDit, images: Tensor, semantics: Tensor, noise: Tensor, times: tuple[int, ...]
) -> Tensor:
    """Relative depth (B, 1, H, W): from noise to the clean end by way of both ends of the line.

    Args:
        network: gives the parameters.
        images: (B, 3, H, W) RGB in [0, 1].
        semantics: (B, T, C). noise: (B, 1, H, W).
        times: see :func:`plain_times`.
    """
    latent = noise
    for index, now in enumerate(times):
        x = torch.cat((latent, images - 0.5), 1)
        time = torch.tensor([now], device=images.device)
        velocity = plain_velocity(network, x, semantics, time).float()
        share = now / LAST_TIME
        clean, far = latent - share * velocity, latent + (1 - share) * velocity
        following = times[index + 1] if index + 1 < len(times) else -1
        share = following / LAST_TIME
        latent = clean if following < 0 else (1 - share) * clean + share * far
    return latent + 0.5


def _block(block: ModulatedBlock, tokens: Tensor, condition: Tensor, positions: Tensor) -> Tensor:
    vectors = block.adaLN_modulation(condition)[:, None].chunk(6, -1)
    shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = vectors
    attention = block.attn
    count, width = tokens.shape[1], tokens.shape[2]
    inner = block.norm1(tokens) * (1 + scale_a) + shift_a
    qkv = attention.qkv(inner).reshape(len(tokens), count, 3, attention.heads, -1)
    query, key, value = qkv.permute(2, 0, 3, 1, 4)
    query = _turned(attention.q_norm(query), positions).to(value.dtype)
    key = _turned(attention.k_norm(key), positions).to(value.dtype)
    mixed = F.scaled_dot_product_attention(query, key, value)
    mixed = mixed.transpose(1, 2).reshape(len(tokens), count, width)
    tokens = tokens + gate_a * attention.proj(mixed)
    return tokens + gate_m * block.mlp(block.norm2(tokens) * (1 + scale_m) + shift_m)


def _positions(rows: int, columns: int, device: torch.device) -> Tensor:
    """Row and column (T, 2) of every token."""
    return torch.cartesian_prod(*(torch.arange(n, device=device) for n in (rows, columns)))


def _turned(tokens: Tensor, positions: Tensor) -> Tensor:
    """Tokens (B, heads, T, C) rotated, one half by the row and one by the column."""
    halves = []
    for part, place in zip(tokens.chunk(2, -1), positions.unbind(-1), strict=True):
        size = part.shape[-1]
        count = int(place.max()) + 1  # reads the device, as published
        steps = torch.arange(0, size, 2, device=tokens.device).float() / size
        angles = torch.arange(count, device=tokens.device)[:, None] * _ROPE_BASE**-steps
        angles = torch.cat((angles, angles), -1)
        first, second = part.chunk(2, -1)
        turned = torch.cat((-second, first), -1)
        halves.append(part * angles.cos()[place] + turned * angles.sin()[place])
    return torch.cat(halves, -1)
