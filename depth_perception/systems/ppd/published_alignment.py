"""The alignment of Pixel-Perfect Depth's scripts, for comparison with published numbers.

Fits a line in log(depth + 1) by RANSAC (Fischler and Bolles, "Random Sample Consensus", 1981) with
the rules of scikit-learn's RANSACRegressor. :func:`~depth_perception.scale.fit_depth` is the
better choice elsewhere: it does not depend on draws and rejects unreliable fits.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...scale.fits import FitModel, ScaleFit

_LEAST_DEPTH_M = 1e-3


def fit_ransac(
    values: Tensor, depth_m: Tensor, mask: Tensor, *, seed: int = 0, max_trials: int = 1000
) -> ScaleFit:
    """Fit relative depth to metres where ``mask`` is true; tensors of one shape.

    A sample agrees if it is off by no more than the median absolute deviation of ln(depth + 1).
    The line with most agreement wins, then the one that explains it better. The sigmas are those
    of least squares through the samples that agree. The scale may be negative.

    Raises:
        ValueError: fewer than two samples, or no two of them agree with any line.
    """
    x, y = (t[mask].cpu().double().numpy() for t in (values, depth_m.log1p()))
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
    return _summary(x[best], y[best], x.size)


def apply_ransac(fit: ScaleFit, values: Tensor, depth_m: Tensor, mask: Tensor) -> Tensor:
    """Metres of ``values``, at most the largest depth in the mask.

    With a scale that is not positive, the values are scaled to the mean of ln(depth + 1) instead.
    """
    if fit.scale > 0:
        linear = fit.scale * values + fit.shift
    else:
        linear = values * (depth_m[mask].log1p().mean() / values[mask].mean())
    return torch.minimum(linear.expm1(), depth_m[mask].max()).clamp_min(_LEAST_DEPTH_M)


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Least squares; a slope of 0 where all x are equal."""
    deviation = x - x.mean()
    square = float(deviation @ deviation)
    slope = float(deviation @ (y - y.mean())) / square if square > 0 else 0.0
    return slope, float(y.mean() - slope * x.mean())


def _summary(x: np.ndarray, y: np.ndarray, samples: int) -> ScaleFit:
    """The line through the samples that agree, of ``samples`` in all."""
    scale, shift = _line(x, y)
    fitted, mean = scale * x + shift, float(x.mean())
    variance = float(((fitted - y) ** 2).sum()) / max(1, x.size - 2)
    square = float(((x - mean) ** 2).sum())
    of_scale = variance / square if square > 0 else math.inf
    depth = np.expm1(y)
    error = np.expm1(fitted) - depth
    ratio = error / np.maximum(depth, _LEAST_DEPTH_M)
    return ScaleFit(
        model=FitModel.LOG1P_DEPTH,
        scale=scale,
        shift=shift,
        scale_sigma=math.sqrt(of_scale),
        shift_sigma=math.sqrt(variance / x.size + (mean**2 * of_scale if mean else 0.0)),
        residual_m=float(np.sqrt((error**2).mean())),
        residual_ratio=float(np.sqrt((ratio**2).mean())),
        inliers=int(x.size),
        samples=int(samples),
    )


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
