"""The losses of PanoLite, each a mean over images of a mean over pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...geometry import Equirectangular

_SMOOTH_LOG = 0.1


@dataclass(frozen=True)
class LossRecipe:
    """Weights of the terms.

    Attributes:
        log_l1: absolute error of the logarithm of range.
        gradient: absolute error of its differences between neighbours, at four scales.
        normal: one minus the cosine between surface normals, away from depth jumps.
        sigma: negative log likelihood of a Laplace distribution, which trains the uncertainty only.
        valid: cross entropy of the validity.
        thin: additional weight in ``log_l1`` and ``gradient`` of what is thin and near.
    """

    log_l1: float = 1.0
    gradient: float = 0.5
    normal: float = 0.2
    sigma: float = 0.1
    valid: float = 0.3
    thin: float = 4.0


def losses(
    output: Sequence[Tensor],
    log_ratio: Tensor,
    surface: Tensor,
    thin: Tensor,
    recipe: LossRecipe,
    rays: Tensor | None = None,
) -> Mapping[str, Tensor]:
    """The weighted terms by name.

    Args:
        output: (B, 1, H, W) each: logarithm of range, of its uncertainty, logit of validity.
        log_ratio: (B, 1, H, W) what the first output should be, any number without a surface.
        surface, thin: (B, 1, H, W) bool, where there is a surface, and a thin and near one.
        rays: (B, 3, H, W) directions of the pixels of pinhole images; None for panoramas.
    """
    logs, log_sigma, logit = output
    weight = surface * (1 + recipe.thin * thin)
    residual = torch.where(surface, logs - log_ratio, 0.0)
    error = residual.abs()
    log_sigma = log_sigma.clamp(-5, 3)
    likelihood = log_sigma + error.detach() * (-log_sigma).exp()
    terms = {
        "log_l1": mean_of_images(error, weight),
        "gradient": gradient_error(residual, weight, closed=rays is None),
        "normal": normal_error(logs, log_ratio, surface, rays),
        "sigma": mean_of_images(likelihood, surface.float()),
        "valid": F.binary_cross_entropy_with_logits(logit, surface.float()),
    }
    return {name: getattr(recipe, name) * value for name, value in terms.items()}


def gradient_error(residual: Tensor, weight: Tensor, *, closed: bool = True) -> Tensor:
    """Differences of a residual between neighbours 1, 2, 4 and 8 pixels apart; ``closed``: the
    left and right border are neighbours."""
    total = residual.new_zeros(())
    for step in (1, 2, 4, 8):
        across = (residual - residual.roll(step, -1)).abs()
        both = _both(weight, weight.roll(step, -1))
        if not closed:
            both[..., :step] = 0
        total = total + mean_of_images(across, both)
        down = (residual[..., step:, :] - residual[..., :-step, :]).abs()
        both = _both(weight[..., step:, :], weight[..., :-step, :])
        total = total + mean_of_images(down, both)
    return total / 8


def _both(one: Tensor, other: Tensor) -> Tensor:
    return torch.maximum(one, other) * (torch.minimum(one, other) > 0)


def normal_error(
    logs: Tensor, truth: Tensor, surface: Tensor, rays: Tensor | None = None
) -> Tensor:
    """One minus the cosine of the angle between normals, where the ground truth is smooth; ``rays``
    see :func:`losses`."""
    closed = rays is None
    if rays is None:
        rays = Equirectangular(*logs.shape[-2:]).rays(device=logs.device).movedim(-1, 0)
    normals = []
    for values in (logs, truth):
        right, down = _slopes(values.clamp(-4, 6).exp() * rays)
        normal = torch.linalg.cross(right, down, dim=1)
        normals.append(normal * (normal * normal).sum(1, keepdim=True).clamp_min(1e-20).rsqrt())
    steep = torch.maximum(*(slope.abs() for slope in _slopes(truth)))
    around = -F.max_pool2d(-surface.float(), 3, 1, 1)[..., 1:-1, :]
    if not closed:
        around[..., 0] = around[..., -1] = 0
    cosine = (normals[0] * normals[1]).sum(1, keepdim=True)
    return mean_of_images(1 - cosine, around * (steep < _SMOOTH_LOG))


def _slopes(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Differences (B, C, H - 2, W) of the neighbours right and left, and below and above."""
    right = maps.roll(-1, -1) - maps.roll(1, -1)
    return right[..., 1:-1, :], maps[..., 2:, :] - maps[..., :-2, :]


def mean_of_images(values: Tensor, weight: Tensor) -> Tensor:
    """Mean over the images of the weighted mean of each (B, 1, H, W); 0 without any weight."""
    sums = (values * weight).flatten(1).sum(1)
    return (sums / weight.flatten(1).sum(1).clamp_min(1e-6)).mean()
