"""The numbers of Pixel-Perfect Depth's benchmarks: relative depth, aligned to the truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..systems.ppd.published_alignment import apply_ransac, fit_ransac

_TINY = 1e-5
_LEAST_TRUTH_M = 1e-3


@dataclass(frozen=True)
class RelativeMetrics:
    """Shares of pixels whose ratio to the truth is below 1.25 to the power of 0.5, 1, 2, 3, and
    the mean absolute error relative to the truth."""

    d0_5: float
    d1: float
    d2: float
    d3: float
    abs_rel: float


def relative_metrics(depth_m: Tensor, truth_m: Tensor, mask: Tensor) -> RelativeMetrics:
    """Compare metric depth with the truth where ``mask`` is true; tensors of one shape.

    Raises:
        ValueError: no pixel is in the mask.
    """
    depth, truth = depth_m[mask].double(), truth_m[mask].double()
    if depth.numel() == 0:
        raise ValueError("no pixel has truth to compare with")
    ratio = torch.maximum(truth / (depth + _TINY), depth / (truth + _TINY))
    shares = [float((ratio < 1.25**power).double().mean()) for power in (0.5, 1, 2, 3)]
    return RelativeMetrics(*shares, float(((truth - depth).abs() / (truth + _TINY)).mean()))


def aligned_metrics(
    values: Tensor, truth_m: Tensor, mask: Tensor, *, seed: int = 0
) -> RelativeMetrics:
    """Compare relative depth with the truth after the published alignment in log(depth + 1).

    Args:
        values: relative depth.
        truth_m: metres, of the same shape, 0 where unknown.
        mask: bool, the pixels of the benchmark.
        seed: of the draws of the alignment.

    Raises:
        ValueError: too few pixels to align.
    """
    known = mask & (truth_m > _LEAST_TRUTH_M)
    fit = fit_ransac(values, truth_m, known, seed=seed)
    return relative_metrics(apply_ransac(fit, values, truth_m, known), truth_m, known)
