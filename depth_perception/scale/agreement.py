"""Agreement of known depths with a prediction, which shows whether both are of one scene."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from ..geometry import DepthKind
from ..geometry.rotations import axis_rotation
from ..prediction import Prediction
from .alignment import values_for
from .fits import FitError, FitModel, FitOptions, ScaleFit, fit_depth
from .reference import Reference

_SAMPLES = 600
_BETTER, _ERRORS = 0.05, 3.0  # fraction, and standard errors, by which a rotation must be better
_AXES = ("x (right)", "y (down)", "z (forward)")
_LOOSE = FitOptions(
    min_inlier_ratio=0.02, min_spread_ratio=0.0, max_sigma_ratio=1e9, max_residual_ratio=1e9
)


def agreement(prediction: Prediction, reference: Reference, fit: ScaleFit, ratio: float) -> float:
    """Fraction of the known depths with a relative error of the fit below ``ratio``."""
    known = prediction.valid & torch.isfinite(reference.depth_m)
    depth = reference.depth_m[known]
    if depth.numel() == 0:
        return 0.0
    return _share(fit, values_for(fit.model, prediction)[known], depth, ratio)


def loose_agreement(
    prediction: Prediction, reference: Reference, model: FitModel, ratio: float
) -> float:
    """Fraction of the known depths that agree with the best fit, however poor; 0 without one."""
    known = prediction.valid & torch.isfinite(reference.depth_m)
    return _fitted_share(
        values_for(model, prediction)[known], reference.depth_m[known], model, ratio
    )


def best_turn(
    prediction: Prediction, reference: Reference, model: FitModel, ratio: float, angle: float
) -> tuple[float, str]:
    """Rotate the known depths by ``angle`` in both directions about each camera axis.

    Each rotation has its own fit. With correct extrinsics all of them agree worse. A rotation only
    counts if the points that it leaves in the image agree clearly better than the same points do
    without it: points on easy surfaces, such as the ground, agree well after many rotations.
    Returns the fraction that agrees after the best rotation, and that rotation in words, "" for
    none.
    """
    camera, is_range = prediction.camera, prediction.kind is DepthKind.RANGE
    values = values_for(model, prediction)
    known = torch.nonzero(torch.isfinite(reference.depth_m))
    row, column = known[:: max(1, len(known) // _SAMPLES)].unbind(-1)
    depth, seen = reference.depth_m[row, column], camera.rays(device=values.device)[row, column]
    range_m = depth if is_range else depth / seen[:, 2]
    agrees = _agreeing(values[row, column], depth, prediction.valid[row, column], model, ratio)
    best = 0.0, ""
    for axis, turn in product(range(3), (-angle, angle)):
        points = (seen * range_m[:, None]) @ axis_rotation(axis, turn).to(seen).T
        u, v = camera.project(points)
        inside = (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
        column, row = u[inside].long(), v[inside].long()
        valid = prediction.valid[row, column]
        depth = (range_m if is_range else points[:, 2])[inside][valid]
        if depth.numel() < max(1, len(points) // 2):
            continue  # mostly outside the image: nothing to compare
        share = _fitted_share(values[row, column][valid], depth, model, ratio)
        before = float(agrees[inside][valid].float().mean())
        error = math.sqrt((share * (1 - share) + before * (1 - before)) / depth.numel())
        if share > max(best[0], before + max(_BETTER, _ERRORS * error)):
            best = share, f"{math.degrees(turn):+.0f} degrees about {_AXES[axis]}"
    return best


def _agreeing(x: Tensor, depth: Tensor, valid: Tensor, model: FitModel, ratio: float) -> Tensor:
    """(N,) bool: known depths that agree with the best fit of the valid ones, however poor."""
    try:
        fit = fit_depth(x[valid], depth[valid], model, options=_LOOSE)
    except FitError:
        return torch.zeros_like(valid)
    return valid & ((fit.depth_m(x) / depth - 1).abs() < ratio)


def _fitted_share(x: Tensor, depth: Tensor, model: FitModel, ratio: float) -> float:
    try:
        return _share(fit_depth(x, depth, model, options=_LOOSE), x, depth, ratio)
    except FitError:
        return 0.0


def _share(fit: ScaleFit, x: Tensor, depth: Tensor, ratio: float) -> float:
    return float(((fit.depth_m(x) / depth - 1).abs() < ratio).float().mean())  # NaN disagrees
