"""Conversion of the disparity of the blind-spot VGG to depth.

The network returns the disparity ``d`` as a fraction of the width of a training image. In all
formulas depth is a factor divided by ``d``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .options import RangeFormula


def range_factor(
    formula: RangeFormula,
    *,
    baseline_m: float,
    network_turn_px: float,
    image_turn_px: float,
    training_width: int = 512,
    training_fov_rad: float = math.radians(82.5),
) -> float:
    """Factor in metres; range is this factor divided by the disparity.

    ``training``: r = B / (d fov), the geometry of the training images; correct for images with
    their angular resolution. ``consistent``: r = B w / (2 pi w_training d), corrected for the
    columns per radian of a panorama. ``authors``: r = B w / (d W) (issue 4 of their repository);
    this is ``consistent`` times 2 pi w_training / W, which is 1.57 at W = 2048.

    Args:
        formula: one of the three.
        baseline_m: stereo baseline of the training images.
        network_turn_px: columns ``w`` of a full turn in the network input.
        image_turn_px: columns ``W`` of a full turn in the image.
        training_width, training_fov_rad: columns and field of view of the training images.

    Raises:
        ValueError: unknown formula.
    """
    if formula == "authors":
        return baseline_m * network_turn_px / image_turn_px
    if formula == "consistent":
        return baseline_m * network_turn_px / (2 * math.pi * training_width)
    if formula == "training":
        return baseline_m / training_fov_rad
    raise ValueError(f"formula must be authors, consistent or training, got {formula!r}")


def merge_ramps(plain: Tensor, mirrored: Tensor) -> Tensor:
    """Merge disparities (..., w) of an image with those of its mirror image, mirrored back.

    The left border of a left image is not visible in the right one, so the outer twentieths are
    taken from a single run (monodepth, arXiv 1609.03677, section 4.2).
    """
    width = plain.shape[-1]
    position = torch.linspace(0, 1, width, device=plain.device, dtype=plain.dtype)
    left = 1 - (20 * (position - 0.05)).clamp(0, 1)
    right = left.flip(-1)
    return right * plain + left * mirrored + (1 - left - right) * (plain + mirrored) / 2
