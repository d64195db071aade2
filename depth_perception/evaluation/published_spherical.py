"""Numbers as OmniDepth and SphericalViewSynthesis print them, to compare with their tables.

For new comparisons use :func:`.evaluate.evaluate` with ``solid_angle`` and an alignment: it counts
a negative prediction as wrong, divides by the sum of the weights, and weighs the shares of right
pixels too. Here nothing of that happens:

* OmniDepth (Zioulis et al., ECCV 2018, and meder411/OmniDepth-PyTorch) averages images by their
  number of known pixels and leaves predictions at or below 0 out of the log error only.
* SphericalViewSynthesis (Zioulis et al., 3DV 2019) weighs errors by latitude but divides by the
  number of pixels, and its medians are of all pixels, known or not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_LOG_FLOOR_M = 1e-7


@dataclass(frozen=True)
class SphericalMetrics:
    """Seven numbers: natural logarithms, metres, and shares within 1.25, 1.25^2 and 1.25^3."""

    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    d1: float
    d2: float
    d3: float


def omnidepth_metrics(target: Tensor, pred: Tensor) -> SphericalMetrics:
    """Compare flat vectors (N,) of range in metres; the prediction may be negative."""
    squares = _squares(target, pred)
    return SphericalMetrics(*squares[:2], *map(math.sqrt, squares[2:4]), *squares[4:])


def omnidepth_report(
    targets: Sequence[Tensor], preds: Sequence[Tensor], masks: Sequence[Tensor]
) -> SphericalMetrics:
    """The report over images (..., H, W): medians aligned, averaged by the number of known pixels.

    Roots are taken of the averaged squares. Images without known pixels do not count.

    Raises:
        ValueError: no image has a known pixel.
    """
    return omnidepth_mean(zip(targets, preds, masks, strict=True))


def omnidepth_mean(images: Iterable[tuple[Tensor, Tensor, Tensor]]) -> SphericalMetrics:
    """As :func:`omnidepth_report`, of targets, predictions and masks one image after the other."""
    total, pixels = torch.zeros(7, dtype=torch.float64), 0
    for target, pred, mask in images:
        known = target[mask]
        if known.numel() == 0:
            continue
        scaled = pred[mask] * (known.median() / pred[mask].median())
        total += known.numel() * torch.tensor(_squares(known, scaled), dtype=torch.float64)
        pixels += known.numel()
    if pixels == 0:
        raise ValueError("no image has a known pixel")
    means = (total / pixels).tolist()
    return SphericalMetrics(*means[:2], *map(math.sqrt, means[2:4]), *means[4:])


def view_synthesis_metrics(
    target: Tensor,
    pred: Tensor,
    mask: Tensor,
    *,
    weights: Tensor | None = None,
    sampled: Tensor | None = None,
    median: bool = False,
) -> SphericalMetrics:
    """Compare maps (H, W) of range in metres.

    Args:
        mask: (H, W) bool, where the target is known.
        weights: (H, W) of the four errors, see
            :func:`~depth_perception.geometry.corner_grid.latitude_weights`.
        sampled: (H, W) bool, where the shares are counted, see :func:`spiral`; None is everywhere.
        median: scale the prediction by the medians of both maps.

    Raises:
        ValueError: no pixel is known.
    """
    if not mask.any():
        raise ValueError("no pixel is known")
    if median:
        pred = pred * (target.median() / pred.median())
    weights = torch.ones_like(target) if weights is None else weights
    counted = mask if sampled is None else mask & sampled
    target, pred = target.double(), pred.double()
    ratio = torch.maximum(target / pred, pred / target)[counted]
    target, pred, weights = target[mask], pred[mask], weights[mask].double()
    error = (target - pred).abs()
    means = [
        float((e * weights).mean())
        for e in (
            error / target,
            error.square() / target,
            error.square(),
            (target.log() - pred.log()).square(),
        )
    ]
    shares = [float((ratio < 1.25**k).double().mean()) for k in (1, 2, 3)]
    return SphericalMetrics(*means[:2], *map(math.sqrt, means[2:]), *shares)


def spiral(height: int, width: int, fraction: float) -> Tensor:
    """(H, W) bool, pixels that lie evenly on the sphere, about ``fraction`` of all.

    The generalised spiral of Rakhmanov, Saff and Zhou, "Minimizing Discrete Energy on the Sphere"
    (1994), without its last point and one pixel to the upper left, as the authors have it.
    """
    count = int(height * width * fraction)
    if count < 3:
        raise ValueError(f"{fraction} of {height} x {width} pixels are too few for a spiral")
    heights = -1 + 2 * torch.arange(count - 1, dtype=torch.float64) / (count - 1)
    step = 3.6 / math.sqrt(count) / (1 - heights.square()).clamp_min(1e-12).sqrt()
    step[0] = 0
    turn = torch.remainder(step.cumsum(0), 2 * math.pi)
    row = (torch.acos(heights) / math.pi * height).long() - 1
    column = (turn / (2 * math.pi) * width).long() - 1
    chosen = torch.zeros(height, width, dtype=torch.bool)
    chosen[row % height, column % width] = True
    return chosen


def _squares(target: Tensor, pred: Tensor) -> list[float]:
    """The seven numbers before the roots of the third and fourth."""
    target, pred = target.double(), pred.double()
    error = (target - pred).abs()
    positive = (pred > _LOG_FLOOR_M) & (target > _LOG_FLOOR_M)
    logs = (target[positive].log() - pred[positive].log()).square()
    ratio = torch.maximum(target / pred, pred / target)
    means = [(error / target).mean(), (error.square() / target).mean(), error.square().mean()]
    means.append(logs.mean())
    means += [(ratio < 1.25**k).double().mean() for k in (1, 2, 3)]
    return [float(m) for m in means]
