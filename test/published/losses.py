"""Published losses that no recipe uses."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from depth_perception.training.blindspot.photometric import weighted_mean
from depth_perception.training.omnidepth.losses import MultiScaleOptions


def as_published(options: MultiScaleOptions) -> MultiScaleOptions:
    """The weights with the defects of the published program of OmniDepth."""
    return replace(options, masked=False, solid_angle=False, wraps=False, relative=False)


def spherical_berhu(
    target: Tensor,
    pred: Tensor,
    mask: Tensor,
    weights: Tensor,
    *,
    threshold: float = 0.2,
    as_published: bool = False,
) -> Tensor:
    """Reverse Huber with weights: linear below ``threshold`` times the largest error of the batch.

    Args:
        target, pred: (B, 1, H, W) metres. mask: (B, 1, H, W) bool, where the target is known.
        weights: (H, 1) or (H, W), for example the solid angles of the camera.
        as_published: as SphericalViewSynthesis: unknown pixels count in the largest error, sums
            are divided by the number of pixels of each image and not by their weight.
    """
    error = (target - pred).abs()
    if not as_published:
        error = torch.where(mask, error, 0)
    limit = threshold * error.detach().max()
    values = torch.where(
        error <= limit,
        error,
        (error.square() + limit.square()) / (2 * limit).clamp_min(1e-12),
    )
    if not as_published:
        return weighted_mean(values, mask * weights)
    counts = mask.sum((1, 2, 3)).clamp_min(1)
    return ((values * mask * weights).sum((1, 2, 3)) / counts).mean()


def bin_chamfer(edges: Tensor, target: Tensor, *, least_m: float = 1e-3) -> Tensor:
    """Squared distances between bin centres and depths, both ways; mean over images.

    AdaBins (arXiv 2011.14141), section 3.3. The published models were trained without.

    Args:
        edges: (B, bins + 1) in the unit of ``target``.
        target: (B, 1, H, W); what is below ``least_m`` does not count.
    """
    centres = (edges[:, 1:] + edges[:, :-1]) / 2
    terms = [edges.sum() * 0]
    for bins, depth in zip(centres, target.flatten(1), strict=True):
        depth = depth[depth >= least_m]
        if depth.numel() == 0:
            continue
        order = bins.detach().sort().indices
        bins = bins[order]
        depth = depth.sort().values
        terms.append(_to_nearest(bins, depth).mean() + _to_nearest(depth, bins).mean())
    return torch.stack(terms).sum() / len(edges)


def _to_nearest(values: Tensor, among: Tensor) -> Tensor:
    """Squared distance of each value to the nearest of the sorted ones."""
    above = torch.searchsorted(among.detach(), values.detach()).clamp(1, max(1, len(among) - 1))
    above = above.clamp_max(len(among) - 1)
    below = (above - 1).clamp_min(0)
    return torch.minimum((values - among[above]).square(), (values - among[below]).square())
