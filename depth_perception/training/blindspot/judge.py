"""How panoramas are judged while a network learns: nine numbers and that of a constant range."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...evaluation.metrics import depth_metrics
from ...geometry import Equirectangular

LOWER = (
    *("abs_rel", "sq_rel", "rms", "log_rms", "log10", "mae"),
    *("abs_rel_metric", "abs_rel_constant"),
)
HIGHER = ("a1", "a2", "a3")


def judged_ranges(
    range_m: Tensor, truth_m: Tensor, max_range_m: float, camera: Equirectangular | None = None
) -> Mapping[str, float] | None:
    """Numbers of panoramas, pixels weighed by solid angle, mean over the images.

    Each prediction is scaled by the medians, then clamped to ``max_range_m``. ``abs_rel_metric`` is
    without the scale; ``abs_rel_constant`` is that of one range everywhere, scaled alike.

    Args:
        range_m: (B, 1, H, W) what the network says. truth_m: the same size, 0 where unknown.
        camera: of that size; None is a full panorama.

    Returns:
        None where no image has truth.
    """
    rows = []
    camera = camera or Equirectangular(*truth_m.shape[-2:])
    solid = camera.solid_angles(device=truth_m.device)
    for pred, truth in zip(range_m[:, 0], truth_m[:, 0], strict=True):
        known = (truth > 0) & (truth <= max_range_m)
        if not known.any():
            continue
        target, weights = truth[known], solid.expand_as(truth)[known]
        found = pred[known].clamp(1e-3, 1e3)  # a disparity of 0 is infinitely far
        middle = target.median()
        scaled = found * (middle / found.median())
        rows.append(
            dict(depth_metrics(target, scaled.clamp_max(max_range_m), weights))
            | {
                "abs_rel_metric": _abs_rel(target, found.clamp_max(max_range_m), weights),
                "abs_rel_constant": _abs_rel(target, middle.expand_as(target), weights),
            }
        )
    if not rows:
        return None
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def panorama_picture(rgb: Tensor, range_m: Tensor, truth_m: Tensor, max_range_m: float) -> Tensor:
    """A picture (3, H, W) in [0, 1], under it what was found (scaled by medians) and the truth.

    Near is bright; unknown is black.
    """
    known = truth_m > 0
    scale = truth_m[known].median() / range_m[known].median() if known.any() else 1.0
    maps = [(range_m * scale).clamp(1e-3, max_range_m), truth_m]
    grey = [torch.where(m > 0, 1 - (m / max_range_m).clamp(0, 1).sqrt(), 0) for m in maps]
    return torch.cat([rgb, *(g.expand(3, -1, -1) for g in grey)], 1)


def _abs_rel(target: Tensor, found: Tensor, weights: Tensor) -> float:
    return float((weights * (found - target).abs() / target).sum() / weights.sum())
