"""Alignment of a prediction to the ground truth of its frame: none, by medians, or by a fit."""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

from ..prediction import DepthSpace, ScaleKind
from ..systems.card import ModelCard
from .loop import Values

_ROUNDING = 1e-14  # relative, of values in float64
_LEAST_LOG_DEPTH = 1e-6  # what ground truth is raised to before 1/d or log(d)


class Alignment(str, Enum):
    """How a prediction is aligned to the ground truth of its frame before it is scored."""

    NONE = "none"
    MEDIAN = "median"
    SCALE_SHIFT = "scale_shift"


def usual_alignment(card: ModelCard) -> Alignment:
    """None for metric models, medians for those that lack one factor, else scale and shift."""
    if card.scale is ScaleKind.SCALE_INVARIANT:
        return Alignment.MEDIAN
    return Alignment.NONE if card.is_metric else Alignment.SCALE_SHIFT


def scale_and_shift(target: Tensor, pred: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Least-squares ``scale * pred + shift = target`` of each image over its mask.

    Ranftl et al. (MiDaS), sec. 5. Depth is (B, 1, H, W) float32, the mask (B, 1, H, W) bool.
    Returns scale (B,) and shift (B,), 0 and 0 where the prediction is constant.
    """
    dtype, dims = pred.dtype, (1, 2, 3)
    m, pred, target = mask.double(), pred.double(), target.double()
    n = m.sum(dims).clamp_min(1)
    # about the means: near-constant maps would cancel in the normal equations
    mean_pred, mean_target = (m * pred).sum(dims) / n, (m * target).sum(dims) / n
    p = m * (pred - mean_pred.view(-1, 1, 1, 1))
    variance, covariance = (p * p).sum(dims) / n, (p * target).sum(dims) / n
    solvable = variance > (_ROUNDING * mean_pred) ** 2
    scale = torch.where(solvable, covariance / torch.where(solvable, variance, 1), 0)
    shift = torch.where(solvable, mean_target - scale * mean_pred, 0)
    return scale.to(dtype), shift.to(dtype)


def align(target: Tensor, pred: Tensor, mask: Tensor, how: Alignment) -> Tensor:
    """Prediction (B, 1, H, W) after the alignment of each image to its ground truth.

    A constant prediction, which fixes no scale, becomes the mean of the ground truth.
    """
    if how is Alignment.NONE:
        return pred
    if how is Alignment.SCALE_SHIFT:
        scale, shift = scale_and_shift(target, pred, mask)
        low, high = pred.where(mask, torch.inf), pred.where(mask, -torch.inf)
        flat = low.amin((1, 2, 3)) == high.amax((1, 2, 3))
        mean = target.where(mask, 0).sum((1, 2, 3)) / mask.sum((1, 2, 3))
        scale, shift = torch.where(flat, 0, scale), torch.where(flat, mean, shift)
        return scale.view(-1, 1, 1, 1) * pred + shift.view(-1, 1, 1, 1)
    factors = [
        t[m].median() / p[m].median() if m.any() else pred.new_ones(())
        for t, p, m in zip(target, pred, mask, strict=True)
    ]
    return torch.stack(factors).view(-1, 1, 1, 1) * pred


def aligned_depth(
    prediction: Values, target: Tensor, mask: Tensor, how: Alignment, max_depth_m: float
) -> Tensor:
    """Depth (H, W) in metres of a prediction; scale and shift are fitted in its own space.

    Args:
        target: (H, W) ground truth, metres. mask: (H, W) bool, where it is known.
        max_depth_m: limit of depth that is computed from inverse depth.
    """
    values, space = prediction.values[None, None], prediction.space
    target, mask = target[None, None], mask[None, None]
    if how is not Alignment.SCALE_SHIFT:
        space = DepthSpace.DEPTH
    if space in (DepthSpace.INVERSE_DEPTH, DepthSpace.LOG_DEPTH):
        target = target.clamp_min(_LEAST_LOG_DEPTH)
    aligned = align(space.from_depth(target), values, mask, how)
    if space is DepthSpace.INVERSE_DEPTH:
        aligned = aligned.clamp_min(1 / max_depth_m)
    return space.to_depth(aligned)[0, 0]
