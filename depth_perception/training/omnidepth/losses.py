"""Losses of OmniDepth on the range of panoramas, with corrections.

Zioulis et al., "OmniDepth: Dense Depth Estimation for Indoors Spherical Panoramas" (ECCV 2018),
sec. 4.2. In the published program the mask of the squared error cancels out, so that a network
learns zeros where the ground truth is unknown, and differences at the image border are taken with
zeros. Here only known pixels are used, weighted by solid angle, and differences go across the seam;
without ``masked``, ``solid_angle`` and ``wraps`` the values are those of the original.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...geometry import Equirectangular
from ..blindspot.photometric import weighted_mean

_LEAST_M = 0.1  # below, the logarithm is continued by its tangent


@dataclass(frozen=True)
class MultiScaleOptions:
    """Terms of the loss over the scales, finest first.

    Attributes:
        error: weight of the squared error of each scale.
        gradient: weight of the prediction's gradient of each scale.
        masked: only known pixels are used in the error.
        solid_angle: pixels are weighted by solid angle.
        wraps: differences go across the seam and repeat the outermost rows; else pad with zeros.
        relative: absolute difference of logarithms, so that relative errors have the same weight
            near and far. Below 0.1 m the logarithm is continued by its tangent, to keep a
            gradient.
    """

    error: tuple[float, ...]
    gradient: tuple[float, ...]
    masked: bool = True
    solid_angle: bool = True
    wraps: bool = True
    relative: bool = False

    def __post_init__(self) -> None:
        if not self.error or len(self.error) != len(self.gradient):
            raise ValueError(
                f"error and gradient need one weight for each scale, got {self.error} and "
                f"{self.gradient}"
            )
        if min(*self.error, *self.gradient) < 0:
            raise ValueError(f"weights must not be negative: {self.error}, {self.gradient}")
        if self.relative and not self.masked:
            raise ValueError("relative needs masked: unknown pixels have no logarithm")


RECTNET_LOSS = MultiScaleOptions((0.535, 0.272), (0.134, 0.068))
URESNET_LOSS = MultiScaleOptions((0.445, 0.275, 0.13), (0.15, 0.0, 0.0))


def multi_scale_loss(
    predictions: Sequence[Tensor], target: Tensor, mask: Tensor, options: MultiScaleOptions
) -> Tensor:
    """Weighted sum of :func:`squared_error` and :func:`gradient_size` over the scales; with
    ``options.relative``, absolute error and gradient of logarithms.

    Predictions are (B, 1, H / 2^i, W / 2^i) metres, finest first. Target and its known pixels
    are (B, 1, H, W); coarser scales take every second pixel. Raises ValueError: more or fewer
    scales than weights.
    """
    if len(predictions) != len(options.error):
        raise ValueError(
            f"the loss has weights for {len(options.error)} scales, got {len(predictions)}"
        )
    total = target.new_zeros(())
    terms = zip(predictions, options.error, options.gradient, strict=True)
    for scale, (prediction, error, gradient) in enumerate(terms):
        known = mask[..., :: 2**scale, :: 2**scale]
        coarse = target[..., :: 2**scale, :: 2**scale]
        if options.relative:
            prediction, coarse = _logarithm(prediction), torch.where(known, coarse, 1).log()
            difference = torch.where(known, (prediction - coarse).abs(), 0)
            weights = _weights(known, prediction, options)
            total = total + error * weighted_mean(difference, weights)
        else:
            total = total + error * squared_error(coarse, prediction, known, options)
        if gradient:
            total = total + gradient * gradient_size(prediction, known, options)
    return total


def squared_error(target: Tensor, pred: Tensor, mask: Tensor, options: MultiScaleOptions) -> Tensor:
    """Mean squared error; unless ``masked``, unknown pixels have a target of 0."""
    error = (pred - torch.where(mask, target, 0)).square()
    if options.masked:
        error = torch.where(mask, error, 0)
    return weighted_mean(error, _weights(mask if options.masked else None, pred, options))


def _logarithm(metres: Tensor) -> Tensor:
    tangent = metres / _LEAST_M - 1 + math.log(_LEAST_M)
    return torch.where(metres > _LEAST_M, metres.clamp_min(_LEAST_M).log(), tangent)


def gradient_size(pred: Tensor, mask: Tensor, options: MultiScaleOptions) -> Tensor:
    """Mean over known pixels of the absolute central differences along rows and columns."""
    if options.wraps:
        columns = pad(pred, (1, 1, 0, 0), mode="circular")
        rows = pad(pred, (0, 0, 1, 1), mode="replicate")
    else:
        columns, rows = pad(pred, (1, 1, 0, 0)), pad(pred, (0, 0, 1, 1))
    x = (columns[..., 2:] - columns[..., :-2]) / 2
    y = (rows[..., 2:, :] - rows[..., :-2, :]) / 2
    return weighted_mean(x.abs() + y.abs(), _weights(mask, pred, options))


def _weights(mask: Tensor | None, like: Tensor, options: MultiScaleOptions) -> Tensor | None:
    if not options.solid_angle:
        return mask
    camera = Equirectangular(*like.shape[-2:])
    angles = camera.solid_angles(device=like.device, dtype=like.dtype)
    return angles if mask is None else mask * angles
