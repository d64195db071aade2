"""How far a depth map is from the truth, in nine numbers, and the mean of them over images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields

import torch
from torch import Tensor

_FLOOR_M = 1e-3  # what a prediction at or below zero is raised to in strict mode


@dataclass(frozen=True)
class DepthMetrics:
    """The nine numbers of PanDA and most panoramic papers.

    Attributes:
        mae: mean absolute error, metres. abs_rel: the same relative to the truth.
        sq_rel: mean squared error relative to the truth, metres. rms: root mean square, metres.
        log_rms: root mean square of the base-10 log ratio. log10: mean absolute log ratio.
        a1, a2, a3: share of pixels whose ratio to the truth is below 1.25, 1.25^2, 1.25^3.
    """

    mae: float
    abs_rel: float
    sq_rel: float
    rms: float
    log_rms: float
    log10: float
    a1: float
    a2: float
    a3: float


@dataclass(frozen=True)
class Dav2Metrics:
    """The nine numbers of Depth Anything V2: natural logarithms, ``silog`` with lambda 0.5."""

    d1: float
    d2: float
    d3: float
    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    log10: float
    silog: float


def depth_metrics(
    target: Tensor, pred: Tensor, weights: Tensor | None = None, strict: bool = True
) -> DepthMetrics:
    """Compare flat vectors of true and predicted depth.

    Args:
        target: (N,) positive depth, metres. pred: (N,) depth in the same unit.
        weights: (N,) weight of each pixel, for example its solid angle; None counts all alike.
        strict: a prediction at or below zero is wrong in a1..a3 and is raised to a millimetre in
            the log numbers. Otherwise, as in the original code, it counts as right and the log
            numbers become NaN.

    Raises:
        ValueError: no pixels, or shapes differ.
    """
    if target.numel() == 0 or target.shape != pred.shape:
        raise ValueError(f"cannot compare {tuple(pred.shape)} with truth {tuple(target.shape)}")
    target, pred = target.double(), pred.double()
    share = torch.full_like(target, 1 / target.numel()) if weights is None else weights.double()
    share = share / share.sum()
    error = (target - pred).abs()
    ratio = torch.maximum(target / pred, pred / target)
    if strict:
        ratio = torch.where(pred > 0, ratio, torch.inf)
        pred = pred.clamp_min(_FLOOR_M)
    log_error = (pred.log10() - target.log10()).abs()
    numbers = (
        error,
        error / target,
        error.square() / target,
        error.square(),
        log_error.square(),
        log_error,
        *(ratio < 1.25**k for k in (1, 2, 3)),
    )
    means = [float((n * share).sum()) for n in numbers]
    means[3], means[4] = means[3] ** 0.5, means[4] ** 0.5
    return DepthMetrics(*means)


def metrics_dav2(target: Tensor, pred: Tensor) -> Dav2Metrics:
    """Compare flat vectors (N,) of positive depth, metres, as Depth Anything V2 does."""
    target, pred = target.double(), pred.double()
    ratio = torch.maximum(target / pred, pred / target)
    error, log_error = pred - target, pred.log() - target.log()
    return Dav2Metrics(
        *(float((ratio < 1.25**k).double().mean()) for k in (1, 2, 3)),
        float((error.abs() / target).mean()),
        float((error.square() / target).mean()),
        float(error.square().mean().sqrt()),
        float(log_error.square().mean().sqrt()),
        float((pred.log10() - target.log10()).abs().mean()),
        float((log_error.square().mean() - 0.5 * log_error.mean().square()).sqrt()),
    )


class MetricMean:
    """Plain mean of :class:`DepthMetrics` over images, without keeping them."""

    def __init__(self) -> None:
        self.count = 0
        self._sums = [0.0] * len(fields(DepthMetrics))

    def add(self, metrics: DepthMetrics) -> None:
        """Count one image."""
        self.count += 1
        self._sums = [s + v for s, v in zip(self._sums, astuple(metrics), strict=True)]

    def mean(self) -> DepthMetrics:
        """The mean of what was added.

        Raises:
            ValueError: nothing was added.
        """
        if self.count == 0:
            raise ValueError("no image had a pixel with truth")
        return DepthMetrics(*(s / self.count for s in self._sums))


def metric_names() -> Iterator[str]:
    """Names of the nine numbers in order."""
    return (f.name for f in fields(DepthMetrics))
