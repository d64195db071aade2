"""Another model that predicts metres (MoGe-2, ScaleDepth, ...) as reference."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ...geometry import Camera, DepthKind
from ...prediction import Prediction
from ..reference import Reference, SourceError

Predictor = Callable[[Tensor, Camera], Prediction]
"""From an image (H, W, 3) uint8 RGB and its camera to a prediction, as any estimator."""


def model_reference(
    prediction: Prediction,
    other: Prediction,
    *,
    to_other: Tensor | None = None,
    sigma_ratio: float = 0.1,
) -> Reference:
    """Known depths from a metric prediction of the same time and camera centre.

    Args:
        prediction: of any space, scale and camera.
        other: metric, of any camera, such as a pinhole view of a part of a panorama.
        to_other: (3, 3) rotation from the optical frame of ``prediction`` to that of ``other``;
            None: they are the same.
        sigma_ratio: standard deviation of the other model, relative to depth.

    Raises:
        SourceError: the other prediction is not metric, or does not overlap with this one.
        ValueError: ``sigma_ratio`` is negative.
    """
    if not other.is_metric:
        raise SourceError(
            "the reference model is not metric" + (f": {other.note}"[:200] if other.note else "")
        )
    if not sigma_ratio >= 0:
        raise ValueError(f"sigma_ratio must not be negative, got {sigma_ratio}")
    device = prediction.values.device
    rays = prediction.camera.rays(device=device)
    u, v = other.camera.project(rays if to_other is None else rays @ to_other.to(rays).T)
    depth = torch.where(other.valid, other.depth, torch.nan).to(device)
    depth = other.camera.convert(depth, other.kind, DepthKind.RANGE)
    inside = (u >= 0) & (u < other.camera.width) & (v >= 0) & (v < other.camera.height)
    grid = torch.stack((u / other.camera.width, v / other.camera.height), -1) * 2 - 1
    grid = torch.where(inside[..., None], grid, 0.0)
    # nearest: interpolation would make points between two surfaces
    sampled = functional.grid_sample(
        depth[None, None], grid[None], mode="nearest", padding_mode="border", align_corners=False
    )[0, 0]
    range_m = torch.where(inside & (sampled > 0), sampled, torch.nan)
    if not bool(torch.isfinite(range_m).any()):
        raise SourceError("the reference model does not overlap with this image")
    depth_m = prediction.camera.convert(range_m, DepthKind.RANGE, prediction.kind)
    return Reference(depth_m, sigma_ratio * depth_m, "reference")


def predicted_reference(
    prediction: Prediction, image: Tensor, other: Predictor, *, sigma_ratio: float = 0.1
) -> Reference:
    """:func:`model_reference` with a model that is run on the image, with the same camera.

    Raises:
        SourceError, ValueError: as :func:`model_reference`.
    """
    camera = prediction.camera.resize(*image.shape[:2])
    return model_reference(prediction, other(image, camera), sigma_ratio=sigma_ratio)
