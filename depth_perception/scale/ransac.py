"""The alignment of Pixel-Perfect Depth's scripts, for comparison with published numbers.

Fits a line in log(depth + 1) by RANSAC (Fischler and Bolles, "Random Sample Consensus", 1981) with
the rules of scikit-learn's RANSACRegressor. :func:`~depth_perception.scale.fit_depth` is the
better choice elsewhere: it does not depend on draws and refuses what deserves no trust.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_LEAST_DEPTH_M = 1e-3


@dataclass(frozen=True)
class RansacFit:
    """ln(depth + 1) = slope * value + intercept, and the share of samples that agree."""

    slope: float
    intercept: float
    inlier_ratio: float


def fit_ransac(
    values: Tensor, depth_m: Tensor, mask: Tensor, *, seed: int = 0, max_trials: int = 1000
) -> RansacFit:
    """Fit relative depth to metres where ``mask`` is true; tensors of one shape.

    A sample agrees if it is off by no more than the median absolute deviation of ln(depth + 1).
    The line with most agreement wins, then the one that explains it better.

    Raises:
        ValueError: fewer than two samples, or no two of them agree with any line.
    """
    x, y = (t[mask].double().cpu().numpy() for t in (values, depth_m.log1p()))
    if x.size < 2:
        raise ValueError(f"{x.size} samples do not determine a line")
    threshold = np.median(np.abs(y - np.median(y)))
    generator = np.random.default_rng(seed)
    best, best_count, best_score, needed = None, 1, -math.inf, float(max_trials)
    trial = 0
    while trial < needed:
        trial += 1
        pair = generator.choice(x.size, 2, replace=False)
        slope, intercept = _line(x[pair], y[pair])
        inlier = np.abs(slope * x + intercept - y) <= threshold
        count = int(inlier.sum())
        if count < best_count:
            continue
        score = _explained(slope * x[inlier] + intercept, y[inlier])
        if count == best_count and score < best_score:
            continue
        best, best_count, best_score = inlier, count, score
        needed = min(needed, _trials_needed(count / x.size))
    if best is None:
        raise ValueError(f"no two of {x.size} samples agree with any line")
    slope, intercept = _line(x[best], y[best])
    return RansacFit(slope, intercept, best_count / x.size)


def apply_ransac(fit: RansacFit, values: Tensor, depth_m: Tensor, mask: Tensor) -> Tensor:
    """Metres of ``values``, at most the largest depth in the mask.

    With a slope that is not positive, the values are scaled to the mean of ln(depth + 1) instead.
    """
    if fit.slope > 0:
        linear = fit.slope * values + fit.intercept
    else:
        linear = values * (depth_m[mask].log1p().mean() / values[mask].mean())
    return torch.minimum(linear.expm1(), depth_m[mask].max()).clamp_min(_LEAST_DEPTH_M)


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Least squares; a slope of 0 where all x are equal."""
    deviation = x - x.mean()
    square = float(deviation @ deviation)
    slope = float(deviation @ (y - y.mean())) / square if square > 0 else 0.0
    return slope, float(y.mean() - slope * x.mean())


def _explained(fitted: np.ndarray, y: np.ndarray) -> float:
    total = float(((y - y.mean()) ** 2).sum())
    error = float(((y - fitted) ** 2).sum())
    if total == 0:
        return 1.0 if error == 0 else 0.0
    return 1 - error / total


def _trials_needed(inlier_ratio: float, confidence: float = 0.99) -> float:
    failure = 1 - inlier_ratio**2
    if failure <= 0:
        return 0.0
    return math.inf if failure >= 1 else math.ceil(math.log(1 - confidence) / math.log(failure))
