"""Changes of a model's scale and shift from one image to the next.

Some models have a different scale and shift in every image. Depth maps of consecutive images of a
video still agree up to a line, which a robust fit over all pixels estimates far more precisely than
sparse measurements do. The remaining slow change can be smoothed by a filter over time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..geometry.exact import exact
from .fits import FitModel

_TUKEY = 4.685
_ITERATIONS = 8
_SAMPLES = 8192
_LEAST_SAMPLES = 100
_TINY = 1e-12


@dataclass(frozen=True)
class Normalisation:
    """Normalisation of values: ``(value - middle) / spread`` has no unknown scale nor shift.

    Attributes:
        middle: median of the values; 0 for models without a shift.
        spread: median distance from it; the median itself for models without a shift.
    """

    middle: float
    spread: float

    @classmethod
    def of(cls, values: Tensor, valid: Tensor, has_shift: bool) -> Normalisation | None:
        """The normalisation of a map; None if it is constant or not positive."""
        seen = exact(values[valid & torch.isfinite(values)])
        if seen.numel() < _LEAST_SAMPLES:
            return None
        median = seen.median()
        middle = median if has_shift else torch.zeros_like(median)
        numbers = torch.stack((middle, (seen - middle).abs().median())).tolist()
        return cls(*numbers) if numbers[1] > _TINY else None

    def apply(self, values: Tensor) -> Tensor:
        """The map with normalised values."""
        return (values - self.middle) / self.spread


@dataclass(frozen=True)
class Step:
    """The line ``scale * value + shift`` from values of an image to depths of the last one.

    ``residual_ratio`` is the difference of both, relative to depth (a robust sigma).
    """

    scale: float
    shift: float
    residual_ratio: float


def follow(
    values: Tensor, valid: Tensor, before: Tensor, model: FitModel, start: tuple[float, float]
) -> Step | None:
    """Fit the values of an image to the linear depths of the image before it.

    Both have errors of the same size, so the slope is the ratio of their spreads (the reduced major
    axis); that of least squares would shrink from step to step. Outliers, such as moving objects,
    are weighted down by Tukey's biweight.

    Args:
        values: (H, W) of this image.
        valid: (H, W) bool.
        before: (H, W) ``model.space.from_depth(depth)`` of the last image, NaN where not valid.
        model: of the fit.
        start: initial scale and shift.

    Returns:
        the step, or None if the images overlap too little.
    """
    usable = valid & torch.isfinite(values) & torch.isfinite(before)
    x, y = exact(values[usable]), exact(before[usable])
    if x.numel() < _LEAST_SAMPLES:
        return None
    stride = -(-x.numel() // _SAMPLES)
    x, y = x[::stride], y[::stride]
    scale, shift = (x.new_tensor(number) for number in start)
    sigma = x.new_ones(())
    for _ in range(_ITERATIONS):
        fitted = scale * x + shift
        depth = model.space.to_depth((fitted + y) / 2)
        unit = model.space.slope(depth) * depth  # change of the linear value with ln(depth)
        residual = (fitted - y) / unit
        known = torch.isfinite(residual) & (depth > 0)
        residual = torch.where(known, residual, torch.inf)
        sigma = 1.4826 * residual.abs().median()
        trust = (1 - (residual / (_TUKEY * sigma + _TINY)).square()).clamp_min(0).square()
        trust = torch.where(known, trust / unit.square(), 0.0)
        trust = trust / trust.sum()
        if model.has_shift:
            mean_x, mean_y = (trust * x).sum(), (trust * y).sum()
            spread_x = (trust * (x - mean_x).square()).sum()
            spread_y = (trust * (y - mean_y).square()).sum()
            scale = (spread_y / spread_x).sqrt()
            shift = mean_y - scale * mean_x
        else:
            scale = ((trust * y.square()).sum() / (trust * x.square()).sum()).sqrt()
    numbers = torch.stack((scale, shift, sigma))
    if not bool(torch.isfinite(numbers).all()) or not float(scale) > 0:
        return None
    return Step(*numbers.tolist())
