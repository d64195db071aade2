"""What the blind-spot VGG and OmniDepth share: size of panoramas, metrics of their range."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...evaluation.metrics import depth_metrics
from ...geometry import Equirectangular
from ..recipe import Recipe
from ..strict_mapping import RecipeError

LOWER = (
    *("abs_rel", "sq_rel", "rms", "log_rms", "log10", "mae"),
    *("abs_rel_metric", "abs_rel_constant"),
)
HIGHER = ("a1", "a2", "a3")


def check_size(recipe: Recipe, multiple: int) -> None:
    """Raises RecipeError: height and width of the data are no multiples of a number."""
    height, width = recipe.data.size
    if height % multiple or width % multiple:
        raise RecipeError(
            f"data.height and data.width must be multiples of {multiple} for {recipe.model.name}, "
            f"got {height} and {width}"
        )


def range_metrics(
    range_m: Tensor, target_m: Tensor, max_range_m: float, camera: Equirectangular | None = None
) -> Mapping[str, float] | None:
    """Metrics of panoramas weighted by solid angle, averaged over the images; None without
    ground truth.

    Each prediction is scaled by the medians, then clamped to ``max_range_m``. ``abs_rel_metric``
    is that without scaling; ``abs_rel_constant`` that of a constant range with the same scaling.

    Prediction and ground truth are (B, 1, H, W), 0 where unknown; the camera is None for a full
    panorama.
    """
    rows = []
    camera = camera or Equirectangular(*target_m.shape[-2:])
    solid = camera.solid_angles(device=target_m.device)
    for pred, whole in zip(range_m[:, 0], target_m[:, 0], strict=True):
        known = (whole > 0) & (whole <= max_range_m)
        if not known.any():
            continue
        target, weights = whole[known], solid.expand_as(whole)[known]
        found = pred[known].clamp(1e-3, 1e3)  # a disparity of 0 is at infinity
        middle = target.median()
        scaled = found * (middle / found.median())
        row = dict(depth_metrics(target, scaled.clamp_max(max_range_m), weights))
        row["abs_rel_metric"] = _abs_rel(target, found.clamp_max(max_range_m), weights)
        row["abs_rel_constant"] = _abs_rel(target, middle.expand_as(target), weights)
        rows.append(row)
    if not rows:
        return None
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def range_preview(rgb: Tensor, range_m: Tensor, target_m: Tensor, max_range_m: float) -> Tensor:
    """An image (3, H, W) in [0, 1] above its predicted range, scaled by medians, and the target.

    Near is bright; unknown is black.
    """
    known = target_m > 0
    scale = target_m[known].median() / range_m[known].median() if known.any() else 1.0
    maps = [(range_m * scale).clamp(1e-3, max_range_m), target_m]
    grey = [torch.where(m > 0, 1 - (m / max_range_m).clamp(0, 1).sqrt(), 0) for m in maps]
    return torch.cat([rgb, *(g.expand(3, -1, -1) for g in grey)], 1)


def _abs_rel(target: Tensor, found: Tensor, weights: Tensor) -> float:
    return float((weights * (found - target).abs() / target).sum() / weights.sum())
