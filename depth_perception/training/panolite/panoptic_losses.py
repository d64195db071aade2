"""The losses of PanoLite with segments: those of its depth, of classes, centres and offsets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ...data.labelled_worlds import UNKNOWN
from ...systems.panolite.panoptic_network import PanopticMaps
from .losses import LossRecipe, losses, mean_of_images
from .panoptic_frames import PanopticBatch

_AROUND = 2  # pixels


@dataclass(frozen=True)
class PanopticLossRecipe:
    """Weights of the terms.

    Attributes:
        depth: those of range.
        classes: cross entropy of the classes.
        centre: focal loss of the centres (Law and Deng, ECCV 2018, arXiv 1808.01244, equation 1).
        offset: absolute error of the offsets.
        rare: names of classes that count ``rare_factor`` times in ``classes``.
        small_factor: so many times count pixels of small things, besides. What lies within two
            pixels of such pixels counts as much, or masks would grow beyond their things.
    """

    depth: LossRecipe = field(default_factory=LossRecipe)
    classes: float = 1.0
    centre: float = 0.2
    offset: float = 1.0
    rare: tuple[str, ...] = (
        *("person", "car", "pole", "traffic sign", "traffic light", "bicycle", "motorcycle"),
        *("bus", "truck", "fence", "chair", "bench", "bin"),
    )
    rare_factor: float = 3.0
    small_factor: float = 3.0


def panoptic_losses(
    maps: PanopticMaps, batch: PanopticBatch, factors: Tensor, recipe: PanopticLossRecipe
) -> Mapping[str, Tensor]:
    """The weighted terms by name.

    Args:
        maps: of the network. batch: of the same images.
        factors: (256,) weight of the pixels of each label.
        recipe: the weights of the terms.
    """
    log_ratio = (batch.range_m.clamp_min(1e-3) / batch.height_m).log()
    depth = (maps.depth.float().chunk(3, 1), log_ratio, batch.range_m > 0, batch.thin)
    terms = dict(losses(*depth, recipe.depth, batch.rays if batch.is_pinhole else None))
    labels = batch.labels.long()
    error = F.cross_entropy(maps.classes.float(), labels, ignore_index=UNKNOWN, reduction="none")
    weight = factors[labels] * torch.where(batch.small[:, 0], recipe.small_factor, 1.0)
    weight = F.max_pool2d(weight[:, None], 2 * _AROUND + 1, 1, _AROUND)[:, 0]
    terms["classes"] = recipe.classes * mean_of_images(error, weight * (labels != UNKNOWN))
    terms["centre"] = recipe.centre * centre_error(maps.centre.float(), batch.centre)
    apart = (maps.offset.float() - batch.offset).abs().sum(1, keepdim=True)
    terms["offset"] = recipe.offset * mean_of_images(apart, batch.weight)
    return terms


def centre_error(logit: Tensor, target: Tensor) -> Tensor:
    """Focal loss of (B, 1, H, W), for each image over the number of its centres."""
    probability = logit.sigmoid()
    at_centre = (target == 1).float()
    missed = -F.logsigmoid(logit) * (1 - probability) ** 2 * at_centre
    wrong = -F.logsigmoid(-logit) * probability**2 * (1 - target) ** 4 * (1 - at_centre)
    total = (missed + wrong).flatten(1).sum(1)
    return (total / (1 + at_centre.flatten(1).sum(1))).mean()
