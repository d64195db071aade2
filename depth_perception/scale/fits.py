"""Robust fits of a model's values to known distances.

A fit is linear, ``scale * value + shift``, in the space that its :class:`FitModel` names. It starts
from the hypothesis with the least median residual among many that go through few samples
(Rousseeuw, "Least Median of Squares Regression", 1984), and is refined by iteratively reweighted
least squares with Tukey's biweight. All of it runs on the device of the values and draws from a
generator of fixed seed, so that equal samples give equal fits.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..depth_space import FitModel, ScaleFit
from ..geometry.exact import exact, near_exact
from .options import FitOptions

_TUKEY = 4.685  # 95 % efficiency on normal noise
_MAD_TO_SIGMA = 1.4826
_HYPOTHESES = 256
_SCORED_SAMPLES = 2048
_ITERATIONS = 20
_SIGMA_FLOOR = 1e-4  # in units of the assumed noise: samples without any noise


class FitError(ValueError):
    """The samples do not determine a fit, or only an unreliable one."""


def fit_depth(
    values: Tensor,
    depth_m: Tensor,
    model: FitModel,
    *,
    weights: Tensor | None = None,
    groups: Tensor | None = None,
    options: FitOptions | None = None,
) -> ScaleFit:
    """Fit values to known depths.

    Args:
        values: the network's numbers, any shape, in the space of ``model``.
        depth_m: depths in metres, of the same shape and device; not finite or not positive where
            unknown.
        weights: weight of each sample, of the same shape; None: all are 1.
        groups: int64 number >= 0 of the group of each sample, of the same shape: errors within a
            group may be correlated, those of different groups are independent. Only the sigmas
            depend on it. None: all are independent.
        options: None takes the defaults.

    Raises:
        ValueError: shapes differ, or a weight is negative or NaN.
        FitError: too few samples, no spread, too many outliers, too large residuals, or a scale
            that is not positive or too uncertain. The message has the numbers.
    """
    model, options = FitModel(model), options or FitOptions()
    x, depth, weight, group = _samples(values, depth_m, weights, groups)
    if model is FitModel.SCALE:
        positive = x > 0
        x, depth, weight = x[positive], depth[positive], weight[positive]
        group = None if group is None else group[positive]
    if x.numel() < options.min_samples:
        raise FitError(f"{x.numel()} valid samples are too few: need {options.min_samples}")

    noise = torch.hypot(depth.new_tensor(options.noise_m), options.noise_ratio * depth)
    row_scale = 1.0 / (noise * model.space.slope(depth))
    columns = (x, torch.ones_like(x)) if model.has_shift else (x,)
    rows = torch.stack(columns, -1) * row_scale[:, None]
    wanted = model.space.from_depth(depth) * row_scale

    drawn = _drawn(weight)
    line = _least_median(x[drawn], rows[drawn], wanted[drawn])
    line, sigma = _refined(line, rows, wanted, weight, drawn)
    residual = rows @ line - wanted
    inlier = residual.abs() < _TUKEY * sigma
    weight = weight * inlier
    sigmas = _sigmas(rows, residual, weight, inlier, group)
    fitted = model.space.to_depth(line[0] * x + line[1] if model.has_shift else line[0] * x)
    error = torch.where(inlier, fitted - depth, 0.0)
    total = weight.sum()
    fit = ScaleFit(
        model=model,
        scale=float(line[0]),
        shift=float(line[1]) if model.has_shift else 0.0,
        scale_sigma=sigmas[0],
        shift_sigma=sigmas[1] if model.has_shift else 0.0,
        residual_m=float(((weight * error**2).sum() / total).sqrt()),
        residual_ratio=float(((weight * (error / depth) ** 2).sum() / total).sqrt()),
        inliers=int(inlier.sum()),
        samples=x.numel(),
    )
    _reject_unreliable(fit, depth[inlier], options)
    return fit


def _samples(
    values: Tensor, depth_m: Tensor, weights: Tensor | None, groups: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Usable values, depths and weights, each (N,) float64, and their groups, on one device."""
    if weights is None:
        weights = torch.ones_like(depth_m)
    if not values.shape == depth_m.shape == weights.shape:
        raise ValueError(
            f"values {tuple(values.shape)}, depth_m {tuple(depth_m.shape)} and weights "
            f"{tuple(weights.shape)} must have one shape"
        )
    if groups is not None and groups.shape != values.shape:
        raise ValueError(
            f"groups {tuple(groups.shape)} must have the shape of values {tuple(values.shape)}"
        )
    if not (weights >= 0).all():
        raise ValueError("weights must not be negative or NaN")
    usable = torch.isfinite(values) & torch.isfinite(depth_m) & (depth_m > 0) & (weights > 0)
    x, depth, weight = (exact(t[usable]) for t in (values, depth_m, weights))
    return x, depth, weight, None if groups is None else near_exact(groups[usable])


def _drawn(weight: Tensor) -> Tensor:
    """Indices of the samples for making and scoring hypotheses, drawn by weight."""
    count = weight.numel()
    if count <= _SCORED_SAMPLES and bool((weight == weight[0]).all()):
        return torch.arange(count, device=weight.device)
    share = weight.cpu().cumsum(0)
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(_SCORED_SAMPLES, generator=generator, dtype=torch.float64) * share[-1]
    return torch.searchsorted(share, points).clamp_(max=count - 1).to(weight.device)


def _least_median(x: Tensor, rows: Tensor, wanted: Tensor) -> Tensor:
    """The line through one or two samples that has the least median residual."""
    count = x.numel()
    generator = torch.Generator().manual_seed(0)
    if rows.shape[1] == 1:
        pick = torch.randint(count, (_HYPOTHESES,), generator=generator).to(x.device)
        lines = (wanted[pick] / rows[pick, 0])[:, None]
    else:
        # one sample from each half by value: lines through close samples are inaccurate
        order = x.argsort(stable=True)
        half = count // 2
        low = torch.randint(half, (_HYPOTHESES,), generator=generator)
        high = torch.randint(half, count, (_HYPOTHESES,), generator=generator)
        first, second = (order[pick.to(x.device)] for pick in (low, high))
        distinct = x[first] < x[second]
        if not bool(distinct.any()):
            raise FitError("all values are equal: scale and shift cannot be separated")
        first, second = first[distinct], second[distinct]
        y = wanted / rows[:, 1]
        scales = (y[second] - y[first]) / (x[second] - x[first])
        lines = torch.stack((scales, y[first] - scales * x[first]), -1)
    residuals = (lines @ rows.T - wanted).abs()
    return lines[residuals.median(1).values.argmin()]


def _refined(
    line: Tensor, rows: Tensor, wanted: Tensor, weight: Tensor, drawn: Tensor
) -> tuple[Tensor, Tensor]:
    """The line after reweighted least squares, and the noise in units of the assumed one."""
    sigma = _noise_of(rows[drawn] @ line - wanted[drawn])
    for _ in range(_ITERATIONS):
        ratio = (rows @ line - wanted) / (_TUKEY * sigma)
        trust = weight * (1 - ratio**2).clamp_(min=0) ** 2
        normal, right = _normal_equations(rows, wanted, trust)
        before, line = line, torch.linalg.solve(normal, right)
        sigma = _noise_of(rows[drawn] @ line - wanted[drawn])
        if bool(torch.allclose(line, before, rtol=1e-9, atol=1e-12)):
            break
    return line, sigma


def _noise_of(residual: Tensor) -> Tensor:
    """Standard deviation of the residuals without their outliers."""
    size = residual.abs()
    sigma = (_MAD_TO_SIGMA * size.median()).clamp_(min=_SIGMA_FLOOR)
    for _ in range(5):  # outliers widen the first estimate: leave them out
        kept = size[size < 3 * sigma]
        sigma = (_MAD_TO_SIGMA * kept.median()).clamp_(min=_SIGMA_FLOOR)
    return sigma


def _normal_equations(rows: Tensor, wanted: Tensor, trust: Tensor) -> tuple[Tensor, Tensor]:
    weighted = rows * trust[:, None]
    normal, right = weighted.T @ rows, weighted.T @ wanted
    diagonal = normal.diagonal()
    conditioned = bool(torch.isfinite(normal).all()) and bool((diagonal > 0).all())
    if conditioned and rows.shape[1] == 2:
        conditioned = bool(torch.linalg.det(normal) > 1e-12 * diagonal.prod())
    if not conditioned:
        raise FitError("the inliers do not determine both scale and shift")
    return normal, right


def _sigmas(
    rows: Tensor, residual: Tensor, weight: Tensor, inlier: Tensor, group: Tensor | None
) -> list[float]:
    """Standard deviations of the numbers of the line."""
    normal, _ = _normal_equations(rows, residual, weight)
    # from the spread of the residuals, so that the assumed noise need not be correct
    # (White, "A Heteroskedasticity-Consistent Covariance Matrix Estimator", 1980)
    pulls, independent = rows * (weight * residual)[:, None], int(inlier.sum())
    if group is not None and independent:
        # errors of a group add up (Liang and Zeger, "Longitudinal Data Analysis Using Generalized
        # Linear Models", 1986)
        found, member = group.unique(return_inverse=True)
        independent = int(member[inlier].unique().numel())
        pulls = pulls.new_zeros((found.numel(), rows.shape[1])).index_add_(0, member, pulls)
    freedom = max(1, independent - rows.shape[1])
    inverse = torch.linalg.inv(normal)
    covariance = inverse @ (pulls.T @ pulls) @ inverse * (independent / freedom)
    return covariance.diagonal().clamp(min=0).sqrt().tolist()


def _reject_unreliable(fit: ScaleFit, depth_m: Tensor, options: FitOptions) -> None:
    if fit.inliers < options.min_samples or fit.inlier_ratio < options.min_inlier_ratio:
        raise FitError(
            f"only {fit.inliers} of {fit.samples} samples agree with the best fit: need "
            f"{options.min_inlier_ratio:.0%} and at least {options.min_samples}"
        )
    if fit.model.has_shift:
        ordered = depth_m.sort().values
        low, middle, high = (
            float(ordered[int(share * (ordered.numel() - 1))]) for share in (0.1, 0.5, 0.9)
        )
        if high - low < options.min_spread_ratio * middle:
            raise FitError(
                f"depths from {low:.3g} to {high:.3g} m are too similar to separate scale and "
                f"shift: need a spread of {options.min_spread_ratio:.0%}"
            )
    if not math.isfinite(fit.scale) or fit.scale <= 0:
        raise FitError(f"a scale of {fit.scale:.3g} is not positive: values and depths disagree")
    if fit.scale_sigma > options.max_sigma_ratio * fit.scale:
        raise FitError(
            f"a scale of {fit.scale:.3g} with a sigma of {fit.scale_sigma:.3g} is too uncertain"
        )
    if fit.residual_ratio > options.max_residual_ratio:
        raise FitError(
            f"inliers are off by {fit.residual_ratio:.0%} of their depth: need "
            f"{options.max_residual_ratio:.0%}"
        )
