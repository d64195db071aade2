"""Targets and losses of Pixel-Perfect Depth (arXiv 2510.07316)."""

from __future__ import annotations

import torch
from torch import Tensor

FARTHEST_M = 80.0
_LOWEST, _HIGHEST = -0.5, 1.0
_OFFSET = 0.5
_STRIDES = (1, 2, 4, 8)
_TINY = 1e-6


def normalised_target(depth_m: Tensor, mask: Tensor) -> Tensor:
    """Target of the denoising: about -0.5 to 0.5, never outside -1 to 0.5.

    ln(depth + 1) of (B, 1, H, W) metres is scaled so that its quantiles 0.02 and 0.98, in the
    mask and below 80 m, become -0.5 and 0.5. Raises ValueError: an image has no pixel for the
    quantiles.
    """
    logs = depth_m.log1p()
    targets = []
    for index, (log, near) in enumerate(zip(logs, mask & (depth_m < FARTHEST_M), strict=True)):
        known = log[near]
        if known.numel() == 0:
            raise ValueError(f"image {index} of the batch has no depth below {FARTHEST_M:g} m")
        low, high = torch.quantile(known, known.new_tensor((0.02, 0.98)))
        targets.append((log - low) / torch.maximum(high - low, low.new_tensor(_TINY)))
    return torch.stack(targets).clamp(_LOWEST, _HIGHEST) - _OFFSET


def velocity_loss(velocity: Tensor, noise: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean square error of the velocity (B, 1, H, W) over the mask of the whole batch."""
    error = (velocity - (noise - target)).square()
    return (mask * error).sum() / (mask.sum() + _TINY)


def gradient_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Difference of the gradients at four scales, summed; all arguments (B, 1, H, W)."""
    return torch.stack(gradient_losses(prediction, target, mask)).sum()


def gradient_losses(prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    """The terms of :func:`gradient_loss`, one for each stride 1, 2, 4, 8."""
    losses = []
    for stride in _STRIDES:
        known = mask[..., ::stride, ::stride].to(prediction.dtype)
        error = known * (prediction - target)[..., ::stride, ::stride]
        across = error.diff(dim=-1).abs() * known[..., 1:] * known[..., :-1]
        down = error.diff(dim=-2).abs() * known[..., 1:, :] * known[..., :-1, :]
        losses.append((across.sum() + down.sum()) / known.sum().clamp_min(1))
    return tuple(losses)
