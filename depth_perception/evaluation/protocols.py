"""What is done to a prediction before it is compared: nothing, a fit to the truth, or clamps."""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

from ..systems.card import ModelCard


class Alignment(str, Enum):
    """How much of the truth a prediction may borrow before it is judged."""

    NONE = "none"
    MEDIAN = "median"
    SCALE_SHIFT = "scale_shift"


def usual_alignment(card: ModelCard) -> Alignment:
    """Nothing for metric models, scale and shift for relative ones."""
    return Alignment.NONE if card.is_metric else Alignment.SCALE_SHIFT


def scale_and_shift(target: Tensor, pred: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Least-squares ``scale * pred + shift = target`` of each image over its mask.

    Ranftl et al. (MiDaS), sec. 5, on depth. An image whose system has no positive determinant
    gets 0 and 0.

    Args:
        target, pred: (B, 1, H, W) float32. mask: (B, 1, H, W) bool.

    Returns:
        scale (B,), shift (B,).
    """
    dims = (1, 2, 3)
    m = mask.to(pred.dtype)
    pp, p, n = (m * pred * pred).sum(dims), (m * pred).sum(dims), m.sum(dims)
    pt, t = (m * pred * target).sum(dims), (m * target).sum(dims)
    determinant = pp * n - p * p
    solvable = determinant > 0
    safe = torch.where(solvable, determinant, 1)
    scale = torch.where(solvable, (n * pt - p * t) / safe, 0)
    shift = torch.where(solvable, (pp * t - p * pt) / safe, 0)
    return scale, shift


def align(target: Tensor, pred: Tensor, mask: Tensor, how: Alignment) -> Tensor:
    """Prediction (B, 1, H, W) after the alignment of each image to its truth.

    One value everywhere, which fixes no scale, becomes the mean of the truth.
    """
    if how is Alignment.NONE:
        return pred
    if how is Alignment.SCALE_SHIFT:
        scale, shift = scale_and_shift(target, pred, mask)
        flat, mean = _flat(pred, mask), target.where(mask, 0).sum((1, 2, 3)) / mask.sum((1, 2, 3))
        scale, shift = torch.where(flat, 0, scale), torch.where(flat, mean, shift)
        return scale.view(-1, 1, 1, 1) * pred + shift.view(-1, 1, 1, 1)
    factors = [
        t[m].median() / p[m].median() if m.any() else pred.new_ones(())
        for t, p, m in zip(target, pred, mask, strict=True)
    ]
    return torch.stack(factors).view(-1, 1, 1, 1) * pred


def _flat(pred: Tensor, mask: Tensor) -> Tensor:
    """(B,) bool: whether an image has one value only under its mask."""
    low, high = pred.where(mask, torch.inf), pred.where(mask, -torch.inf)
    return low.amin((1, 2, 3)) == high.amax((1, 2, 3))


def clamp_metric(
    target: Tensor,
    pred: Tensor,
    low_m: float = 0.1,
    high_m: float = 10.0,
    original_bug: bool = False,
) -> tuple[Tensor, Tensor]:
    """Truth and prediction within [``low_m``, ``high_m``], the range of PanDA's metric models.

    ``original_bug``: where the prediction exceeds ``high_m`` the released code raises the truth to
    it and leaves the prediction; needed only to reproduce its numbers.
    """
    too_far = pred > high_m
    target = target.clamp(low_m, high_m)
    if original_bug:
        return torch.where(too_far, high_m, target), pred.clamp_min(low_m)
    return target, pred.clamp(low_m, high_m)
