"""The network for segments and range: classes, centres of things, and where they lie.

After Panoptic-DeepLab (Cheng et al., CVPR 2020, arXiv 1911.10194), section 3: things are found by
their centres, and each pixel of a thing points to its centre.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers.padding import doubled
from .config import PanoLiteConfig
from .network import WITH_LATITUDE, PanoLite, Residual, SphereConv, open_borders

_RARE = -4.6  # logit of a centre before training


class PanopticMaps(NamedTuple):
    """A prediction for images (B, 3 or 4, H, W).

    Attributes:
        depth: (B, 3, H, W) as :class:`PanoLite` returns it.
        classes: (B, classes + 1, H, W) logits; the last one is no segment.
        centre: (B, 1, H, W) logit of the centre of a thing.
        offset: (B, 2, H, W) rows and columns from a pixel to the centre of its thing, in eighths of
            H; on a panorama the way may lead over the left or right border.
    """

    depth: Tensor
    classes: Tensor
    centre: Tensor
    offset: Tensor


class PanoLitePanoptic(PanoLite):
    """Segments and range; the parameters of :class:`PanoLite` have the same names."""

    output_types = (PanopticMaps,)

    def __init__(self, config: PanoLiteConfig) -> None:
        super().__init__(config)
        fine, coarse, width = *config.widths[:2], config.panoptic
        self.panoptic = nn.ModuleDict(
            {
                "refine": Residual(coarse),
                "coarser": nn.Conv2d(coarse, fine, 1),
                "mix": SphereConv(fine, width, 3),
                "classes": nn.Conv2d(width, (len(config.classes) + 1) * 2**2, 1),
                "things": nn.Conv2d(width, 3 * 2**2, 1),
            }
        )
        with torch.no_grad():
            self.panoptic["things"].weight.mul_(0.3)
            self.panoptic["things"].bias.zero_()
            self.panoptic["things"].bias[: 2**2] = _RARE

    def forward(self, images: Tensor) -> PanopticMaps:
        with open_borders(images.shape[1] == WITH_LATITUDE):
            fine, coarse, *_ = self._features(images)
            depth = F.pixel_shuffle(self.head(F.relu(fine)), 2)
            part = self.panoptic
            fine = fine + doubled(part["coarser"](part["refine"](coarse)))
            mixed = F.relu(part["mix"](F.relu(fine)))
            classes = F.pixel_shuffle(part["classes"](mixed), 2)
            things = F.pixel_shuffle(part["things"](mixed), 2)
        return PanopticMaps(depth, classes, things[:, :1], things[:, 1:])
