"""Agreement of known depths with a prediction, which shows whether both are of one scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..geometry import Camera, DepthKind
from ..geometry.rotations import axis_rotation
from ..prediction import Prediction
from .alignment import values_for
from .fits import FitError, FitModel, FitOptions, ScaleFit, fit_depth
from .reference import Reference

_SAMPLES = 600
_AXES = ("x (right)", "y (down)", "z (forward)")
_LOOSE = FitOptions(
    min_inlier_ratio=0.02, min_spread_ratio=0.0, max_sigma_ratio=1e9, max_residual_ratio=1e9
)


@dataclass(frozen=True)
class Turned:
    """The rotation of the known depths about the camera that agrees best.

    Attributes:
        agreement: fraction of them that agree with a fit after the rotation.
        text: the rotation in words, "" for none.
    """

    agreement: float
    text: str


def agreement(prediction: Prediction, reference: Reference, fit: ScaleFit, ratio: float) -> float:
    """Fraction of the known depths with a relative error of the fit below ``ratio``."""
    known = prediction.valid & torch.isfinite(reference.depth_m)
    truth = reference.depth_m[known]
    if truth.numel() == 0:
        return 0.0
    fitted = fit.depth_m(values_for(fit.model, prediction)[known])
    return float(((fitted / truth - 1).abs() < ratio).float().mean())  # NaN does not agree


def loose_agreement(
    prediction: Prediction, reference: Reference, model: FitModel, ratio: float
) -> float:
    """Fraction of the known depths that agree with the best fit, however poor; 0 without one."""
    known = prediction.valid & torch.isfinite(reference.depth_m)
    values = values_for(model, prediction)[known]
    return _fitted_share(values, reference.depth_m[known], model, ratio)


def best_turn(
    prediction: Prediction, reference: Reference, model: FitModel, ratio: float, angle: float
) -> Turned:
    """Try rotations of the known depths by ``angle`` in both directions about each camera axis.

    Each rotation has its own fit. With correct extrinsics all of them agree worse.
    """
    camera, values = prediction.camera, values_for(model, prediction)
    known = torch.nonzero(torch.isfinite(reference.depth_m))
    known = known[:: max(1, len(known) // _SAMPLES)]
    row, column = known.unbind(-1)
    rays = camera.rays(device=values.device)
    depth, seen = reference.depth_m[row, column], rays[row, column]
    range_m = depth if prediction.kind is DepthKind.RANGE else depth / seen[:, 2]
    best = Turned(0.0, "")
    for axis in range(3):
        for side in (-1, 1):
            matrix = axis_rotation(axis, side * angle).to(seen)
            points = (seen * range_m[:, None]) @ matrix.T
            share = _share(camera, points, range_m, prediction, values, model, ratio)
            if share > best.agreement:
                text = f"{math.degrees(side * angle):+.0f} degrees about {_AXES[axis]}"
                best = Turned(share, text)
    return best


def _share(
    camera: Camera,
    points: Tensor,
    range_m: Tensor,
    prediction: Prediction,
    values: Tensor,
    model: FitModel,
    ratio: float,
) -> float:
    u, v = camera.project(points)
    inside = (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
    column, row = u[inside].long(), v[inside].long()
    depth = range_m[inside] if prediction.kind is DepthKind.RANGE else points[inside, 2]
    valid = prediction.valid[row, column]
    x, truth = values[row, column][valid], depth[valid]
    if truth.numel() < len(points) // 2:
        return 0.0  # mostly outside the image: nothing to compare
    return _fitted_share(x, truth, model, ratio)


def _fitted_share(x: Tensor, truth: Tensor, model: FitModel, ratio: float) -> float:
    try:
        fit = fit_depth(x, truth, model, options=_LOOSE)
    except FitError:
        return 0.0
    return float(((fit.depth_m(x) / truth - 1).abs() < ratio).float().mean())
