"""The protocols of OmniDepth and SphericalViewSynthesis, to compare with their tables.

For new comparisons use :class:`.plain.PlainProtocol` with ``solid_angle`` and an alignment: it
counts a negative prediction as wrong, divides by the sum of the weights, and weighs the shares of
right pixels too. The published programs do none of this:

* OmniDepth (Zioulis et al., ECCV 2018, and meder411/OmniDepth-PyTorch) averages images by their
  number of known pixels and leaves predictions at or below 0 out of the log error only.
* SphericalViewSynthesis (Zioulis et al., 3DV 2019) weighs errors by latitude but divides by the
  number of pixels, and its medians are of all pixels, known or not.

Both return the metrics abs_rel, sq_rel, rmse, rmse_log (natural logarithms), d1, d2 and d3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..geometry.projections import latitude_weights
from .loop import EvaluationProtocol, Sample, Values
from .metrics import Metrics
from .plain import range_sample

_LOG_FLOOR_M = 1e-7
_NAMES = ("abs_rel", "sq_rel", "rmse", "rmse_log", "d1", "d2", "d3")


@dataclass(frozen=True)
class OmniDepthProtocol(EvaluationProtocol):
    """Each prediction is scaled by the medians of the known pixels, those up to ``max_depth_m``."""

    max_depth_m: float

    def sample(self, frame: Any) -> Sample:
        return range_sample(frame, self.max_depth_m)

    def score(self, prediction: Values, sample: Sample) -> tuple[int, list[float]]:
        """Number of known pixels, and the seven means before the roots."""
        known, pred = sample.ground_truth[sample.mask], prediction.values[sample.mask]
        return known.numel(), mean_squares(known, pred * (known.median() / pred.median()))

    def mean(self, scores: Sequence[tuple[int, list[float]]]) -> Metrics:
        """Mean weighed by the known pixels; roots are taken of the averaged squares."""
        total = torch.zeros(len(_NAMES), dtype=torch.float64)
        for pixels, squares in scores:
            total += pixels * torch.tensor(squares, dtype=torch.float64)
        return _rooted((total / sum(pixels for pixels, _ in scores)).tolist())


@dataclass(frozen=True)
class ViewSynthesisProtocol(EvaluationProtocol):
    """Errors up to ``max_depth_m`` weighed by latitude, see :func:`view_synthesis_metrics`;
    plain mean over the frames. If ``median``, each prediction is scaled by the medians."""

    max_depth_m: float
    median: bool = True

    def sample(self, frame: Any) -> Sample:
        return range_sample(frame, self.max_depth_m)

    def score(self, prediction: Values, sample: Sample) -> Metrics:
        target = torch.where(sample.mask, sample.ground_truth, 0)
        height, width = target.shape
        if width != 2 * height:
            raise ValueError(f"panoramas must be twice as wide as high, got {width} x {height}")
        weights = latitude_weights(width).to(target)
        return view_synthesis_metrics(
            target, prediction.values, sample.mask, weights=weights, median=self.median
        )


def view_synthesis_metrics(
    target: Tensor,
    pred: Tensor,
    mask: Tensor,
    *,
    weights: Tensor | None = None,
    sampled: Tensor | None = None,
    median: bool = False,
) -> Metrics:
    """Compare maps (H, W) of range in metres.

    Args:
        mask: (H, W) bool, where the target is known.
        weights: (H, W) of the four errors, see
            :func:`~depth_perception.geometry.projections.latitude_weights`.
        sampled: (H, W) bool, pixels of which the shares are; None takes all. The authors take
            pixels on a spiral.
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
    logs = (target.log() - pred.log()).square()
    errors = (error / target, error.square() / target, error.square(), logs)
    means = [float((e * weights).mean()) for e in errors]
    return _rooted(means + [float((ratio < 1.25**k).double().mean()) for k in (1, 2, 3)])


def mean_squares(target: Tensor, pred: Tensor) -> list[float]:
    """OmniDepth's seven numbers of flat vectors (N,), the root mean squares before their roots.

    The prediction may be negative.
    """
    target, pred = target.double(), pred.double()
    error = (target - pred).abs()
    positive = (pred > _LOG_FLOOR_M) & (target > _LOG_FLOOR_M)
    logs = (target[positive].log() - pred[positive].log()).square()
    ratio = torch.maximum(target / pred, pred / target)
    means = [(error / target).mean(), (error.square() / target).mean(), error.square().mean()]
    means.append(logs.mean())
    means += [(ratio < 1.25**k).double().mean() for k in (1, 2, 3)]
    return [float(m) for m in means]


def _rooted(means: list[float]) -> Metrics:
    values = (*means[:2], *map(math.sqrt, means[2:4]), *means[4:])
    return dict(zip(_NAMES, values, strict=True))
