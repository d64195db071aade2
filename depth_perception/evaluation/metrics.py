"""Metrics of depth maps: mappings from the names in :data:`TITLES` to numbers.

Names in more than one set of metrics mean the same but for details, which the functions state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Metrics = Mapping[str, float]

TITLES: Mapping[str, str] = {
    "mae": "MAE m",
    "abs_rel": "AbsRel",
    "sq_rel": "SqRel m",
    "rms": "RMSE m",
    "rmse": "RMSE m",
    "log_rms": "RMSE log10",
    "rmse_log": "RMSE ln",
    "log10": "log10",
    "silog": "SILog",
    "d0_5": "δ<1.25^½",
    **{f"{letter}1": "δ<1.25" for letter in "ad"},
    **{f"{letter}2": "δ<1.25²" for letter in "ad"},
    **{f"{letter}3": "δ<1.25³" for letter in "ad"},
}
"""Titles of the metrics in tables, in the order of the columns.

``mae`` is the mean absolute error in metres, ``abs_rel`` the same relative to the ground truth,
``sq_rel`` the mean squared error relative to it, ``rms`` or ``rmse`` the root mean square error.
``log_rms`` (base 10) and ``rmse_log`` (natural) are root mean squares of the log error, ``log10``
is its mean absolute value, ``silog`` its standard deviation (natural) times 100. ``d0_5`` to ``d3``
or ``a1`` to ``a3`` are shares of pixels whose ratio to the ground truth is below 1.25 to the power
of 0.5, 1, 2 and 3.
"""

_FLOOR_M = 1e-3  # what a prediction at or below zero is raised to in strict mode


def depth_metrics(
    target: Tensor, pred: Tensor, weights: Tensor | None = None, strict: bool = True
) -> Metrics:
    """The nine metrics of PanDA and of most panoramic papers: mae to a3.

    Args:
        target: (N,) positive depth, metres. pred: (N,) depth in the same unit.
        weights: (N,) weight of each pixel, for example its solid angle; None weighs all alike.
        strict: a prediction at or below zero is wrong in a1..a3 and is raised to a millimetre in
            the logarithms. Otherwise, as in the original code, it counts as right and the
            logarithms become NaN.

    Raises:
        ValueError: there are no pixels, or shapes differ.
    """
    _check(target, pred)
    target, pred = target.double(), pred.double()
    share = torch.full_like(target, 1 / target.numel()) if weights is None else weights.double()
    share = share / share.sum()
    error = (target - pred).abs()
    ratio = torch.maximum(target / pred, pred / target)
    if strict:
        ratio = torch.where(pred > 0, ratio, torch.inf)
        pred = pred.clamp_min(_FLOOR_M)
    log_error = (pred.log10() - target.log10()).abs()
    terms = {
        "mae": error,
        "abs_rel": error / target,
        "sq_rel": error.square() / target,
        "rms": error.square(),
        "log_rms": log_error.square(),
        "log10": log_error,
        **{f"a{k}": ratio < 1.25**k for k in (1, 2, 3)},
    }
    means = {name: float((term * share).sum()) for name, term in terms.items()}
    return means | {name: means[name] ** 0.5 for name in ("rms", "log_rms")}


def photo_metrics(depth_m: Tensor, ground_truth_m: Tensor) -> Metrics:
    """The ten metrics of pinhole depth (N,), positive, in metres, since Eigen et al.: d0_5 to
    silog. Raises ValueError: there are no pixels, or shapes differ."""
    _check(ground_truth_m, depth_m)
    depth, target = depth_m.double(), ground_truth_m.double()
    ratio = torch.maximum(target / depth, depth / target)
    error, logs = depth - target, depth.log() - target.log()
    numbers = {
        "d0_5": (ratio < 1.25**0.5).double().mean(),
        **{f"d{power}": (ratio < 1.25**power).double().mean() for power in (1, 2, 3)},
        "abs_rel": (error.abs() / target).mean(),
        "sq_rel": (error.square() / target).mean(),
        "rmse": error.square().mean().sqrt(),
        "rmse_log": logs.square().mean().sqrt(),
        "log10": (depth.log10() - target.log10()).abs().mean(),
        "silog": 100 * (logs.square().mean() - logs.mean().square()).clamp_min(0).sqrt(),
    }
    return dict(zip(numbers, torch.stack([*numbers.values()]).tolist(), strict=True))


def mean_of(rows: Sequence[Metrics]) -> Metrics:
    """Plain mean over images. Raises ValueError: there are no rows."""
    if not rows:
        raise ValueError("no image has a pixel with ground truth")
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def tensor_mean_of(rows: Sequence[Metrics]) -> Metrics:
    """Mean over images in PyTorch's order of summation; it differs from :func:`mean_of` in the
    last bits. The published evaluation code of ScaleDepth sums so."""
    table = torch.tensor([[*row.values()] for row in rows], dtype=torch.float64)
    return dict(zip(rows[0], table.mean(0).tolist(), strict=True))


def _check(target: Tensor, pred: Tensor) -> None:
    if target.numel() == 0 or target.shape != pred.shape:
        shapes = f"{tuple(pred.shape)} with ground truth {tuple(target.shape)}"
        raise ValueError(f"cannot compare a prediction of shape {shapes}")
