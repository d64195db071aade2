"""Fits of whole predictions: from relative depth to metres."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..prediction import AffineInvariantError, DepthSpace, Prediction, ScaleKind
from .fits import FitModel, FitOptions, ScaleFit, fit_depth


def default_model(prediction: Prediction) -> FitModel:
    """The fit that recovers what a prediction lacks."""
    if prediction.scale is ScaleKind.AFFINE_INVARIANT:
        return FitModel.affine_in(prediction.space)
    return FitModel.SCALE


def fit_prediction(
    prediction: Prediction,
    depth_m: Tensor,
    *,
    model: FitModel | None = None,
    weights: Tensor | None = None,
    block_px: int = 0,
    options: FitOptions | None = None,
) -> ScaleFit:
    """Fit a prediction to known depths.

    Args:
        prediction: of any space and scale.
        depth_m: (H, W) metres on the grid of the prediction, of its kind (range or z-depth), not
            finite or not positive where unknown; moved to its device.
        model: None takes :func:`default_model`.
        weights: (H, W) weight of each pixel of ``depth_m``.
        block_px: side of the squares, in pixels, within which errors of the model are correlated,
            for the sigmas; 0: all pixels are independent.
        options: see :class:`FitOptions`.

    Raises:
        AffineInvariantError: ``model`` does not recover what the prediction lacks.
        ValueError, FitError: as :func:`fit_depth`.
    """
    model = default_model(prediction) if model is None else FitModel(model)
    device = prediction.values.device
    truth = torch.where(prediction.valid, depth_m.to(device), 0.0)
    weights = None if weights is None else weights.to(device)
    groups = None if block_px < 1 else blocks(*truth.shape, block_px, device)
    values = values_for(model, prediction)
    return fit_depth(values, truth, model, weights=weights, groups=groups, options=options)


def apply_fit(
    prediction: Prediction, fit: ScaleFit, *, max_depth_m: float | None = None
) -> Prediction:
    """The prediction in metres of depth; pixels without a depth above 0 become invalid.

    ``max_depth_m`` also makes farther pixels invalid: where inverse depth is close to 0, small
    errors give very large depths.

    Raises:
        AffineInvariantError: the model of the fit does not recover what the prediction lacks.
    """
    depth = fit.depth_m(values_for(fit.model, prediction))
    valid = prediction.valid & torch.isfinite(depth)
    if max_depth_m is not None:
        valid = valid & (depth <= max_depth_m)
    scene = None  # with a shift, depth is no longer relative to the size of the scene
    if prediction.scene is not None and not fit.model.has_shift:
        metres = prediction.scene.scale_m * fit.scale
        scene = replace(prediction.scene, scale_m=metres, is_at_floor=False)
    meaning = {"space": DepthSpace.DEPTH, "scale": ScaleKind.METRIC, "fit": fit, "note": ""}
    return replace(prediction, values=depth, valid=valid, scene=scene, **meaning)


def blocks(height: int, width: int, size_px: int, device: torch.device | str) -> Tensor:
    """(height, width) int64 number of the square of ``size_px`` pixels that each pixel is in."""
    row = torch.arange(height, device=device)[:, None] // size_px
    column = torch.arange(width, device=device)[None] // size_px
    return row * (-(-width // size_px)) + column


def values_for(model: FitModel, prediction: Prediction) -> Tensor:
    """The values that the line of ``model`` is fitted to, from a prediction of any space."""
    if prediction.scale is ScaleKind.AFFINE_INVARIANT:
        fitting = FitModel.affine_in(prediction.space)
        if model is not fitting:
            raise AffineInvariantError(
                f"{prediction.space.value} with unknown scale and shift needs a fit of model "
                f"{fitting.value!r}, got {model.value!r}"
            )
        return prediction.values
    return model.space.from_depth(prediction.depth)
